"""`tallyhook verify`: what it says of a request that was saved."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from tallyhook.signing import sign, token
from tallyhook_receiver.cli.diagnosis import diagnose

from .command import Command, run

KEY, OTHER = "wick and oil", "tallow"
CONTENT = {"b": "é/", "a": ["1.0000", 2]}
BODY = json.dumps(CONTENT, separators=(",", ":")).encode()


def test_a_signature_that_fits() -> None:
    assert diagnose(BODY, sign(BODY, KEY), token(BODY), [KEY]).findings == ("The signature is right.",)
    found = diagnose(BODY, f" {sign(BODY, KEY)}\r\n", "", [OTHER, KEY])
    assert (found.fits, found.findings) == (True, ("The signature is right, made with key 2.",))


def test_a_token_that_lies_is_told_though_the_signature_fits() -> None:
    found = diagnose(BODY, sign(BODY, KEY), token(b"{}"), [KEY])
    assert found.fits
    assert f"is not the body's MD5: it says {token(b'{}')}, the MD5 is {token(BODY)}" in found.findings[1]
    assert "in upper case" in diagnose(BODY, sign(BODY, KEY), token(BODY).upper(), [KEY]).findings[1]


@pytest.mark.parametrize(
    ("received", "what"),
    [
        (BODY + b"\n", "a line break was added at its end"),
        (BODY + b"\r\n", "a line break was added at its end"),
        (b" " + BODY, "white space was added around it"),
        (b"\xef\xbb\xbf" + BODY, "a byte order mark was added in front"),
        (json.dumps(CONTENT).encode(), "the sender's had no spaces"),
        (json.dumps(CONTENT, indent=2, ensure_ascii=False).encode(), "no spaces, non-ASCII letters escaped"),
    ],
)
def test_what_happened_to_the_body_is_found(received: bytes, what: str) -> None:
    (finding,) = diagnose(received, sign(BODY, KEY), token(BODY), [OTHER, KEY]).findings
    assert finding.startswith("The key is right, but the body was changed: ")
    assert what in finding
    said = diagnose(received, sign(BODY, KEY), token(BODY), [OTHER]).findings  # without the key, by the token
    assert any(what in finding for finding in said)
    assert any("the key doesn't match" in finding for finding in said)


@pytest.mark.parametrize(
    ("sent", "received", "what"),
    [
        (BODY + b"\n", BODY, "the line break at its end was lost"),
        (b'{"a":\n1}', b'{"a":\r\n1}', "its line breaks were changed to CRLF"),
        (b'{"a":\r\n1}', b'{"a":\n1}', "its line breaks were changed to LF"),
        ('{"a":"é"}'.encode("latin-1"), '{"a":"é"}'.encode(), "from Latin-1 to UTF-8"),
        (b'{"a":"\\/","b":1}', b'{"b": 1, "a": "/"}', "no spaces, sorted keys, slashes escaped"),
    ],
)
def test_what_the_body_was_before_is_found(sent: bytes, received: bytes, what: str) -> None:
    (finding,) = diagnose(received, sign(sent, KEY), "", [KEY]).findings
    assert what in finding


@pytest.mark.parametrize(
    ("signature", "what"),
    [
        (sign(BODY, KEY).upper(), "something changed it to upper case"),
        (f"sha256={sign(BODY, KEY)}", "except for extra characters around it"),
        (f'"{sign(BODY, KEY)}"', "except for extra characters around it"),
        (base64.b64encode(bytes.fromhex(sign(BODY, KEY))).decode(), "right but in Base64"),
        (sign(BODY, KEY)[:-1], "has 63 characters, not 64 hex digits"),
        (token(BODY), "This is the token, not the signature"),
        (hmac.new(KEY.encode(), BODY, "sha256").hexdigest(), "the body itself was signed, not its MD5"),
        (hmac.new(KEY.encode(), token(BODY).upper().encode(), "sha256").hexdigest(), "signed in upper case"),
        (hmac.new(KEY.encode(), hashlib.md5(BODY).digest(), "sha256").hexdigest(), "as 16 bytes"),
        (hmac.new(KEY.encode(), token(BODY).encode(), "sha1").hexdigest(), "SHA-1, not SHA-256"),
        ("", "There is no X-CG-SIGNATURE header"),
    ],
)
def test_what_is_wrong_with_the_signature_is_found(signature: str, what: str) -> None:
    found = diagnose(BODY, signature, "", [OTHER, KEY])
    assert not found.fits
    assert what in found.findings[0]


def test_a_wrong_key_is_told_from_a_changed_body() -> None:
    changed = BODY.replace(b"1.0000", b"9.0000")
    assert diagnose(BODY, sign(BODY, KEY), token(BODY), [OTHER]).findings == (
        "The body is unchanged (X-CG-TOKEN is its MD5), so the key is wrong.",
    )
    _, finding = diagnose(changed, sign(BODY, KEY), token(BODY), [KEY]).findings
    assert finding.startswith("The key is right: the signature matches that token.")
    (finding,) = diagnose(changed, sign(BODY, KEY), "", [KEY]).findings
    assert finding.startswith("Either the key or the body is wrong.")
    assert "except for white space" in diagnose(BODY, sign(BODY, KEY), "", [f"{KEY}\n"]).findings[0]


def test_the_command_reads_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command("")
    body, headers = tmp_path / "body.json", tmp_path / "headers"
    body.write_bytes(BODY + b"\n")
    headers.write_text(
        f"POST /hooks HTTP/1.1\nHost: a:1\nx-cg-signature: {sign(BODY, KEY)}\nX-CG-Token: {token(BODY)}\n"
    )
    for arguments in (("--headers", str(headers)), ("--signature", sign(BODY, KEY))):
        done = run("verify", str(body), "--key", OTHER, "--key", KEY, *arguments)
        assert (done.returncode, done.stderr) == (1, "")
        assert (
            done.stdout == "The key is right, but the body was changed: a line break was added at its end.\n"
        )
    body.write_bytes(BODY)
    headers.write_text(json.dumps({"X-CG-SIGNATURE": sign(BODY, KEY)}))
    found = command.gives("verify", str(body), "--key", KEY, "--headers", str(headers))
    assert found == {"fits": True, "findings": ["The signature is right."], "bytes": len(BODY)}
    done = run("verify", "-", "--key", KEY, "--signature", sign(BODY, KEY), answer=BODY)
    assert (done.returncode, done.stdout) == (0, "The signature is right.\n")

    asked = ("verify", str(body), "--signature", sign(BODY, KEY))
    assert command.complains(2, *asked) == "--key or the variable TALLYHOOK_KEYS is required"
    for keys_given in (("",), (" ",), (KEY, "")):
        options = [word for given in keys_given for word in ("--key", given)]
        assert command.complains(2, *asked, *options).startswith("--key is empty")
    monkeypatch.setenv("TALLYHOOK_KEYS", f"{OTHER}, {KEY}")
    assert command.says(*asked) == "The signature is right, made with key 2.\n"
    assert command.says(*asked, "--key", KEY) == "The signature is right.\n"
    monkeypatch.delenv("TALLYHOOK_KEYS")
    monkeypatch.setenv("TALLYHOOK_KEYS_FILE", str(keys := tmp_path / "keys"))
    assert command.complains(2, *asked).startswith("TALLYHOOK_KEYS_FILE: ")
    keys.write_text(f"{OTHER}\n{KEY}\n")
    assert command.says(*asked) == "The signature is right, made with key 2.\n"

    headers.write_text(f"X-CG-SIGNATURE: {sign(BODY, KEY)}\nX-CG-TOKEN: \x1b]0;title\x07\x9b2J\u202e\n")
    told = run("verify", str(body), "--key", KEY, "--headers", str(headers)).stdout
    assert "it says \ufffd]0;title\ufffd\ufffd2J\ufffd, the MD5 is" in told

    headers.write_text("nothing")
    for wrong, complaint in (
        ((str(body),), "--signature or --headers is required"),
        ((str(tmp_path / "none"), "--signature", "x"), "No such file or directory"),
        ((str(body), "--headers", str(headers)), "has no headers; it needs lines such as"),
    ):
        assert complaint in command.complains(2, "verify", *wrong, "--key", KEY)
