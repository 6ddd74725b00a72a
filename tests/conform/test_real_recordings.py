"""What real clients and services do must neither spoil a comparison nor end up in a recording."""

from collections.abc import Callable

import pytest
from lxml import etree
from msgspec.structs import replace

from tallyhook_mock.conform.compare import compare
from tallyhook_mock.conform.record import read_recording
from tallyhook_mock.testing.session import Session

from .test_recording import CARD, Recording, differences, record, session

__all__ = ["record", "session"]

Record = Callable[..., Recording]
HOME = "productCode/ACME"


def person(code: str, first: str, last: str, **more: str) -> dict[str, str]:
    return {
        "code": code,
        "firstName": first,
        "lastName": last,
        "email": f"{code}@{last.lower()}.test",
        "subscription[planCode]": "FREE",
        **more,
    }


def same(recording: Recording, session: Session) -> None:
    """Assert that the mock answers each call as it did when it was recorded, and that none is left out."""
    compared = compare(read_recording(recording.file), session)
    assert differences(compared) == {}
    assert [each.left_out for each in compared if each.left_out] == []


# -- a client that signs in only when it is asked to


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_call_that_was_refused_for_its_credentials_is_not_carried_out(
    record: Record, session: Session, key: str
) -> None:
    recording = record()
    charge = {"chargeCode": "X", "quantity": "1", "eachAmount": "5.00"}
    for path, form in (
        ("customers/new", person("ada", "Ada", "Byron")),
        ("customers/add-charge/code/ada", charge),
        ("customers/add-item-quantity/code/ada/itemCode/GB", {"quantity": "2"}),
        ("customers/get/code/ada", None),
    ):
        assert recording.call(f"{path}/{HOME}", form, key=key).status_code == 401
        assert recording.call(f"{path}/{HOME}", form).status_code == 200
    compared = compare(read_recording(recording.file), session)
    assert differences(compared) == {}
    assert [each.left_out for each in compared] == ["its credentials were refused", ""] * 4


def test_a_gateway_that_refuses_its_credentials_is_compared(record: Record, session: Session) -> None:
    recording = record()
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    form = person("ada", "Ada", "Byron", **CARD) | {"subscription[ccZip]": "02002"}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 401
    same(recording, session)


# -- the order of plans and customers


def test_each_plan_is_compared_with_itself(record: Record, session: Session) -> None:
    recording = record()
    form = person("ada", "Ada", "Byron", **CARD) | {"subscription[planCode]": "PAID"}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 200
    assert recording.call(f"plans/get/{HOME}/code/PAID").status_code == 200
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    assert recording.call(f"plans/get/{HOME}/code/FREE").status_code == 200
    same(recording, session)


def three(recording: Recording) -> None:
    recording.call(f"customers/delete/{HOME}/code/older")
    for code, first, last in (("z", "Zoe", "Young"), ("a", "Ada", "Byron"), ("m", "Max", "Byron")):
        form = person(code, first, last, company=f"{last} & {first}")
        assert recording.call(f"customers/new/{HOME}", form).status_code == 200
        recording.server.advance("1min")


@pytest.mark.parametrize(
    "filters",
    ["", "?orderByDirection=desc", "?orderBy=company", "?orderBy=createdDatetime", "?planCode=FREE"],
)
def test_each_customer_is_compared_with_itself(record: Record, session: Session, filters: str) -> None:
    recording = record()
    three(recording)
    assert recording.call(f"customers/get/{HOME}{filters}").status_code == 200
    exchanges = read_recording(recording.file)[1:]
    assert differences(compare(exchanges, session)) == {}
    # A customer that only one of the two lists has is a difference.
    *before, last = exchanges
    shorter = etree.fromstring(last.document.encode())
    shorter.remove(shorter[0])
    fewer = replace(last, document=etree.tostring(shorter, encoding="unicode"))
    assert differences(compare([*before, fewer], session)) == {"customers/get": {"customers/customer[3]"}}


@pytest.mark.parametrize("filters", ["?search=byron", "?perPage=2&page=2", "?perPage=2&orderBy=company"])
def test_a_list_that_depends_on_names_is_left_out(record: Record, session: Session, filters: str) -> None:
    recording = record()
    three(recording)
    assert recording.call(f"customers/search/{HOME}{filters}").status_code == 200
    assert recording.call(f"customers/search/{HOME}?perPage=2&orderBy=createdDatetime").status_code == 200
    assert recording.call(f"customers/search/{HOME}?search=nobody").status_code == 404
    compared = compare(read_recording(recording.file)[1:], session)
    assert differences(compared) == {}
    assert [bool(each.left_out) for each in compared] == [False] * 3 + [True, False, False]
