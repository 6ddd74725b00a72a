"""Path pairs, query strings and forms, and the nested names in them."""

# ruff: noqa: E501 - a table of cases is read row by row

from typing import Any

import pytest

from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.request import Parameters, decode, read

from .cheddar_face import EMAIL, PASSWORD, Face, new


def plain(parameters: Parameters) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, Parameters) else value
        for name, value in parameters.values.items()
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"&&a=1&", {"a": "1"}),
        (b"a=1+2%2B3", {"a": "1 2+3"}),
        (b"a=%2541", {"a": "%41"}),
        (b"name=M%C3%B8ller", {"name": "Møller"}),
        (b"subscription%5BplanCode%5D=X", {"subscription": {"planCode": "X"}}),
        (b"planCode[]=A&planCode[]=B", {"planCode": {"0": "A", "1": "B"}}),
        (b"a[7]=x&a[]=y&a[2]=z&a[]=w", {"a": {"7": "x", "8": "y", "2": "z", "9": "w"}}),
        (b"charges[extra][quantity]=2&charges[0][quantity]=1", {"charges": {"extra": {"quantity": "2"}, "0": {"quantity": "1"}}}),
        (b"metaData[a+b]=1", {"metaData": {"a b": "1"}}),
    ],
)  # fmt: skip
def test_forms_are_read_as_php_reads_them(form: bytes, expected: dict[str, Any]) -> None:
    assert plain(read([], b"", form)) == expected
    assert plain(read([], form, b"")) == expected


def test_a_path_is_read_in_pairs() -> None:
    assert plain(read([b"code", b"a%2Fb+c", b"productCode", b"ACME", b"flag"], b"", b"")) == {
        "code": "a/b c",
        "productCode": "ACME",
        "flag": "",
    }


def test_form_wins_over_query_over_path() -> None:
    pairs = plain(read([b"a", b"path", b"b", b"path", b"c", b"path"], b"a=query&b=query", b"a=form"))
    assert pairs == {"a": "form", "b": "query", "c": "path"}


def test_whom_a_call_is_about_stands_in_path_or_query_before_the_form() -> None:
    for path, query in (([b"code", b"M1"], b""), ([], b"code=M1")):
        parameters = read(path, query, b"code=M2&id=7")
        assert (parameters.whom("code"), parameters.text("code")) == ("M1", "M2")
        assert parameters.whom("id") == "7"


def test_levels_of_different_sources_are_merged() -> None:
    read_both = read(
        [b"charges[0][chargeCode]", b"TOW"], b"charges[0][quantity]=1", b"charges[1][chargeCode]=B"
    )
    assert plain(read_both) == {
        "charges": {"0": {"chargeCode": "TOW", "quantity": "1"}, "1": {"chargeCode": "B"}}
    }


@pytest.mark.parametrize(
    "form",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"%=1",
        b"a=%ff",
        b"a=\xff",
        b"=1",
        b"[]=1",
        b"[a]=1",
        b"a[=1",
        b"a]=1",
        b"a[b=1",
        b"a[b]c=1",
        b"a[[b]]=1",
        b"a%00b=1",
        b"a=1&a[b]=2",
        b"a[b]=2&a=1",
        b"a[b][c]=1&a[b]=1",
        b"a[1][1][1][1][1][1]=deep",
        b"a" * 257 + b"=1",
        b"a=1&" * 10_001,
    ],
)
def test_what_cannot_be_read_is_a_bad_request(form: bytes) -> None:
    for sources in ((b"", form), (form, b"")):
        with pytest.raises(Refusal) as caught:
            read([], *sources)
        assert caught.value.status == 400


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_what_no_document_could_hold_is_refused_by_name(character: str) -> None:
    with pytest.raises(Refusal) as caught:
        read([], b"", f"metaData[a]=x{character}".encode())
    assert (caught.value.status, caught.value.aux_code) == (412, "metaData[a]:invalidCharacters")


def test_broken_escapes_in_a_path_segment_are_refused() -> None:
    with pytest.raises(Refusal):
        decode(b"50%")


def test_names_are_reported_in_full() -> None:
    charges = read([], b"", b"charges[x][quantity]=").levels("charges")
    assert charges[0].full_name("quantity") == "charges[x][quantity]"
    assert Parameters().level("subscription").full_name("ccZip") == "subscription[ccZip]"


