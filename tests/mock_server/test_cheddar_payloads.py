"""The bodies of hooks: the recorded shape, looseness included."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tallyhook_mock.systems.cheddar.hook_json import body
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

from .cheddar_face import DAY, EMAIL, START, Face, new

REPOSITORY = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("TALLYHOOK_RECORDED", REPOSITORY.parent / "shared" / "recorded"))
FIXTURES = REPOSITORY / "tests" / "fixtures" / "hooks"
EMPTY = ("", None)


class Recorder(Face):
    """A face that writes each hook's body when it happens, as the server does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__()

    def _changed(self) -> None:
        for event in self.state.take_events():
            if event.kind in HOOK_TYPES:
                self.bodies.append(body(event))

    def hooks(self, type: str) -> list[dict[str, Any]]:
        read = [json.loads(each) for each in self.bodies]
        return [each for each in read if each["activityType"] == type]

    def hook(self, type: str) -> dict[str, Any]:
        [found] = self.hooks(type)
        return found


@pytest.fixture
def face() -> Recorder:
    face = Recorder()
    face.post("customers/new", new(**{"subscription[ccCountry]": "DK"}))
    return face


def keys(value: Any, path: str = "") -> dict[str, list[str]]:
    """The keys of every object, lists looked at by their first entry."""
    if isinstance(value, list):
        return keys(value[0], f"{path}[]") if value else {}
    if not isinstance(value, dict):
        return {}
    found = {path: list(value)}
    for key, below in value.items():
        found |= keys(below, f"{path}.{key}")
    return found


def types(value: Any, path: str = "") -> dict[str, str]:
    """The JSON type of every value that isn't empty."""
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, below in value.items():
            found |= types(below, f"{path}.{key}")
        return found
    if isinstance(value, list):
        return types(value[0], f"{path}[]") if value else {}
    return {} if value in EMPTY else {path: type(value).__name__}


def play(face: Recorder) -> None:
    """Everything that is on record after a new subscription: changed, canceled, reactivated, deleted."""
    face.now += DAY
    face.on("customers/edit-subscription", "M1", {"planCode": "BUOY"})
    face.on("customers/cancel", "M1")
    card = {"ccFirstName": "G", "ccLastName": "M", "ccNumber": "370000000000002", "ccExpiration": "12/2029"}
    face.on("customers/edit-subscription", "M1", card)
    face.on("customers/delete", "M1")


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded hooks are not part of the repository")
@pytest.mark.parametrize(
    "type",
    [
        "newSubscription",
        "subscriptionChanged",
        "subscriptionCanceled",
        "subscriptionReactivated",
        "customerDeleted",
    ],
)
def test_keys_order_and_types_are_the_recorded_ones(face: Recorder, type: str) -> None:
    play(face)
    recorded = json.loads((RECORDED / f"hook-{type}.json").read_text())
    made = face.hook(type)
    known = keys(recorded)
    for path, names in keys(made).items():
        if path in known:
            assert names == known[path], path
    recorded_types = types(recorded)
    for path, name in types(made).items():
        assert name == recorded_types.get(path, name), path


def test_keys_are_sorted_and_the_body_is_compact(face: Recorder) -> None:
    play(face)
    for written in face.bodies:
        read = json.loads(written)
        assert json.dumps(read, sort_keys=True, separators=(",", ":")).encode() == written


def test_a_new_subscription_comes_with_its_paid_invoice(face: Recorder) -> None:
    hook = face.hook("newSubscription")
    assert hook["activityActor"] == EMAIL
    assert hook["activityDatetime"] == "2026-03-01T12:00:00+00:00"
    assert hook["product"]["code"] == "HARBOUR"
    subscription = hook["subscription"]
    invoice = subscription["invoice"]
    assert (invoice["isInitial"], invoice["invoiceNumber"], invoice["previousBillingDatetime"]) == (
        1,
        "1",
        "",
    )
    [charge] = invoice["charges"]
    assert (charge["quantity"], charge["eachAmount"]) == ("1.0000", "20.0000")
    assert invoice["transaction"]["amount"] == "20.00"
    assert invoice["transaction"]["id"] == invoice["paidTransactionId"]
    assert [item["quantity"] for item in invoice["items"]] == [0, 0]
    plan = subscription["plan"]
    assert (plan["isActive"], plan["isFree"]) == ("1", False)
    assert [item["quantityIncluded"] for item in plan["items"]] == [2, 10]
    assert subscription["paymentMethod"]["creditCard"] == {
        "creditCardType": "visa",
        "firstSix": "411111",
        "lastFour": "1111",
    }


def test_an_open_invoice_has_only_the_charges_that_are_on_it(face: Recorder) -> None:
    face.on("customers/cancel", "M1")
    assert "charges" not in face.hook("subscriptionCanceled")["subscription"]["invoice"]


def test_a_change_shows_the_subscription_before(face: Recorder) -> None:
    face.on("customers/edit-subscription", "M1", {"planCode": "JETTY"})
    hook = face.hook("subscriptionChanged")
    assert hook["subscription"]["plan"]["code"] == "JETTY"
    assert hook["previousSubscription"]["plan"]["code"] == "QUAY"
    assert hook["previousSubscription"]["id"] != hook["subscription"]["id"]
    assert "invoice" not in hook["previousSubscription"]


def test_a_deleted_customer_is_empty(face: Recorder) -> None:
    face.on("customers/delete", "M1")
    hook = face.hook("customerDeleted")
    assert set(hook["customer"].values()) == {""}
    assert len(hook["customer"]) == 17
    assert "subscription" not in hook


