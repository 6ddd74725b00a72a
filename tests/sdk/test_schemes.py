"""Signature schemes: published test vectors, key rotation, time, and malformed input."""

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook import BadSignature, signing

# Standard Webhooks' own example for v1.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# A key pair for v1a from Svix's open-source server, on which the specification is based.
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
AT = datetime.fromtimestamp(TIMESTAMP, UTC)
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

# RFC 8032, 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def key_of(prefix: str, material: bytes) -> str:
    return prefix + base64.b64encode(material).decode()


OTHER_SECRET = key_of("whsec_", bytes(range(32)))
OTHER_PRIVATE = key_of("whsk_", bytes.fromhex(RFC_8032[0][0]))
OTHER_PUBLIC = key_of("whpk_", bytes.fromhex(RFC_8032[0][1]))


class Case(NamedTuple):
    """A scheme with the sender's key, the listener's key, and another party's keys."""

    scheme: signing.Scheme
    own: str
    shown: str
    others: str
    others_shown: str


each = pytest.mark.parametrize(
    "case",
    [
        Case(signing.CHEDDAR, "a key", "a key", "b key", "b key"),
        Case(signing.STANDARD_V1, SECRET, SECRET, OTHER_SECRET, OTHER_SECRET),
        Case(signing.STANDARD_V1A, PRIVATE, PUBLIC, OTHER_PRIVATE, OTHER_PUBLIC),
    ],
    ids=lambda case: case.scheme.name,
)


def headers(signature: str, timestamp: Any = TIMESTAMP, id: str = ID) -> dict[str, str]:
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def v1(given: dict[str, str], *keys: str, body: bytes = BODY, at: datetime = AT) -> bool:
    return signing.STANDARD_V1.verify(given, body, keys or (SECRET,), at=at)


# Test vectors from other implementations.


def test_the_published_vector_of_v1() -> None:
    assert signing.STANDARD_V1.sign(BODY, SECRET, id=ID, at=AT) == headers(V1)
    assert v1(headers(V1))


def test_the_known_vector_of_v1a() -> None:
    assert signing.STANDARD_V1A.sign(BODY, PRIVATE, id=ID, at=AT) == headers(V1A)
    assert signing.STANDARD_V1A.verify(headers(V1A), BODY, [PUBLIC], at=AT)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_ed25519_is_that_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    scheme, body, made = signing.STANDARD_V1A, bytes.fromhex(message), bytes.fromhex(signature)
    assert scheme._signature(body, key_of("whsk_", bytes.fromhex(seed))) == made
    assert scheme._signature(body, key_of("whsk_", bytes.fromhex(seed + public))) == made
    assert scheme._fits(made, body, key_of("whpk_", bytes.fromhex(public)))
    assert not scheme._fits(made, body + b"x", key_of("whpk_", bytes.fromhex(public)))


def test_cheddars_scheme_is_its_functions() -> None:
    signed = signing.CHEDDAR.sign(b"{}", "abc123", id="", at=AT)
    assert signed == {
        "X-CG-SIGNATURE": "bbdf77fedacbff98cadb063b0cd95c234b8daba44aaadb728ad1ec2dbe638314",
        "X-CG-TOKEN": "99914b932bd37a50b983c5e7c90ae93b",
    }


def test_every_scheme_has_its_name() -> None:
    assert dict(signing.SCHEMES) == {
        "cheddar": signing.CHEDDAR,
        "standard-v1": signing.STANDARD_V1,
        "standard-v1a": signing.STANDARD_V1A,
    }


# All schemes.


@each
@given(body=st.binary(), other=st.binary())
def test_only_what_was_signed_verifies(case: Case, body: bytes, other: bytes) -> None:
    signed = case.scheme.sign(body, case.own, id="one", at=AT)
    assert case.scheme.verify(signed, body, [case.shown], at=AT)
    assert case.scheme.verify(signed, other, [case.shown], at=AT) == (other == body)
    assert not case.scheme.verify(signed, body, [case.others_shown], at=AT)
    assert not case.scheme.verify(signed, body, [], at=AT)


@each
def test_a_key_is_rotated_without_a_gap(case: Case) -> None:
    for key in (case.own, case.others):
        signed = case.scheme.sign(BODY, key, id="one", at=AT)
        for keys in ((case.shown, case.others_shown), (case.others_shown, case.shown)):
            assert case.scheme.verify(signed, BODY, keys, at=AT)


@each
def test_every_key_is_tried_whichever_fits(case: Case) -> None:
    """If it stopped at the first matching key, timing would reveal which key it was."""
    tried: list[object] = []

    class Counted(str):
        def encode(self, *how: Any) -> bytes:
            tried.append(self)
            return super().encode(*how)

    counts = []
    for signer in (case.own, case.others):
        signed = case.scheme.sign(BODY, signer, id="one", at=AT)
        tried.clear()
        assert case.scheme.verify(signed, BODY, [Counted(case.shown), Counted(case.others_shown)], at=AT)
        counts.append(len(tried))
    assert counts[0] == counts[1] >= 2


