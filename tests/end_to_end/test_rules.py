"""Each setting of Cheddar's rules has a visible effect in the API or in hooks."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from tests.end_to_end.by_hand import CARD, ByHand, catalog, http
from tests.mock_server.loopback import listening

from tallyhook_mock import serve
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Rules


def plan(code: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "recurringChargeAmount": amount} | more


KIT = {"setupChargeCode": "KIT_SETUP", "setupChargeAmount": "5.00"}
FLAT = plan("FLAT", "30.00")
PLANS = [
    FLAT,
    plan("FREE", "0.00", isFree=True),
    plan("PRO", "29.00", onChangeInitialBillHandler="next"),
    plan("TRIAL", "19.00", initialBillCount=14, items=[{"code": "GB", "overageAmount": "2.00"}]),
    plan("SOON", "40.00", onChangeInitialBillHandler="now"),
    plan("KIT", "10.00", **KIT),
    plan("USE", "20.00", items=[{"code": "GB", "overageAmount": "2.00"}]),
]
PROMOTIONS = [
    {"name": "Half", "percentage": "50", "plans": ["KIT"], "coupons": [{"code": "HALF"}]},
    {"name": "Month", "percentage": "50", "months": 1, "plans": ["TRIAL"], "coupons": [{"code": "MONTH"}]},
]


@contextmanager
def played(rules: Mapping[str, Any], start: str = "2026-01-31") -> Iterator[ByHand]:
    content = catalog(PLANS, promotions=PROMOTIONS) | {"rules": dict(rules)}
    with serve(content, start=f"{start}T00:00:00Z") as server, http() as client:
        yield ByHand(server, client)


def reactivated_late(hand: ByHand, plan: str) -> None:
    hand.join("ANN", plan)
    hand.to("2026-02-01")
    if plan == "USE":
        hand.set("ANN", "GB", 3)
    hand.cancel("ANN")
    hand.to("2026-04-10")
    hand.edit("ANN", **CARD)


def month_end(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    return hand.next_bill("ANN")


def free_to_paid(hand: ByHand) -> Any:
    hand.join("ANN", "FREE")
    hand.edit("ANN", planCode="PRO")
    return hand.next_bill("ANN"), len(hand.paid("ANN"))


def prorated_change_in_trial(hand: ByHand) -> Any:
    hand.join("ANN", "TRIAL")
    hand.edit("ANN", planCode="SOON")
    return len(hand.paid("ANN"))


def proration_unit(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.to("2026-02-10T12:00:00Z")
    hand.edit("ANN", planCode="SOON")
    return hand.bills("ANN")[1].total


def proration_base(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.done("invoices/refund", number=hand.bills("ANN")[0].number)
    hand.edit("ANN", planCode="SOON")
    return hand.bills("ANN")[1].total


def tax_rounding(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT", taxRate="0.05")
    for code in ("A", "B"):
        hand.charge("ANN", code, "0.09")
    return hand.pending("ANN").tax


def promotion_scope(hand: ByHand) -> Any:
    hand.join("ANN", "KIT", subscription={"couponCode": "HALF"})
    return hand.bills("ANN")[0].total


def promotion_months_from(hand: ByHand) -> Any:
    hand.join("ANN", "TRIAL", subscription={"couponCode": "MONTH", "initialBillDate": "2026-03-20"})
    hand.to("2026-03-20")
    return hand.bills("ANN")[0].total


def promotion_credit_code(hand: ByHand) -> Any:
    hand.join("ANN", "KIT", subscription={"couponCode": "HALF"})
    return sorted(code for code, amount in hand.bills("ANN")[0].amounts() if amount < 0)


def long_cancel_setup(hand: ByHand) -> Any:
    reactivated_late(hand, "KIT")
    return hand.taken("ANN")[-1][1]


def long_cancel_with_outstanding(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.decline("ANN")
    hand.to("2026-03-04")
    hand.cancel("ANN")
    hand.to("2026-06-10")
    hand.edit("ANN", **CARD)
    return len(hand.paid("ANN"))


def long_cancel_usage(hand: ByHand) -> Any:
    reactivated_late(hand, "USE")
    return hand.taken("ANN")[-1][1]


def dunning(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.decline("ANN", 9)
    hand.to("2026-03-31")
    return [len(bill.tries) for bill in hand.bills("ANN")]


def declined_one_time(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.decline("ANN")
    hand.call(
        "invoices/new", code="ANN", charges={"0": {"chargeCode": "X", "quantity": 1, "eachAmount": "5.00"}}
    )
    return hand.call("customers/run-outstanding", code="ANN").status


def one_time_excess(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.done(
        "invoices/new", code="ANN", charges={"0": {"chargeCode": "X", "quantity": 1, "eachAmount": "-5.00"}}
    )
    hand.charge("ANN", "Y", "-50.00")  # more than the period's charges: carried forward in any case
    hand.to("2026-03-04")
    return hand.pending("ANN").total


def billable_hook_without_payment(hand: ByHand) -> Any:
    with listening() as listener:
        hand.join("ANN", "FLAT", subscription={"ccExpiration": "02/2026"})
        hand.server.listen(listener.url, ["subscriptionBillable"])
        hand.to("2026-03-04")
        hand.server.settle()
        return len(listener.received)


def canceled_hook_invoice(hand: ByHand) -> Any:
    with listening() as listener:
        hand.join("ANN", "FLAT")
        hand.server.listen(listener.url, ["subscriptionCanceled"])
        hand.cancel("ANN")
        hand.server.settle()
        return json.loads(listener.received[0].body)["subscription"]["invoice"]["invoiceNumber"]


def deleted_customer_code(hand: ByHand) -> Any:
    with listening() as listener:
        hand.join("ANN", "FLAT")
        hand.server.listen(listener.url, ["customerDeleted"])
        hand.done("customers/delete", code="ANN")
        hand.server.settle()
        return json.loads(listener.received[0].body)["customer"]["code"]


def past_initial_bill_date(hand: ByHand) -> Any:
    return hand.new("ANN", "FLAT", subscription={"initialBillDate": "2026-01-30"}).status


def missing_customer_code(hand: ByHand) -> Any:
    person = {"firstName": "Rhea", "lastName": "Wade", "email": "ann@rill.example"}
    answer = hand.call("customers/new", **person, subscription={"planCode": "FREE"})
    return answer.status, [each.get("code") for each in answer.root.iter("customer")]


def void_with_amount(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    answer = hand.call("invoices/void", number=hand.bills("ANN")[0].number, amount="10.00")
    return answer.status, [amount for _, amount in hand.taken("ANN")]


def new_card_while_held(hand: ByHand) -> Any:
    with listening(lambda hook: 500) as listener:
        hand.server.listen(listener.url, ["subscriptionBillable"])
        hand.join("ANN", "FLAT")
        hand.to("2026-03-03T00:30:00Z")
        hand.edit("ANN", **CARD)
        return len(hand.paid("ANN"))


def fifth_decimal_at_sign_up(hand: ByHand) -> Any:
    return hand.new("ANN", "USE", items={"0": {"itemCode": "GB", "quantity": "1.23456"}}).status


def delete_all_confirm(hand: ByHand) -> Any:
    return hand.call("customers/delete-all", confirm="1").status


def prorated_overage(hand: ByHand) -> Any:
    hand.join("ANN", "USE")
    hand.set("ANN", "GB", 3)
    hand.edit("ANN", planCode="SOON")
    return hand.bills("ANN")[1].total


def promotion_base(hand: ByHand) -> Any:
    hand.join("ANN", "KIT", subscription={"couponCode": "HALF"})
    hand.charge("ANN", "X", "8.00")
    hand.charge("ANN", "X", "-2.00")
    return hand.pending("ANN").total


def canceled_bill_now(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.cancel("ANN")
    hand.edit("ANN", changeBillDate="now")
    answer = hand.call("customers/get", code="ANN")
    return [each.text for each in answer.root.iter("canceledDatetime")], len(hand.paid("ANN"))


def declined_once(hand: ByHand, *amounts: str) -> None:
    hand.join("ANN", "FLAT")
    for amount in amounts:
        hand.decline("ANN")
        charge = {"chargeCode": "X", "quantity": 1, "eachAmount": amount}
        hand.call("invoices/new", code="ANN", charges={"0": charge})


def several_outstanding(hand: ByHand) -> Any:
    declined_once(hand, "5.00", "6.00")
    hand.done("customers/run-outstanding", code="ANN")
    return sorted(amount for _, amount in hand.taken("ANN"))


def new_address_while_declined(hand: ByHand) -> Any:
    declined_once(hand, "5.00")
    hand.edit("ANN", ccZip="12345")
    return len(hand.paid("ANN"))


def owing(hand: ByHand) -> None:
    hand.join("ANN", "USE", subscription={"ccExpiration": "02/2026"})
    hand.set("ANN", "GB", 3)
    hand.to("2026-03-04")


def waived_by(hand: ByHand) -> Any:
    owing(hand)
    hand.done("invoices/waive", number=hand.bills("ANN")[1].number)
    return sorted(amount for _, amount in hand.bills("ANN")[1].amounts() if amount < 0)


def added_to_outstanding(hand: ByHand) -> Any:
    owing(hand)
    added = {"itemCode": "GB", "quantity": 2, "invoicePeriod": "outstanding"}
    hand.done("customers/add-item-quantity", code="ANN", **added)
    return hand.bills("ANN")[1].total


def removed_below_zero(hand: ByHand) -> Any:
    hand.join("ANN", "USE")
    hand.set("ANN", "GB", 3)
    left = []
    for removed in (1, 5):
        hand.call("customers/remove-item-quantity", code="ANN", itemCode="GB", quantity=removed)
        left.append(hand.quantity("ANN", "GB"))
    return left


def empty_meta_data(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT", metaData={"colour": "red"})
    answer = hand.call("customers/edit-customer", code="ANN", metaData={"colour": ""})
    return len([*answer.root.iter("metaDatum")])


def canceled_again(hand: ByHand) -> Any:
    hand.join("ANN", "FLAT")
    hand.cancel("ANN")
    return hand.call("customers/cancel", code="ANN").status


SEEN: dict[str, Callable[[ByHand], Any]] = {
    play.__name__: play
    for play in (
        month_end,
        free_to_paid,
        prorated_change_in_trial,
        proration_unit,
        proration_base,
        tax_rounding,
        promotion_scope,
        promotion_months_from,
        promotion_credit_code,
        long_cancel_setup,
        long_cancel_with_outstanding,
        long_cancel_usage,
        new_card_while_held,
        dunning,
        declined_one_time,
        one_time_excess,
        billable_hook_without_payment,
        canceled_hook_invoice,
        deleted_customer_code,
        past_initial_bill_date,
        missing_customer_code,
        void_with_amount,
        fifth_decimal_at_sign_up,
        delete_all_confirm,
        prorated_overage,
        promotion_base,
        canceled_bill_now,
        several_outstanding,
        new_address_while_declined,
        waived_by,
        added_to_outstanding,
        removed_below_zero,
        empty_meta_data,
        canceled_again,
    )
}
# The result of each alternative, in the order of `SETTINGS`.
RESULTS: dict[str, tuple[Any, ...]] = {
    "month_end": ("2026-03-03", "2026-02-28"),
    "free_to_paid": (("2026-03-03", 1), ("2026-03-03", 0)),
    "prorated_change_in_trial": (0, 1),
    "proration_unit": (Decimal("20.16"), Decimal("20.65")),  # 20.5 of 31 days, and 20 of 31
    "proration_base": (Decimal("40.00"), Decimal("10.00")),
    "tax_rounding": (Decimal("1.51"), Decimal("1.50")),
    "promotion_scope": (Decimal("7.50"), Decimal("10.00")),
    "promotion_months_from": (Decimal("19.00"), Decimal("9.50")),
    "promotion_credit_code": (["KIT_RECURRING", "KIT_SETUP"], ["HALF", "HALF"]),
    "long_cancel_setup": (Decimal("15.00"), Decimal("10.00")),
    "long_cancel_with_outstanding": (2, 3),
    "long_cancel_usage": (Decimal("20.00"), Decimal("26.00")),
    "new_card_while_held": (1, 2),
    "dunning": ([1, 5, 0], [1, 2, 0], [1, 1, 0]),
    "declined_one_time": (200, 404),
    "one_time_excess": (Decimal("5.00"), Decimal("10.00")),
    "billable_hook_without_payment": (0, 1),
    "canceled_hook_invoice": ("2", "1"),
    "deleted_customer_code": ("", "ANN"),
    "past_initial_bill_date": (412, 200),
    "missing_customer_code": ((412, []), (200, ["ann@rill.example"])),
    "void_with_amount": (
        (412, [Decimal("30.00")]),
        (200, [Decimal("-10.00"), Decimal("30.00")]),
        (200, [Decimal("-30.00"), Decimal("30.00")]),
    ),
    "fifth_decimal_at_sign_up": (200, 412),
    "delete_all_confirm": (412, 200),
    "prorated_overage": (Decimal("26.00"), Decimal("20.00")),
    "promotion_base": (Decimal("8.00"), Decimal("7.00")),
    "canceled_bill_now": (([None], 2), (["2026-01-31T00:00:00+00:00"], 2)),
    "several_outstanding": (
        [Decimal("5.00"), Decimal("30.00")],
        [Decimal("6.00"), Decimal("30.00")],
    ),
    "new_address_while_declined": (1, 2),
    "waived_by": ([Decimal("-20.00"), Decimal("-6.00")], [Decimal("-26.00")]),
    "added_to_outstanding": (Decimal("30.00"), Decimal("26.00")),
    "removed_below_zero": ([2, 2], [2, 0]),
    "empty_meta_data": (0, 1),
    "canceled_again": (200, 412),
}
# Alternatives for settings that aren't a choice of words.
OTHERS: dict[str, tuple[Any, ...]] = {"dunning": (["2d"] * 4, ["1d"], [])}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_alternative_is_seen(name: str) -> None:
    for value, result in zip(SETTINGS[name].alternatives or OTHERS[name], RESULTS[name], strict=True):
        with played({name: value}) as hand:
            assert SEEN[name](hand) == result, value
    with played({}) as hand:
        assert SEEN[name](hand) == RESULTS[name][0], "the first alternative is the default"


def test_the_table_and_the_rules_are_of_one_piece() -> None:
    assert list(SETTINGS) == list(Rules.__struct_fields__)
    default = Rules()
    for name, setting in SETTINGS.items():
        if setting.alternatives:
            assert getattr(default, name) == setting.default == setting.alternatives[0]
            assert tuple(setting.meanings) == setting.alternatives
        assert setting.source
        assert setting.standing.split()[0] in ("staff", "recorded", "client", "documented", "inferred")
