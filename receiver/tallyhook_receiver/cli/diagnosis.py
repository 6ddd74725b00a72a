"""Find out why a signature doesn't match: the body was changed, or the key or the signature is wrong."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from tallyhook.signing import SIGNATURE_HEADER, TOKEN_HEADER, token, verify


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of checking a saved request.

    `fits` says whether the signature matches. `findings` are sentences that explain the result.
    """

    fits: bool
    findings: tuple[str, ...]


def diagnose(body: bytes, signature: str, stated: str, keys: Sequence[str]) -> Diagnosis:
    """Check whether a saved request was signed with one of the keys. If not, find out why.

    `stated` is the value of the request's X-CG-TOKEN header, or `""`. The findings never quote a key.
    """
    signature, stated = signature.strip(), stated.strip()
    about_token = list(_about_token(body, stated))
    if verify(body, signature, *keys):
        number = next(n for n, key in enumerate(keys, 1) if verify(body, signature, key))
        which = f", made with key {number}" if len(keys) > 1 else ""
        return Diagnosis(True, (f"The signature is right{which}.", *about_token))
    if not signature:
        return Diagnosis(False, (f"There is no {SIGNATURE_HEADER} header, so there is nothing to verify.",))
    for wrong in (_wrong_signature, _wrong_key, _wrong_rule):
        finding = wrong(body, signature, keys)
        if finding:
            return Diagnosis(False, (finding, *about_token))
    for what, before in _before(body):
        if verify(before, signature, *keys):
            return Diagnosis(False, (f"The key is right, but the body was changed: {what}.",))
    malformed = _malformed(signature)
    if malformed:
        return Diagnosis(False, (malformed, *about_token))
    return Diagnosis(False, tuple(_undecided(body, signature, stated, keys)))


def _about_token(body: bytes, stated: str) -> Iterator[str]:
    if stated and stated != token(body):
        if stated.lower() == token(body):
            yield f"{TOKEN_HEADER} is the body's MD5 in upper case; Cheddar writes it in lower case."
        else:
            yield f"{TOKEN_HEADER} is not the body's MD5: it says {stated}, the MD5 is {token(body)}."


def _wrong_signature(body: bytes, signature: str, keys: Sequence[str]) -> str:
    """Return a finding if the signature is right but written differently, for example in upper case.

    Returns `""` if that isn't the cause.
    """
    if verify(body, signature.lower(), *keys):
        return "The signature is right except for upper case: something changed it to upper case."
    if verify(body, signature.lower().rpartition("=")[2].strip("\"' \t"), *keys):
        return "The signature is right except for extra characters around it: pass only the 64 hex digits."
    try:
        decoded = base64.b64decode(signature, validate=True).hex()
    except ValueError:
        return ""
    return "The signature is right but in Base64: pass it in hex." if verify(body, decoded, *keys) else ""


def _wrong_key(body: bytes, signature: str, keys: Sequence[str]) -> str:
    for key in keys:
        if key != key.strip() and verify(body, signature, key.strip()):
            return (
                "The key is right except for white space around it: it was probably read with a line break."
            )
    return ""


def _wrong_rule(body: bytes, signature: str, keys: Sequence[str]) -> str:
    """Return a finding if the body was signed with the right key, but not in Cheddar's way.

    Also returns a finding if the token was passed as the signature. Returns `""` if neither is the cause.
    """
    if signature == token(body):
        return f"This is the token, not the signature: pass {SIGNATURE_HEADER}, not {TOKEN_HEADER}."
    digest = hashlib.md5(body, usedforsecurity=False)
    rules = (
        ("the body itself was signed, not its MD5", body, hashlib.sha256),
        ("the MD5 was signed in upper case", digest.hexdigest().upper().encode(), hashlib.sha256),
        ("the MD5 was signed as 16 bytes, not as 32 hex digits", digest.digest(), hashlib.sha256),
        ("the HMAC uses SHA-1, not SHA-256", digest.hexdigest().encode(), hashlib.sha1),
        ("the HMAC uses MD5, not SHA-256", digest.hexdigest().encode(), hashlib.md5),
    )
    for key, (what, message, algorithm) in product(keys, rules):
        if hmac.new(key.encode(), message, algorithm).hexdigest() == signature.lower():
            return f"The key and the body are right, but the body was signed in another way: {what}."
    return ""


def _malformed(signature: str) -> str:
    if len(signature) != 64 or set(signature.lower()) - set("0123456789abcdef"):
        what = f"The signature has {len(signature)} characters, not 64 hex digits"
        return f"{what}: it was cut, or is not Cheddar's."
    return ""


def _undecided(body: bytes, signature: str, stated: str, keys: Sequence[str]) -> Iterator[str]:
    """Yield findings from the token header. Called if no other check explains the wrong signature.

    `stated` is the token header, which contains the MD5 of the original body.
    """
    if not stated:
        yield f"Either the key or the body is wrong. Pass {TOKEN_HEADER} to find out which."
        return
    if stated.lower() == token(body):
        yield f"The body is unchanged ({TOKEN_HEADER} is its MD5), so the key is wrong."
        return
    yield from _about_token(body, stated)
    message = stated.lower().encode("utf-8", "replace")
    fits = any(hmac.new(key.encode(), message, hashlib.sha256).hexdigest() == signature for key in keys)
    if fits:
        yield "The key is right: the signature matches that token. The body is not the one that was signed."
    else:
        yield "The body is not the one that was signed, and the key doesn't match that token either."
    for what, before in _before(body):
        if token(before) == stated.lower():
            yield f"This happened to the body: {what}."
            return


def _before(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield pairs: a change that may have been made to the body, and the body before that change."""
    yield "a line break was added at its end", body.rstrip(b"\r\n")
    for lost in (b"\n", b"\r\n"):
        yield "the line break at its end was lost", body + lost
    yield "white space was added around it", body.strip()
    yield "a byte order mark was added in front", body.removeprefix(b"\xef\xbb\xbf")
    yield "its line breaks were changed to CRLF", body.replace(b"\r\n", b"\n")
    yield "its line breaks were changed to LF", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    with suppress(UnicodeError):
        yield "it was converted from Latin-1 to UTF-8", body.decode().encode("latin-1")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    for layout, sorted_, escaped, slashes in product(_LAYOUTS, (False, True), (True, False), (False, True)):
        indent, separators = _LAYOUTS[layout]
        written = json.dumps(
            content, sort_keys=sorted_, ensure_ascii=escaped, indent=indent, separators=separators
        )
        if slashes:
            written = written.replace("/", "\\/")
        before = written.encode("utf-8", "surrogatepass")
        details = [layout]
        details += ["sorted keys"] if sorted_ else []
        details += ["non-ASCII letters escaped"] if escaped and not body.isascii() else []
        details += ["slashes escaped"] if slashes and b"/" in body else []
        what = f"its JSON was parsed and rewritten; the sender's had {', '.join(details)}"
        yield what, before


# For each layout of JSON, the arguments `indent` and `separators` of `json.dumps`.
_LAYOUTS: dict[str, tuple[int | None, tuple[str, str] | None]] = {
    "no spaces": (None, (",", ":")),
    "a space after each comma and colon": (None, None),
    "an indent of 1": (1, None),
    "an indent of 2": (2, None),
    "an indent of 4": (4, None),
}