@each
def test_headers_are_found_in_any_case(case: Case) -> None:
    signed = case.scheme.sign(BODY, case.own, id="one", at=AT)
    for changed in (str.upper, str.lower, str.title):
        assert case.scheme.verify(
            {changed(name): f" {v} " for name, v in signed.items()}, BODY, [case.shown], at=AT
        )


@each
@given(values=st.lists(st.text(), min_size=4, max_size=4), body=st.binary())
def test_strange_headers_are_refused_quietly(case: Case, values: list[str], body: bytes) -> None:
    names = ("X-CG-SIGNATURE", "webhook-id", "webhook-timestamp", "webhook-signature")
    assert not case.scheme.verify(dict(zip(names, values, strict=True)), body, [case.shown], at=AT)


@each
@pytest.mark.parametrize("key", ["", b""])
def test_an_empty_key_is_none(case: Case, key: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"empty|base64"):
        case.scheme.check_key(key)
    with pytest.raises(ValueError, match=r"empty|base64"):
        case.scheme.sign(BODY, key, id="one", at=AT)


# Standard Webhooks only.


def test_a_list_of_signatures_needs_one_that_fits() -> None:
    foreign = signing.STANDARD_V1.sign(BODY, OTHER_SECRET, id=ID, at=AT)["webhook-signature"]
    assert v1(headers(f"{foreign} {V1}"))
    assert v1(headers(f"{V1A} v2,x v1 v1, , {V1} ,"))
    assert v1(headers(f"{foreign} {V1}"), OTHER_SECRET)
    assert not v1(headers(f"{foreign} {V1A}"))


def test_a_list_of_very_many_signatures_is_not_read_to_its_end() -> None:
    """Each signature costs a hash of the body, so an endless list could overload a listener."""
    assert v1(headers("v1a,x " * 20 + "v1,x " * 7 + V1))
    assert not v1(headers("v1,x " * 8 + V1))


@pytest.mark.parametrize(
    "signature", ["", V1[3:], V1.upper(), V1[:-1], f"v1a{V1[2:]}", f"v0{V1[2:]}", f"v1,{V1}", "v1,é", V1A]
)
def test_v1_takes_no_other_spelling(signature: str) -> None:
    assert not v1(headers(signature))


@pytest.mark.parametrize("scheme", [signing.STANDARD_V1, signing.STANDARD_V1A])
@pytest.mark.parametrize("late", [-301, -300, 0, 300, 301])
def test_a_timestamp_counts_for_five_minutes(scheme: Any, late: int) -> None:
    at = AT + timedelta(seconds=late)
    assert scheme.verify(headers(f"{V1} {V1A}"), BODY, _listeners(scheme), at=at) == (abs(late) <= 300)


def test_the_tolerance_can_be_set() -> None:
    strict = signing.StandardV1(tolerance=timedelta(seconds=10))
    assert strict.verify(headers(V1), BODY, [SECRET], at=AT + timedelta(seconds=10))
    assert not strict.verify(headers(V1), BODY, [SECRET], at=AT + timedelta(seconds=11))


@pytest.mark.parametrize(
    "timestamp", ["", "now", "-1", "1614265330.0", "+1614265330", "१६१४२६५३३०", "9" * 5000]
)
def test_a_timestamp_is_whole_seconds(timestamp: str) -> None:
    assert not v1(headers(V1, timestamp))


def test_the_timestamp_is_signed() -> None:
    assert not v1(headers(V1, TIMESTAMP + 1))
    assert not v1(headers(V1, id=ID[:-1]))


def test_the_parts_of_the_signed_content_cannot_be_moved() -> None:
    """`a.1` + `2` + `{}` and `a` + `1` + `2.{}` are the same bytes, but only the second is a real message."""
    signed = signing.STANDARD_V1.sign(b"%d.{}" % TIMESTAMP, SECRET, id="a", at=AT)
    moved = headers(signed["webhook-signature"], id=f"a.{TIMESTAMP}")
    assert not v1(moved, body=b"{}")


@pytest.mark.parametrize("id", ["", "a.b", "a b", "a\nb", "é"])
def test_an_id_is_one_word(id: str) -> None:
    with pytest.raises(ValueError, match="an id must be"):
        signing.STANDARD_V1.sign(BODY, SECRET, id=id, at=AT)


