"""What real clients and services do must neither spoil a comparison nor end up in a recording."""

from collections.abc import Callable

import pytest

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