@pytest.mark.parametrize(
    ("path", "query", "form", "method"),
    [
        ("customers/get/productCode/HARBOUR/code/no1%40spam.com", "", "", "GET"),
        ("customers/get/code/no1%40spam.com/productCode/HARBOUR", "", "", "POST"),
        ("customers/get/code/no1@spam.com/productCode/HARBOUR/", "", "", "GET"),
        ("customers/get", "productCode=HARBOUR&code=no1%40spam.com", "", "GET"),
        ("customers/get", "", "productCode=HARBOUR&code=no1%40spam.com", "POST"),
        ("customers/get/productCode/HARBOUR", "code=no1%40spam.com", "remoteAddress=127.0.0.1", "POST"),
    ],
)
def test_a_call_mixes_its_sources_as_it_likes(path: str, query: str, form: str, method: str) -> None:
    face = Face()
    face.customer("no1@spam.com")
    answer = face.send(f"/xml/{path}".encode(), query.encode(), form.encode(), method=method)
    assert answer.status == 200
    assert answer.text("/customers/customer/@code") == "no1@spam.com"


def test_a_customer_and_a_product_can_be_named_by_id() -> None:
    face = Face()
    face.customer("M1")
    written = face.on("customers/get", "M1").text("//customer/@id")
    assert face.post(f"customers/get/id/{written}").text("//customer/@code") == "M1"
    assert face.post(f"customers/get/id/{written.upper()}").status == 200
    assert face.post(f"customers/get/id/{written}", product="BARE").status == 404
    product = face.events[0].customer.product
    by_id = face.get(f"customers/get/productId/{product.id:08x}{written[8:]}/code/M1")
    assert by_id.text("//customer/@code") == "M1"


def test_names_that_contradict_each_other_are_refused() -> None:
    """Nobody can tell which one was meant: another customer's invoice may be refunded (inferred)."""
    face = Face()
    for code in ("M1", "M2"):
        face.customer(code)
    first, second = (face.on("customers/get", code) for code in ("M1", "M2"))
    path = "customers/get/code/M1/id/"
    assert face.post(path + first.text("//customer/@id")).status == 200
    assert face.post(path + second.text("//customer/@id")).status == 404
    assert face.get("customers/get/productCode/HARBOUR/productId/nope/code/M1").status == 401
    number, other = first.text("//invoice[1]/number"), second.text("//invoice[1]/@id")
    refused = face.post("invoices/void", {"number": number, "id": other})
    assert (refused.status, refused.text("/error")) == (404, "Invoice not found")


def test_codes_with_every_reserved_character_come_back() -> None:
    face = Face()
    code = "a/b+c d%2F?&=#;é[x]"
    face.customer(code)
    assert face.on("customers/get", code).text("//customer/@code") == code


def test_a_form_may_lack_its_content_type_but_not_have_another() -> None:
    face = Face()
    form = b"productCode=HARBOUR"
    assert face.send(b"/xml/plans/get", form=form, content_type=None).status == 200
    for content_type in (
        b"application/x-www-form-urlencoded; charset=UTF-8",
        b"APPLICATION/X-WWW-FORM-URLENCODED",
    ):
        assert face.send(b"/xml/plans/get", form=form, content_type=content_type).status == 200
    for content_type in (b"multipart/form-data; boundary=x", b"application/json"):
        assert face.send(b"/xml/plans/get", form=form, content_type=content_type).error[0] == 400


def test_the_limit_of_a_body_is_exact_and_can_be_set() -> None:
    face = Face(max_body=200)
    form = b"productCode=HARBOUR&remoteAddress="
    assert face.send(b"/xml/plans/get", form=form.ljust(200, b"x")).status == 200
    assert face.send(b"/xml/plans/get", form=form.ljust(201, b"x")).error[0] == 413


def test_only_get_and_post() -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert Face().send(b"/xml/plans/get/productCode/HARBOUR", method=method).error[0] == 405


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Basic",
        b"Basic !!!",
        b"Basic /w==",
        b"Bearer abc",
        b"Basic ZGVza0BoYXJib3VyLmV4YW1wbGU6d3Jvbmc=",
    ],
)
def test_credentials_are_required(authorization: bytes) -> None:
    answer = Face().send(b"/xml/plans/get/productCode/HARBOUR", authorization=authorization)
    assert answer.error == (401, "Authentication required", "")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert EMAIL not in answer.body.decode()
    assert PASSWORD not in answer.body.decode()


def test_events_are_handed_on_after_every_call() -> None:
    face = Face()
    face.post("customers/new", new())
    assert [event.kind for event in face.events] == ["transaction", "newSubscription"]
    assert {event.actor for event in face.events} == {EMAIL}