@pytest.mark.parametrize(
    ("scheme", "key"),
    [
        (signing.STANDARD_V1, SECRET.removeprefix("whsec_")),
        (signing.STANDARD_V1, "whsec_"),
        (signing.STANDARD_V1, key_of("whsec_", bytes(23))),
        (signing.STANDARD_V1, key_of("whsec_", bytes(65))),
        (signing.STANDARD_V1, "whsec_not base64"),
        (signing.STANDARD_V1, "whsec_\udcff"),
        (signing.STANDARD_V1, PUBLIC),
        (signing.STANDARD_V1A, key_of("whpk_", bytes(31))),
        (signing.STANDARD_V1A, SECRET),
        (signing.STANDARD_V1A, PRIVATE),  # a listener that holds it could sign
    ],
)
def test_a_key_of_another_shape_is_refused_and_not_quoted(scheme: Any, key: str) -> None:
    with pytest.raises(ValueError, match=r"base64|bytes") as caught:
        scheme.check_key(key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("key", [PUBLIC, key_of("whsk_", bytes(33)), PRIVATE[:-8] + "AAAAAA=="])
def test_a_sender_needs_a_whole_private_key(key: str) -> None:
    with pytest.raises(ValueError, match=r"base64|bytes|halves"):
        signing.STANDARD_V1A.sign(BODY, key, id=ID, at=AT)


def test_cryptography_is_loaded_only_for_v1a() -> None:
    code = (
        "import sys; from datetime import *; from tallyhook import signing;"
        f"signing.STANDARD_V1.verify({headers(V1)!r}, {BODY!r}, [{SECRET!r}], at=datetime.now(UTC));"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    hint = r"pip install 'tallyhook\[ed25519\]'"
    with pytest.raises(ModuleNotFoundError, match=hint):
        signing.STANDARD_V1A.check_key(PUBLIC)
    with pytest.raises(ModuleNotFoundError, match=hint):
        signing.STANDARD_V1A.sign(BODY, PRIVATE, id=ID, at=AT)


def _listeners(scheme: object) -> list[str]:
    return [SECRET] if scheme is signing.STANDARD_V1 else [PUBLIC]


def test_check_raises_where_verify_tells() -> None:
    at = datetime.now(UTC)
    for scheme, key in ((signing.CHEDDAR, "k"), (signing.SharedKey(), "k")):
        headers = scheme.sign(b"{}", key, id="1", at=at)
        signing.check(scheme, headers, b"{}", ["old", key], at=at)
        for wrong in ({}, dict.fromkeys(headers, "x")):
            with pytest.raises(BadSignature):
                signing.check(scheme, wrong, b"{}", [key], at=at)
        with pytest.raises(BadSignature):
            signing.check(scheme, headers, b"{}", [], at=at)


def test_a_shared_key() -> None:
    at = datetime.now(UTC)
    scheme = signing.SharedKey("Authorization", "Bearer ")
    assert scheme.sign(b"{}", "k\u00e9y", id="1", at=at) == {"Authorization": "Bearer k\u00e9y"}
    for sent, fits in {
        "Bearer secret": True,
        "secret": False,
        "Bearer Secret": False,
        "Bearer ": False,
        "": False,
        "\ud83d": False,
    }.items():
        assert scheme.verify({"authorization": sent}, b"{}", ["other", b"secret"], at=at) is fits
    assert not scheme.verify({"authorization": "Bearer "}, b"{}", [""], at=at)
    # UTF-8, decoded as Latin-1: as a server passes it on.
    for sent in ("Bearer k\u00e9y", "Bearer k\u00c3\u00a9y"):
        assert scheme.verify({"authorization": sent}, b"{}", ["k\u00e9y"], at=at)
    assert not scheme.verify({"authorization": "Bearer k\u0101y"}, b"{}", ["k?y", "k\u00e9y"], at=at)
    with pytest.raises(ValueError, match="empty"):
        scheme.check_key("")


@pytest.mark.parametrize("key", ["abc ", "abc\t", b"abc\n", "abc\r\n", " abc", "a\nb", b"a\rb", "a\0b", " "])
def test_a_shared_key_that_no_header_keeps(key: str | bytes) -> None:
    """A server strips a header's value, so a hook with such a key would never be verified."""
    with pytest.raises(ValueError, match="white space around it") as caught:
        signing.SharedKey().check_key(key)
    assert "abc" not in str(caught.value)
    with pytest.raises(ValueError, match="white space around it"):
        signing.SharedKey().sign(b"{}", key, id="1", at=AT)


@pytest.mark.parametrize("key", ["a b", "abc", "k\u00e9y", b"a\xffb", "a\xa0"])
def test_a_shared_key_that_a_header_keeps(key: str | bytes) -> None:
    for scheme in (signing.SharedKey(), signing.SharedKey("Authorization", "Bearer ")):
        scheme.check_key(key)
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        sent = {scheme.header: f" {scheme.prefix}{text} "}
        assert scheme.verify(sent, b"{}", [key], at=AT)