def test_a_billable_invoice_shows_the_ended_period(face: Recorder) -> None:
    face.state.hooks.listen("HARBOUR", "http://127.0.0.1/", frozenset({"subscriptionBillable"}))
    face.now += DAY
    face.on("customers/set-item-quantity/itemCode/crane", "M1", {"quantity": "4.8123"})
    face.on("customers/add-charge", "M1", {"chargeCode": "SORRY", "quantity": "1", "eachAmount": "-1.25"})
    face.play(START + 32 * DAY)
    hook = face.hook("subscriptionBillable")
    invoice = hook["subscription"]["invoice"]
    assert hook["activityActor"] == "system"
    assert invoice["billingDatetime"] == "2026-04-01T12:00:00+00:00"
    assert invoice["previousBillingDatetime"] == "2026-03-01T12:00:00+00:00"
    assert (invoice["isInitial"], invoice["paidTransactionId"]) == (0, "")
    assert "transaction" not in invoice
    used = invoice["items"][0]
    assert used == {"id": used["id"], "code": "crane", "name": "crane", "quantity": 4.8123}
    lines = [(charge["code"], charge["quantity"], charge["eachAmount"]) for charge in invoice["charges"]]
    assert lines == [
        ("SORRY", "1.0000", "-1.2500"),
        ("QUAY_RECURRING", "1.0000", "20.0000"),
        ("crane", "2.8123", "2.5000"),
    ]
    assert all(charge["id"] for charge in invoice["charges"])
    known = keys(json.loads((FIXTURES / "subscriptionBillable.json").read_text()))
    for path, names in keys(hook).items():
        assert set(names) - {"createdDatetime", "modifiedDatetime"} == set(known[path]) - {
            "createdDatetime"
        }, path


def test_a_reminder_carries_the_total_that_is_expected(face: Recorder) -> None:
    face.on("customers/set-item-quantity/itemCode/crane", "M1", {"quantity": "15"})
    face.play(START + 30 * DAY)
    reminder = face.hook("billReminder")
    assert reminder["activityDatetime"] == "2026-03-30T12:00:00+00:00"
    assert reminder["subscription"]["invoice"]["transaction"]["amount"] == "52.50"


def test_a_moved_bill_is_announced_only_before_its_new_date(face: Recorder) -> None:
    face.on("customers/edit-subscription", "M1", {"changeBillDate": "2026-04-20T12:00:00Z"})
    face.on("customers/edit-subscription", "M1", {"changeBillDate": "2026-05-20T12:00:00Z"})
    face.on("customers/edit-subscription", "M1", {"changeBillDate": "2026-05-20T12:00:00Z"})
    face.play(START + 100 * DAY)
    told = [each["activityDatetime"] for each in face.hooks("billReminder")]
    assert told == ["2026-05-18T12:00:00+00:00"]


def test_a_bill_that_a_reminder_pushes_out_is_announced_again(face: Recorder) -> None:
    face.state.products["HARBOUR"].bill_reminder_days = (2, 9)  # of the periods to come
    face.play(START + 31 * DAY)
    face.bodies.clear()
    face.play(START + 53 * DAY)
    face.on("customers/edit-subscription", "M1", {"changeBillDate": "2026-05-11T12:00:00Z"})
    face.play(START + 72 * DAY)
    told = [each["activityDatetime"][:10] for each in face.hooks("billReminder")]
    assert told == ["2026-04-22", "2026-05-02", "2026-05-09"]


@pytest.mark.parametrize(("back_on", "told"), [(20, ["2026-03-30", "2026-04-29"]), (40, []), (None, [])])
def test_a_canceled_subscription_is_not_announced_as_billed(
    face: Recorder, back_on: int | None, told: list[str]
) -> None:
    face.play(START + 10 * DAY)
    face.on("customers/cancel", "M1")
    if back_on is not None:
        face.play(START + back_on * DAY)
        face.on("customers/edit-subscription", "M1", {"planCode": "QUAY"})
    face.play(START + 60 * DAY)
    assert [each["activityDatetime"][:10] for each in face.hooks("billReminder")] == told


def test_a_transaction_is_announced_when_it_is_made(face: Recorder) -> None:
    [made] = face.hooks("transaction")
    assert made["subscription"]["invoice"]["transaction"]["response"] == "approved"
    face.post("invoices/refund", {"number": "1", "amount": "5"})
    refund = face.hooks("transaction")[1]["subscription"]["invoice"]["transaction"]
    assert (refund["amount"], refund["memo"]) == ("-5.00", "refund")
    assert refund["parentId"] == made["subscription"]["invoice"]["transaction"]["id"]


def test_without_a_payment_method_there_is_an_empty_text(face: Recorder) -> None:
    fields = {name: value for name, value in new(code="M2").items() if "[cc" not in name}
    face.post("customers/new", {**fields, "subscription[planCode]": "BUOY"})
    subscription = face.hooks("newSubscription")[1]["subscription"]
    assert (subscription["paymentMethod"], subscription["method"], subscription["ccLastFour"]) == ("", "", "")
    assert subscription["plan"]["items"] == ""
    assert subscription["plan"]["isFree"] is True


def test_every_hook_type_has_been_written(face: Recorder) -> None:
    face.state.hooks.listen("HARBOUR", "http://127.0.0.1/", frozenset({"subscriptionBillable"}))
    face.play(START + 32 * DAY)
    play(face)
    assert {json.loads(each)["activityType"] for each in face.bodies} == set(HOOK_TYPES)
