"""Examples worked by hand from Cheddar's documentation and its staff's answers, tested over HTTP.

Each test's name has the facts that it is based on (K1 to K108). Times are midnight in UTC unless given.
"""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.end_to_end.by_hand import CARD, PAYPAL, ByHand, by_hand
from tests.mock_server.loopback import Received, listening


def plan(code: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "recurringChargeAmount": amount} | more


def item(code: str, overage: str, included: int = 0, *, periodic: bool = True) -> dict[str, Any]:
    return {"code": code, "overageAmount": overage, "quantityIncluded": included, "isPeriodic": periodic}


def money(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def dated(**taken: str) -> list[tuple[str, Decimal]]:
    """`dated(_2026_06_01="60.00")` is 60.00 on 1 June 2026."""
    return [(day[1:].replace("_", "-"), Decimal(amount)) for day, amount in taken.items()]


def lines(*told: tuple[str, str]) -> list[tuple[str, Decimal]]:
    return sorted((code, Decimal(amount)) for code, amount in told)


MONTH_ENDS = {
    "2017-08-31": ["2017-10-01", "2017-11-01", "2017-12-01", "2018-01-01"],
    "2018-10-31": ["2018-12-01", "2019-01-01", "2019-02-01"],
    "2019-01-29": ["2019-03-01", "2019-04-01"],
    "2019-01-30": ["2019-03-02", "2019-04-02"],
    "2019-01-31": ["2019-03-03", "2019-04-03"],
    "2026-08-31": ["2026-10-01", "2026-11-01"],
    "2026-12-31": ["2027-01-31", "2027-03-03", "2027-04-03"],
    "2024-01-31": ["2024-03-02", "2024-04-02"],
}


@pytest.mark.parametrize(("start", "bills"), MONTH_ENDS.items(), ids=MONTH_ENDS)
def test_01_month_ends_k38_k39_k40_k41(start: str, bills: list[str]) -> None:
    with by_hand([plan("TEN", "10.00")], start=start) as hand:
        hand.join("ANN", "TEN")
        hand.to(bills[-1])
        assert hand.taken("ANN") == [(day, Decimal("10.00")) for day in [start, *bills]]


def test_01_twelve_bills_from_31_august_to_1_august_k40() -> None:
    with by_hand([plan("TEN", "10.00")], start="2017-08-31") as hand:
        hand.join("ANN", "TEN")
        hand.to("2018-08-01")
        assert len(hand.taken("ANN")) == 12


TENT = plan("TENT", "20.00", items=[item("PEG", "10.00", periodic=False)])


def test_02_an_edited_plan_k6_k7_k8() -> None:
    with by_hand([TENT], start="2026-05-01") as hand:
        hand.join("ANN", "TENT")
        hand.set("ANN", "PEG", 1)
        hand.to("2026-05-15")
        hand.done(
            "plans/edit",
            code="TENT",
            recurringChargeAmount="25.00",
            setupChargeCode="TENT_SETUP",
            setupChargeAmount="15.00",
            items={"0": {"code": "PEG", "overageAmount": "12.00", "isPeriodic": "0"}},
        )
        hand.join("BOB", "TENT")
        hand.to("2026-06-01")
        assert hand.taken("ANN") == dated(_2026_05_01="20.00", _2026_06_01="37.00")
        assert hand.taken("BOB") == dated(_2026_05_15="40.00")


def test_02_a_first_bill_that_is_set_does_not_move_k9() -> None:
    with by_hand([plan("TENT", "20.00", initialBillCount=14)], start="2026-05-01") as hand:
        hand.join("ANN", "TENT")
        hand.done("plans/edit", code="TENT", initialBillCount="30", initialBillCountUnit="days")
        hand.join("BOB", "TENT")
        assert (hand.next_bill("ANN"), hand.next_bill("BOB")) == ("2026-05-15", "2026-05-31")
        hand.to("2026-06-01")
        assert hand.taken("ANN") == dated(_2026_05_15="20.00")
        assert hand.taken("BOB") == dated(_2026_05_31="20.00")


def test_03_an_included_quantity_edited_k7() -> None:
    with by_hand([plan("LOGS", "0.00", items=[item("LOG", "0.50", 10)])], start="2026-05-01") as hand:
        hand.join("ANN", "LOGS")
        hand.set("ANN", "LOG", 30)
        hand.to("2026-05-20")
        terms = {"code": "LOG", "quantityIncluded": "25", "overageAmount": "0.50", "isPeriodic": "1"}
        hand.done("plans/edit", code="LOGS", items={"0": terms})
        assert hand.pending("ANN").total == Decimal("2.50")
        hand.to("2026-06-01")
        assert hand.paid("ANN") == dated(_2026_06_01="2.50")


@pytest.mark.parametrize(("before", "after"), [("45.00", "80.00"), ("80.00", "45.00")])
def test_04_a_simple_change_k21(before: str, after: str) -> None:
    with by_hand([plan("OLD", before), plan("NEW", after)], start="2026-05-08") as hand:
        hand.join("ANN", "OLD")
        hand.to("2026-05-20")
        hand.edit("ANN", planCode="NEW")
        assert hand.taken("ANN") == dated(_2026_05_08=before)
        hand.to("2026-06-08")
        assert hand.taken("ANN") == dated(_2026_05_08=before, _2026_06_08=after)
        assert hand.next_bill("ANN") == "2026-07-08"


SMALL = plan("SMALL", "60.00", items=[item("GB", "2.00", 5)])
LARGE = plan("LARGE", "90.00", items=[item("GB", "1.00", 20)], onChangeInitialBillHandler="now")


def test_05_a_prorated_change_with_usage_k22_k24() -> None:
    with by_hand([SMALL, LARGE], start="2026-06-01") as hand:
        hand.join("ANN", "SMALL")
        hand.set("ANN", "GB", 12)
        hand.to("2026-06-16")
        hand.edit("ANN", planCode="LARGE")
        assert hand.taken("ANN") == dated(_2026_06_01="60.00", _2026_06_16="74.00")
        changed = hand.bills("ANN")[1]
        assert changed.amounts() == lines(
            ("SMALL_RECURRING", "-30.00"), ("GB", "14.00"), ("LARGE_RECURRING", "90.00")
        )
        assert hand.next_bill("ANN") == "2026-07-16"
        hand.to("2026-07-16")
        assert hand.taken("ANN")[2:] == dated(_2026_07_16="90.00")


def test_05_usage_of_55_stays_55_k24() -> None:
    """10 units at 5.50 above the 1 included are 55.00 under the old plan. 28.00 is never right."""
    plans = [
        plan("SLIM", "30.00", items=[item("CALL", "5.50", 1)]),
        plan("WIDE", "30.00", items=[item("CALL", "4.00", 4)], onChangeInitialBillHandler="now"),
    ]
    with by_hand(plans, start="2026-06-01") as hand:
        hand.join("ANN", "SLIM")
        hand.set("ANN", "CALL", 11)
        hand.to("2026-06-16")
        hand.edit("ANN", planCode="WIDE")
        assert ("CALL", Decimal("55.00")) in hand.bills("ANN")[1].amounts()
        assert hand.taken("ANN")[-1] == ("2026-06-16", Decimal("70.00"))  # 30.00 - 15.00 + 55.00


FREE = plan("FREE", "0.00", isFree=True)


@pytest.mark.parametrize(("days", "first", "second"), [(0, "20", "02-20"), (7, "27", "02-27")])
def test_06_free_to_paid_is_a_sign_up_k26(days: int, first: str, second: str) -> None:
    with by_hand([FREE, plan("PRO", "29.00", initialBillCount=days)], start="2026-01-04") as hand:
        hand.join("ANN", "FREE", card=False)
        hand.to("2026-01-20")
        hand.edit("ANN", planCode="PRO", **CARD)
        assert hand.paid("ANN") == (dated(_2026_01_20="29.00") if not days else [])
        hand.to("2026-02-19")
        assert hand.paid("ANN") == [(f"2026-01-{first}", Decimal("29.00"))]
        assert hand.next_bill("ANN") == f"2026-{second}"


def test_06_change_bill_date_overrides_the_first_bill_k26() -> None:
    with by_hand([FREE, plan("PRO", "29.00")], start="2026-01-04") as hand:
        hand.join("ANN", "FREE", card=False)
        hand.to("2026-01-20")
        hand.edit("ANN", planCode="PRO", changeBillDate="2026-02-01", **CARD)
        hand.to("2026-02-28")
        assert hand.paid("ANN") == dated(_2026_02_01="29.00")
        assert hand.next_bill("ANN") == "2026-03-01"


BASIC = plan("BASIC", "10.00", onChangeInitialBillHandler="now")


def test_06_only_what_was_paid_is_credited_k22_k26() -> None:
    """FREE, PRO and a prorating BASIC at the same time: only PRO's 35.00 was paid and is credited."""
    with by_hand([FREE, plan("PRO", "35.00"), BASIC], start="2026-01-04") as hand:
        hand.join("ANN", "FREE")
        hand.edit("ANN", planCode="PRO")
        hand.edit("ANN", planCode="BASIC")
        hand.to("2026-04-04")
        # 35.00 pays for BASIC's first three months and half of the fourth
        assert hand.paid("ANN") == dated(_2026_01_04="35.00", _2026_04_04="5.00")


def test_06_nothing_paid_is_no_credit_k22_k26() -> None:
    with by_hand([FREE, BASIC], start="2026-01-04") as hand:
        hand.join("ANN", "FREE")
        hand.edit("ANN", planCode="BASIC")
        hand.to("2026-02-04")
        assert hand.paid("ANN") == dated(_2026_01_04="10.00", _2026_02_04="10.00")
        assert [amount for bill in hand.bills("ANN") for _, amount in bill.amounts() if amount < 0] == []


def test_06_a_refunded_or_discounted_period_credits_what_was_really_paid_k22() -> None:
    """With 40.00 paid and 30.00 refunded, half of the period is worth 5.00. If paid at half price, 10.00."""
    promotion = {"name": "Half", "percentage": "50", "months": 1, "coupons": [{"code": "HALF"}]}
    plans = [plan("PRO", "40.00"), plan("BASIC", "90.00", onChangeInitialBillHandler="now")]
    with by_hand(plans, start="2026-06-01", promotions=[promotion | {"plans": ["PRO"]}]) as hand:
        hand.join("ANN", "PRO")
        hand.done("invoices/refund", number=hand.bills("ANN")[0].number, amount="30.00")
        hand.join("BOB", "PRO", subscription={"couponCode": "HALF"})
        hand.to("2026-06-16")
        hand.edit("ANN", planCode="BASIC")
        hand.edit("BOB", planCode="BASIC")
        assert ("2026-06-16", Decimal("85.00")) in hand.paid("ANN")
        assert hand.paid("BOB") == dated(_2026_06_01="20.00", _2026_06_16="80.00")


def test_07_a_trial_then_another_plan_k28() -> None:
    plans = [plan("T", "19.00", initialBillCount=14), plan("U", "35.00", initialBillCount=14)]
    with by_hand(plans, start="2026-03-03") as hand:
        hand.join("ANN", "T")
        hand.to("2026-03-10")
        hand.edit("ANN", planCode="U")
        assert hand.next_bill("ANN") == "2026-03-17"
        hand.to("2026-03-31")
        assert hand.taken("ANN") == dated(_2026_03_17="35.00")
        assert hand.next_bill("ANN") == "2026-04-17"


SEATS = plan("SEATS", "20.00", items=[item("SEAT", "10.00", periodic=False)])


@pytest.mark.parametrize(("credit", "total"), [(None, "30.00"), ("-5.00", "25.00")])
def test_08_items_in_mid_period_k11(credit: str | None, total: str) -> None:
    with by_hand([SEATS], start="2026-05-01") as hand:
        hand.join("ANN", "SEATS")
        hand.to("2026-05-15")
        hand.done("customers/add-item-quantity", code="ANN", itemCode="SEAT")
        if credit:
            hand.charge("ANN", "SEAT", credit)
        hand.to("2026-06-01")
        assert hand.taken("ANN")[1:] == dated(_2026_06_01=total)


def test_09_the_last_second_k13_k14() -> None:
    with by_hand([plan("PHONE", "0.00", items=[item("CALL", "1.00")])], start="2026-05-01T10:00:00Z") as hand:
        hand.join("ANN", "PHONE")
        hand.to("2026-06-01T09:59:59Z")
        hand.done("customers/add-item-quantity", code="ANN", itemCode="CALL", quantity=4)
        hand.to("2026-06-01T10:00:01Z")
        hand.done("customers/add-item-quantity", code="ANN", itemCode="CALL")
        assert hand.paid("ANN") == dated(_2026_06_01="4.00")
        assert hand.quantity("ANN", "CALL") == 1


def test_10_a_counter_that_stays_k16() -> None:
    with by_hand(
        [plan("SHELF", "0.00", items=[item("DISK", "3.00", 2, periodic=False)])], start="2026-05-01"
    ) as hand:
        hand.join("ANN", "SHELF")
        hand.set("ANN", "DISK", 10)
        hand.to("2026-08-01")
        assert hand.paid("ANN") == dated(_2026_06_01="24.00", _2026_07_01="24.00", _2026_08_01="24.00")
        assert hand.quantity("ANN", "DISK") == 10


MONTHLY = plan("MONTHLY", "45.00")


def test_11_a_short_cancel_with_nothing_owed_k52() -> None:
    with by_hand([MONTHLY], start="2026-05-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.to("2026-05-12")
        hand.cancel("ANN")
        hand.to("2026-05-20")
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        assert hand.paid("ANN") == dated(_2026_05_08="45.00")
        assert hand.next_bill("ANN") == "2026-06-08"
        hand.to("2026-06-08")
        assert hand.paid("ANN")[1:] == dated(_2026_06_08="45.00")


def owing(hand: ByHand) -> None:
    """45.00 is paid on 8 April and declined on 8 May. The customer cancels the day after."""
    hand.join("ANN", "MONTHLY")
    hand.decline("ANN")
    hand.to("2026-05-09")
    assert not hand.bills("ANN")[1].paid
    hand.cancel("ANN")
    hand.to("2026-05-20")
    assert len(hand.bills("ANN")[1].tries) == 1  # not retried after the cancellation


def test_12_a_short_cancel_that_owes_and_pays_k52() -> None:
    with by_hand([MONTHLY], start="2026-04-08") as hand:
        owing(hand)
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        assert hand.taken("ANN")[1:] == dated(_2026_05_20="45.00")
        assert hand.next_bill("ANN") == "2026-06-08"


def test_12_a_short_cancel_that_owes_and_is_declined_k52_k88_k105() -> None:
    def asked(hook: Received) -> int:
        return 200

    with by_hand([MONTHLY], start="2026-04-08") as hand, listening(asked) as listener:
        owing(hand)
        hand.server.listen(listener.url, ["subscriptionReactivated"])
        hand.decline("ANN")
        answer = hand.call("customers/edit-subscription", code="ANN", **CARD)
        assert answer.status == 422
        assert answer.errors == [("422", "6000")]
        assert answer.root.find("./customer") is not None
        assert not hand.active("ANN")
        hand.server.settle()
        assert listener.received == []
        assert len(hand.taken("ANN")) == 1


@pytest.mark.parametrize("declined", [False, True])
@pytest.mark.parametrize(
    ("day", "bills"),
    [
        ("2026-05-20", dated(_2026_05_20="45.00", _2026_06_08="45.00", _2026_07_08="45.00")),
        ("2026-07-03", dated(_2026_07_03="45.00")),
    ],
)
@pytest.mark.parametrize("method", ["card", "paypal"])
def test_12_who_owes_pays_by_paypal_what_a_card_would_pay_k52_k56_k64(
    method: str, day: str, bills: list[tuple[str, Decimal]], declined: bool
) -> None:
    """If the payment is declined, the customer stays canceled, and nothing is charged later."""
    with by_hand([MONTHLY], start="2026-04-08") as hand:
        owing(hand)
        hand.to(day)
        if declined:
            hand.decline("ANN")
        if method == "card":
            answer = hand.call("customers/edit-subscription", code="ANN", **CARD)
            assert answer.status == (422 if declined else 200)
        else:
            hand.edit("ANN", **PAYPAL)
            assert len(hand.taken("ANN")) == 1
            assert hand.agree("ANN") == (422 if declined else 303)
        assert hand.active("ANN") is not declined
        hand.to("2026-08-02")
        assert hand.paid("ANN")[1:] == ([] if declined else bills)


@pytest.mark.parametrize("terms", [CARD, PAYPAL])
@pytest.mark.parametrize("asked", ["2026-05-20", "2026-06-08", "2026-07-03"])
def test_12_who_owes_and_is_late_pays_once_however_long_paypal_was_waited_for_k53_k56(
    asked: str, terms: dict[str, str]
) -> None:
    with by_hand([GIGABYTES | {"code": "MONTHLY"}], start="2026-04-08") as hand:
        owing(hand)
        hand.set("ANN", "GB", 9)
        hand.to(asked)
        hand.edit("ANN", **PAYPAL)
        hand.to("2026-07-03")
        if terms is PAYPAL:
            assert hand.agree("ANN") == 303
        else:
            hand.edit("ANN", **CARD)
        owed = hand.bills("ANN")[1].total
        assert hand.paid("ANN")[1:] == [("2026-07-03", owed)]
        assert hand.active("ANN")
        hand.to("2026-08-03")
        assert hand.paid("ANN")[2:] == [("2026-08-03", owed)]


def test_13_a_long_cancel_is_a_sign_up_k53_k54() -> None:
    with by_hand([MONTHLY], start="2026-05-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.to("2026-05-12")
        hand.cancel("ANN")
        hand.to("2026-07-03")
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        assert hand.paid("ANN") == dated(_2026_05_08="45.00", _2026_07_03="45.00")
        assert hand.next_bill("ANN") == "2026-08-03"


@pytest.mark.parametrize("now", [False, True])
def test_13_a_long_cancel_on_a_plan_with_a_trial_k53_k55(now: bool) -> None:
    with by_hand([plan("MONTHLY", "45.00", initialBillCount=14)], start="2026-04-24") as hand:
        hand.join("ANN", "MONTHLY")
        hand.to("2026-05-12")
        assert hand.paid("ANN") == dated(_2026_05_08="45.00")
        hand.cancel("ANN")
        hand.to("2026-07-03")
        hand.edit("ANN", changeBillDate="now" if now else None, **CARD)
        assert hand.active("ANN")
        if now:
            assert hand.paid("ANN")[1:] == dated(_2026_07_03="45.00")
        else:
            assert hand.paid("ANN")[1:] == []
            assert hand.next_bill("ANN") == "2026-07-17"
            hand.to("2026-07-17")
            assert hand.paid("ANN")[1:] == dated(_2026_07_17="45.00")


@pytest.mark.parametrize("late", ["2026-07-05", "2026-09-20"])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("handler", "trial", "old"),
    [("no", 0, "45.00"), ("now", 0, "45.00"), ("no", 7, "45.00"), ("no", 0, "0.00")],
)
def test_13_another_plan_and_paypal_after_a_long_cancel_are_a_sign_up_k53(
    handler: str, trial: int, old: str, together: bool, late: str
) -> None:
    new = plan("NEW", "60.00", onChangeInitialBillHandler=handler, initialBillCount=trial)
    with by_hand([plan("OLD", old, isFree=old == "0.00"), new], start="2026-05-08") as hand:
        hand.join("ANN", "OLD")
        hand.cancel("ANN")
        hand.to("2026-07-03")
        if together:
            hand.edit("ANN", planCode="NEW", **PAYPAL)
        else:
            hand.edit("ANN", **PAYPAL)
            hand.edit("ANN", planCode="NEW")
        hand.to(late)
        before = hand.paid("ANN")
        assert len(before) == (old != "0.00")
        assert hand.agree("ANN") == 303
        first = date.fromisoformat(late) + timedelta(days=trial)
        hand.to(f"{first}")
        assert hand.paid("ANN") == [*before, (f"{first}", Decimal("60.00"))]
        assert hand.pending("ANN").at.date() == first.replace(month=first.month + 1)
        assert all(bill.paid for bill in hand.bills("ANN")[:-1])


@pytest.mark.parametrize("terms", [CARD, PAYPAL])
def test_13_a_bill_date_with_another_plan_after_a_long_cancel_k53_k54(terms: dict[str, str]) -> None:
    with by_hand([MONTHLY, plan("NEW", "60.00")], start="2026-05-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.cancel("ANN")
        hand.to("2026-07-03")
        hand.edit("ANN", planCode="NEW", changeBillDate="2026-07-20", **terms)
        if terms is PAYPAL:
            assert hand.agree("ANN") == 303
        hand.to("2026-08-20")
        assert hand.paid("ANN")[1:] == dated(_2026_07_20="60.00", _2026_08_20="60.00")


def test_14_a_long_cancel_with_a_date_k54() -> None:
    with by_hand([MONTHLY], start="2026-04-21") as hand:
        hand.join("ANN", "MONTHLY")
        hand.decline("ANN", 5)
        hand.to("2026-06-30")
        assert not hand.active("ANN")
        hand.edit("ANN", changeBillDate="2026-07-21", **CARD)
        assert hand.active("ANN")
        assert hand.taken("ANN")[1:] == dated(_2026_06_30="45.00")
        assert hand.next_bill("ANN") == "2026-07-21"


def test_15_a_trial_that_ran_out_without_a_card_k4_k56_k65() -> None:
    trial = plan("TRIAL", "30.00", initialBillCount=1, initialBillCountUnit="months")
    with by_hand([trial | {"paymentMethodIsRequired": False}], start="2026-05-01") as hand:
        hand.join("ANN", "TRIAL", card=False)
        hand.to("2026-06-01")
        assert not hand.active("ANN")
        hand.to("2026-06-05")
        assert hand.taken("ANN") == []
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        assert hand.taken("ANN") == dated(_2026_06_05="30.00")


@pytest.mark.parametrize(
    ("reactivated", "first"), [("2026-03-10", "2026-03-17"), ("2026-03-25", "2026-04-08")]
)
def test_16_canceled_in_the_trial_k47_k55(reactivated: str, first: str) -> None:
    with by_hand([plan("T", "19.00", initialBillCount=14)], start="2026-03-03") as hand:
        hand.join("ANN", "T")
        hand.to("2026-03-06")
        hand.cancel("ANN")
        hand.to(reactivated)
        assert hand.taken("ANN") == []
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        assert hand.next_bill("ANN") == first
        hand.to("2026-04-10")
        assert hand.paid("ANN") == [(first, Decimal("19.00"))]


def test_16_canceled_in_the_trial_for_good_k47() -> None:
    with by_hand([plan("T", "19.00", initialBillCount=14)], start="2026-03-03") as hand:
        hand.join("ANN", "T")
        hand.to("2026-03-06")
        hand.cancel("ANN")
        hand.to("2026-06-01")
        assert [bill.tries for bill in hand.bills("ANN")] == [()]


def test_17_waive_and_run_k58_k59() -> None:
    plans = [plan("M", "45.00", initialBillCount=14, paymentMethodIsRequired=False), FREE]
    with by_hand(plans, start="2026-05-01") as hand:
        hand.join("ANN", "M", card=False)
        hand.charge("ANN", "EXTRA", "10.00")
        hand.to("2026-05-16")
        assert not hand.active("ANN")
        owed = hand.bills("ANN")[0]
        assert owed.total == Decimal("55.00")
        hand.done(f"invoices/waive/number/{owed.number}")
        waived = hand.bills("ANN")[0]
        assert waived.total == 0
        assert sum(amount for _, amount in waived.amounts() if amount < 0) == Decimal("-55.00")
        hand.done(f"invoices/run/number/{owed.number}")
        assert hand.active("ANN")
        assert hand.taken("ANN") == dated(_2026_05_16="0.00")
        hand.edit("ANN", planCode="FREE")
        assert hand.active("ANN")


@pytest.mark.parametrize("date", ["2026-08-10", "now"])
def test_18_the_bill_date_today_on_a_canceled_one_k57(date: str) -> None:
    nothing = plan("NIL", "0.00", billingFrequency="annually", paymentMethodIsRequired=False)
    with by_hand([nothing], start="2026-01-01") as hand:
        hand.join("ANN", "NIL", card=False)
        hand.to("2026-08-03")
        hand.cancel("ANN")
        hand.to("2026-08-10T15:00:00Z")
        before = len(hand.taken("ANN"))
        hand.edit("ANN", changeBillDate=date)
        assert hand.active("ANN")
        assert hand.taken("ANN")[before:] == dated(_2026_08_10="0.00")


def test_19_cancel_in_the_billable_hook_k46() -> None:
    with by_hand([plan("YEAR", "120.00", billingFrequency="annually")], start="2026-02-10") as hand:

        def cancel(hook: Received) -> int:
            hand.cancel(hook.customer)
            return 200

        with listening(cancel) as listener:
            hand.server.listen(listener.url, ["subscriptionBillable"])
            hand.join("ANN", "YEAR")
            hand.to("2027-06-01")
            assert not hand.active("ANN")
            assert hand.paid("ANN") == dated(_2026_02_10="120.00")


GIGABYTES = plan("GIGA", "20.00", items=[item("GB", "2.00")])


@pytest.mark.parametrize("billed_before", [False, True])
def test_20_cancel_with_usage_k45(billed_before: bool) -> None:
    with by_hand([GIGABYTES], start="2026-05-01") as hand:
        hand.join("ANN", "GIGA")
        hand.set("ANN", "GB", 7)
        hand.to("2026-05-20")
        if billed_before:
            bill = {"chargeCode": "GB", "quantity": "7", "eachAmount": "2.00"}
            hand.done("invoices/new", code="ANN", charges={"0": bill})
        hand.cancel("ANN")
        hand.to("2026-12-31")
        assert hand.paid("ANN")[1:] == (dated(_2026_05_20="14.00") if billed_before else [])


def test_21_dunning_k62() -> None:
    with by_hand([MONTHLY], start="2026-07-03") as hand:
        hand.join("ANN", "MONTHLY")
        hand.decline("ANN", 9)
        hand.to("2026-08-11T00:00:00Z")
        assert not hand.active("ANN")
        hand.to("2026-09-30")
        tries = hand.bills("ANN")[1].tries
        assert [(f"{at:%d.%m.}", response) for at, _, response in tries] == [
            (day, "declined") for day in ("03.08.", "05.08.", "07.08.", "09.08.", "11.08.")
        ]


def test_21_active_until_the_last_retry_k62() -> None:
    with by_hand([MONTHLY], start="2026-07-03") as hand:
        hand.join("ANN", "MONTHLY")
        hand.decline("ANN", 4)
        hand.to("2026-08-10")
        assert hand.active("ANN")
        hand.to("2026-08-12")
        assert hand.active("ANN")
        assert hand.taken("ANN")[1:] == dated(_2026_08_11="45.00")


ALL_TYPES = lines(
    ("KIT_SETUP", "20.00"),
    ("KIT_SETUP", "-5.00"),
    ("KIT_RECURRING", "40.00"),
    ("KIT_RECURRING", "-10.00"),
    ("GB", "6.00"),
    ("GB", "-1.50"),
    ("EXTRA", "10.00"),
    ("EXTRA", "-2.50"),
)


@pytest.mark.parametrize(
    ("types", "credits", "due"),
    [
        (None, ["-10.00", "-5.00", "-2.50", "-1.50"], "57.00"),
        (["setup", "recurring", "overage", "custom"], ["-10.00", "-5.00", "-2.50", "-1.50"], "57.00"),
        (["recurring"], ["-10.00"], "66.00"),
        (["overage", "custom"], ["-2.50", "-1.50"], "72.00"),
    ],
)
@pytest.mark.parametrize("given", ["new", "edit-subscription", "edit"])
def test_22_a_promotion_k80_k81(types: list[str] | None, credits: list[str], due: str, given: str) -> None:
    """Setup 20.00, recurring 40.00, items 6.00, custom 10.00, and a coupon by any of three calls."""
    kit = plan(
        "KIT",
        "40.00",
        initialBillCount=14,
        setupChargeCode="KIT_SETUP",
        setupChargeAmount="20.00",
        setupChargeBillHandler="no",  # with the first bill
        items=[item("GB", "2.00")],
    )
    promotion = {"name": "Quarter", "percentage": "25", "coupons": [{"code": "QUARTER"}]}
    if types:
        promotion["chargeTypes"] = types
    with by_hand([kit], start="2026-05-01", promotions=[promotion]) as hand:
        hand.join("ANN", "KIT", subscription={"couponCode": "QUARTER" if given == "new" else None})
        if given == "edit":
            hand.done("customers/edit", code="ANN", subscription={"couponCode": "QUARTER"})
        elif given == "edit-subscription":
            hand.edit("ANN", couponCode="QUARTER")
        hand.set("ANN", "GB", 3)
        hand.charge("ANN", "EXTRA", "10.00")
        hand.to("2026-05-15")
        assert hand.taken("ANN") == dated(_2026_05_15=due)
        bill = hand.bills("ANN")[0]
        assert sorted(amount for _, amount in bill.amounts() if amount < 0) == money(*credits)


@pytest.mark.parametrize("given", ["new", "edit-subscription", "edit"])
def test_22_a_coupon_costs_the_same_by_any_call_in_the_same_second_k81_k83(given: str) -> None:
    """A free month, given at sign-up or right after it, makes the next bill 0.00 by any call."""
    promotion = {"name": "All", "percentage": "100", "coupons": [{"code": "ALL"}]}
    with by_hand([plan("FLAT", "20.00")], start="2026-05-01", promotions=[promotion]) as hand:
        hand.join("ANN", "FLAT", subscription={"couponCode": "ALL" if given == "new" else None})
        if given == "edit":
            hand.done("customers/edit", code="ANN", subscription={"couponCode": "ALL"})
        elif given == "edit-subscription":
            hand.edit("ANN", couponCode="ALL")
        hand.to("2026-06-01")
        assert hand.taken("ANN")[1:] == dated(_2026_06_01="0.00")


def test_22_a_promotion_for_certain_plans_holds_while_they_are_held_k80() -> None:
    promotion = {"name": "Half", "percentage": "50", "plans": ["A"], "coupons": [{"code": "HALF"}]}
    with by_hand(
        [plan("A", "20.00"), plan("B", "30.00")], start="2026-05-01", promotions=[promotion]
    ) as hand:
        hand.join("ANN", "A", subscription={"couponCode": "HALF"})
        hand.to("2026-05-10")
        hand.edit("ANN", planCode="B")
        hand.to("2026-06-10")
        hand.edit("ANN", planCode="A")
        hand.to("2026-07-01")
        assert hand.taken("ANN") == dated(_2026_05_01="10.00", _2026_06_01="30.00", _2026_07_01="10.00")


def test_22_an_invalid_coupon_fails_the_call_k82() -> None:
    with by_hand([plan("FLAT", "20.00")], start="2026-05-01") as hand:
        assert hand.new("ANN", "FLAT", subscription={"couponCode": "NONE"}).status == 412
        assert hand.call("customers/get", code="ANN").status == 404


@pytest.mark.parametrize(
    ("product", "customer", "tax"),
    [
        ({}, {}, "19.60"),
        ({}, {"taxRate": "0.05"}, "5.00"),
        ({}, {"isTaxExempt": "1"}, "0.00"),
        ({"isTaxExempt": True}, {}, "0.00"),
        ({"isTaxExempt": True}, {"isTaxExempt": "0"}, "19.60"),
    ],
)
def test_23_tax_k84_k85(product: dict[str, Any], customer: dict[str, str], tax: str) -> None:
    with by_hand([plan("C", "100.00")], start="2026-05-01", taxRate="0.196", **product) as hand:
        hand.join("ANN", "C", **customer)
        first = hand.bills("ANN")[0]
        assert (first.tax, first.total) == (Decimal(tax), 100 + Decimal(tax))
        assert hand.taken("ANN") == dated(_2026_05_01=str(100 + Decimal(tax)))


def test_23_what_a_customer_is_told_later_holds_from_then_on_k85() -> None:
    with by_hand([plan("C", "100.00")], start="2026-05-01", taxRate="0.196") as hand:
        hand.join("ANN", "C")
        hand.done("customers/edit-customer", code="ANN", taxRate="0.05")
        hand.to("2026-06-01")
        hand.done("customers/edit-customer", code="ANN", isTaxExempt="1")
        hand.to("2026-07-01")
        assert hand.taken("ANN") == dated(_2026_05_01="119.60", _2026_06_01="105.00", _2026_07_01="100.00")


@pytest.mark.parametrize("change", [{"changeBillDate": "now"}, {"planCode": "SOON"}, CARD])
@pytest.mark.parametrize(
    ("told", "tax"), [({"taxRate": "0.05"}, "5.00"), ({"isTaxExempt": "1"}, "0.00"), ({}, "19.60")]
)
@pytest.mark.parametrize("declined", [False, True])
def test_23_what_an_edit_bills_has_the_tax_of_the_edit_k85(
    change: dict[str, str], told: dict[str, str], tax: str, declined: bool
) -> None:
    plans = [plan("C", "100.00"), plan("SOON", "100.00", onChangeInitialBillHandler="now")]
    with by_hand(plans, start="2026-05-01", taxRate="0.196") as hand:
        hand.join("ANN", "C")
        hand.charge("ANN", "C", "100.00")
        hand.to("2026-05-02")
        hand.cancel("ANN")
        hand.to("2026-06-02")
        if declined:
            hand.decline("ANN")
        answer = hand.call("customers/edit", code="ANN", subscription=change, **told)
        assert answer.status == (422 if declined else 200)
        if declined:  # neither of the two edits is made
            tax = "19.60"
            hand.done("customers/edit", code="ANN", subscription=change)
        assert [bill.tax for bill in hand.bills("ANN") if bill.paid][1] == 2 * Decimal(tax)


def test_24_credit_is_carried_forward_k76() -> None:
    with by_hand([plan("THIRTY", "30.00")], start="2026-05-01") as hand:
        hand.join("ANN", "THIRTY")
        hand.charge("ANN", "SORRY", "-75.00")
        hand.to("2026-08-01")
        assert hand.taken("ANN")[1:] == dated(_2026_06_01="0.00", _2026_07_01="0.00", _2026_08_01="15.00")
        given = [amount for bill in hand.bills("ANN") for _, amount in bill.amounts() if amount < 0]
        assert given == money("-75.00", "-45.00", "-15.00")


def test_25_a_bill_under_the_minimum_is_put_off_k37() -> None:
    with by_hand([plan("USE", "0.00")], start="2026-05-01") as hand:
        hand.join("ANN", "USE")
        hand.charge("ANN", "MAY", "8.00")
        hand.to("2026-05-30")
        assert hand.pending("ANN").total == Decimal("8.00")
        hand.edit("ANN", changeBillDate="2026-07-01T00:00:00Z")
        hand.to("2026-06-15")
        hand.charge("ANN", "JUNE", "20.00")
        hand.to("2026-07-01")
        assert hand.paid("ANN") == dated(_2026_07_01="28.00")
        assert hand.next_bill("ANN") == "2026-08-01"


def imported(hand: ByHand, on: str = "TWELVE") -> None:
    """Import a customer without an `initialBillDate`."""
    person = {"code": "ANN", "firstName": "Rhea", "lastName": "Wade", "email": "ann@rill.example"}
    token = {
        "gatewayToken": "SIMULATED",
        "ccType": "visa",
        "ccLastFour": "1111",
        "ccExpiration": "12/2049",
    }
    names = {"planCode": on, "method": "cc", "ccFirstName": "Rhea", "ccLastName": "Wade"}
    hand.done("customers/import", customers={"0": person | {"subscription": names | token}})


def test_26_import_without_a_date_k99() -> None:
    with by_hand([plan("TWELVE", "12.00")], start="2026-05-01") as hand:
        imported(hand)
        hand.to("2026-11-10")
        assert hand.taken("ANN") == []
        hand.edit("ANN", changeBillDate="now")
        assert hand.taken("ANN") == dated(_2026_11_10="12.00")
        assert hand.next_bill("ANN") == "2026-12-10"


def test_26_only_a_bill_date_schedules_what_was_imported_k99_k77() -> None:
    """Neither a one-time invoice, nor a cancellation and a new card, begins a period."""
    with by_hand([plan("TWELVE", "12.00")], start="2026-05-01") as hand:
        imported(hand)
        once = {"chargeCode": "ONCE", "quantity": 1, "eachAmount": "5.00"}
        hand.done("invoices/new", code="ANN", charges={"0": once})
        hand.cancel("ANN")
        hand.edit("ANN", **CARD)
        assert hand.active("ANN")
        hand.to("2026-11-10")
        hand.edit("ANN", changeBillDate="now")
        assert hand.taken("ANN") == dated(_2026_05_01="5.00", _2026_11_10="12.00")


def test_a_fifth_decimal_is_refused_k18() -> None:
    with by_hand([GIGABYTES], start="2026-05-01") as hand:
        hand.join("ANN", "GIGA")
        answer = hand.call("customers/set-item-quantity", code="ANN", itemCode="GB", quantity="1.00001")
        assert answer.status == 412
        assert hand.quantity("ANN", "GB") == 0
        hand.set("ANN", "GB", "1.0001")
        assert hand.quantity("ANN", "GB") == Decimal("1.0001")


@pytest.mark.parametrize("call", ["edit-subscription", "edit"])
def test_a_declined_bill_date_answers_422_k88(call: str) -> None:
    with by_hand([MONTHLY], start="2026-05-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.to("2026-05-20")
        hand.decline("ANN")
        form = {"changeBillDate": "now"}
        answer = hand.call(
            f"customers/{call}", code="ANN", **({"subscription": form} if call == "edit" else form)
        )
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        assert hand.next_bill("ANN") == "2026-06-08"
        assert hand.active("ANN")


def test_a_declined_prorated_change_did_not_happen_k88() -> None:
    with by_hand([SMALL, LARGE], start="2026-06-01") as hand:
        hand.join("ANN", "SMALL")
        hand.to("2026-06-16")
        hand.decline("ANN")
        answer = hand.call("customers/edit-subscription", code="ANN", planCode="LARGE")
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        assert answer.root.find(".//plan").get("code") == "SMALL"
        hand.to("2026-07-01")
        assert hand.taken("ANN") == dated(_2026_06_01="60.00", _2026_07_01="60.00")


def test_nobody_slips_past_an_unpaid_invoice_by_a_change_of_plan_k29() -> None:
    with by_hand([MONTHLY, plan("OTHER", "10.00")], start="2026-04-08") as hand:
        owing(hand)
        hand.decline("ANN")
        answer = hand.call("customers/edit-subscription", code="ANN", planCode="OTHER")
        assert answer.status >= 400
        assert not hand.active("ANN")
        hand.edit("ANN", planCode="OTHER", **CARD)
        assert hand.active("ANN")
        assert ("2026-05-20", Decimal("45.00")) in hand.taken("ANN")


# -- found by comparing random histories


def test_a_long_cancel_bills_no_usage_of_before_it_k45_k54() -> None:
    """A counter that doesn't reset keeps its value, and is billed again with the first full period."""
    seats = plan("SEATS", "20.00", items=[item("SEAT", "2.00", periodic=False)])
    with by_hand([seats], start="2026-01-06") as hand:
        hand.join("ANN", "SEATS")
        hand.set("ANN", "SEAT", 8)
        hand.to("2026-01-20")
        hand.cancel("ANN")
        hand.to("2026-06-11")
        hand.edit("ANN", **CARD)
        assert hand.paid("ANN")[1:] == dated(_2026_06_11="20.00")
        assert hand.quantity("ANN", "SEAT") == 8
        hand.to("2026-07-11")
        assert hand.paid("ANN")[2:] == dated(_2026_07_11="36.00")


def test_a_trial_that_begins_again_has_one_setup_charge_k53() -> None:
    kit = plan(
        "KIT",
        "10.00",
        initialBillCount=14,
        setupChargeAmount="15.00",
        setupChargeCode="KIT_SETUP",
        setupChargeBillHandler="no",
    )
    with by_hand([kit], start="2026-03-03") as hand:
        hand.join("ANN", "KIT")
        hand.to("2026-03-06")
        hand.cancel("ANN")
        hand.to("2026-03-25")
        hand.edit("ANN", **CARD)
        hand.to("2026-04-08")
        assert hand.paid("ANN") == dated(_2026_04_08="25.00")


@pytest.mark.parametrize("waived", [False, True])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_new_bill_date_for_a_canceled_trial_keeps_the_setup_charge_k35(waived: bool, calls: int) -> None:
    setup = {"setupChargeAmount": "20.00", "setupChargeCode": "SETUP", "setupChargeBillHandler": "no"}
    kit = plan("KIT", "30.00", initialBillCount=14, **setup)
    with by_hand([kit], start="2026-03-01") as hand:
        hand.join("ANN", "KIT")
        hand.charge("ANN", "X", "5.00")
        hand.cancel("ANN")
        hand.to("2026-03-20")
        if waived:
            hand.done("invoices/waive", number=1)
        for day in ("2026-04-10", "2026-04-12")[:calls]:
            hand.edit("ANN", changeBillDate=day)
        hand.edit("ANN", **CARD)
        hand.to("2026-04-12")
        assert [amount for _, amount in hand.taken("ANN")] == money("30.00" if waived else "55.00")


def test_a_coupon_of_the_sign_up_is_for_the_setup_of_a_trial_too_k80() -> None:
    kit = plan("KIT", "10.00", initialBillCount=14, setupChargeAmount="15.00", setupChargeCode="KIT_SETUP")
    promotion = {"name": "Half", "percentage": "50", "chargeTypes": ["setup"], "coupons": [{"code": "HALF"}]}
    with by_hand([kit], start="2026-03-03", promotions=[promotion]) as hand:
        hand.join("ANN", "KIT", subscription={"couponCode": "HALF"})
        assert hand.paid("ANN") == dated(_2026_03_03="7.50")


def test_a_held_invoice_that_was_run_and_declined_is_in_dunning_k62() -> None:
    with by_hand([MONTHLY], start="2026-07-03") as hand, listening() as listener:
        hand.server.listen(listener.url, ["subscriptionBillable"])
        hand.join("ANN", "MONTHLY")
        hand.decline("ANN", 2)
        hand.to("2026-08-03T00:30:00Z")
        assert hand.call("customers/run-outstanding", code="ANN").status == 422
        hand.to("2026-08-30")
        tries = hand.bills("ANN")[1].tries
        assert [(f"{made:%d.%m. %H:%M}", response) for made, _, response in tries] == [
            ("03.08. 00:30", "declined"),
            ("05.08. 00:30", "declined"),
            ("07.08. 00:30", "approved"),
        ]


def test_a_promotion_takes_nothing_of_what_a_credit_offsets_k74_k81() -> None:
    """A charge of 10.00 and the credit that offsets it net 0.00, and half of that is 0.00."""
    promotion = {"name": "Half", "percentage": "50", "coupons": [{"code": "HALF"}]}
    with by_hand([plan("FLAT", "20.00")], start="2026-05-01", promotions=[promotion]) as hand:
        hand.join("ANN", "FLAT", subscription={"couponCode": "HALF"})
        hand.charge("ANN", "EXTRA", "10.00")
        hand.charge("ANN", "EXTRA", "-10.00")
        hand.to("2026-06-01")
        assert hand.taken("ANN") == dated(_2026_05_01="10.00", _2026_06_01="10.00")


def test_what_was_owed_pays_for_the_period_that_a_long_cancel_begins_k22_k56() -> None:
    """45.00 owed since 8 May is paid on 1 July. Half of July is then worth 22.50 at a prorated change."""
    fast = plan("FAST", "90.00", onChangeInitialBillHandler="now")
    with by_hand([MONTHLY, fast], start="2026-04-08") as hand:
        owing(hand)
        hand.to("2026-07-01")
        hand.edit("ANN", changeBillDate="2026-07-31", **CARD)
        assert hand.paid("ANN")[1:] == dated(_2026_07_01="45.00")
        hand.to("2026-07-16")
        hand.edit("ANN", planCode="FAST")
        assert hand.paid("ANN")[2:] == dated(_2026_07_16="67.50")


@pytest.mark.parametrize(
    ("each", "first_bill", "status"),
    [("10.00", None, 412), ("0.01", None, 412), ("10.00", "2026-06-01", 200), ("-10.00", None, 200)],
)
@pytest.mark.parametrize("more", [{"isFree": True}, {"paymentMethodIsRequired": False}])
def test_a_charge_that_a_sign_up_bills_at_once_needs_a_card_k4(
    more: dict[str, Any], each: str, first_bill: str | None, status: int
) -> None:
    first = {"initialBillDate": first_bill} if first_bill else {}
    charge = {"0": {"chargeCode": "X", "quantity": 1, "eachAmount": each}}
    with by_hand([plan("FREE", "0.00", **more)], start="2026-05-01") as hand:
        answer = hand.new("ANN", "FREE", card=False, subscription=first, charges=charge)
        assert answer.status == status
        if status == 412:
            assert answer.errors == [("412", "subscription[ccFirstName]:isEmpty")]
            assert hand.call("customers/get", code="ANN").status == 404
            hand.join("ANN", "FREE", charges=charge)
            assert hand.paid("ANN") == dated(_2026_05_01=each)
        assert hand.active("ANN")


@pytest.mark.parametrize(
    ("amount", "handler", "status"), [("15.00", "now", 412), ("15.00", "no", 200), ("0.00", "now", 200)]
)
@pytest.mark.parametrize("by_date", [False, True])
def test_a_setup_charge_that_a_sign_up_bills_at_once_needs_a_card_k4(
    by_date: bool, amount: str, handler: str, status: int
) -> None:
    """Even if the first bill of a period lies in the future."""
    setup = {"setupChargeAmount": amount, "setupChargeCode": "SETUP", "setupChargeBillHandler": handler}
    first = {"initialBillDate": "2026-05-15"} if by_date else {}
    kit = plan("KIT", "5.00", initialBillCount=0 if by_date else 14, paymentMethodIsRequired=False, **setup)
    with by_hand([kit], start="2026-05-01") as hand:
        answer = hand.new("ANN", "KIT", card=False, subscription=first)
        assert answer.status == status
        if status == 412:
            assert answer.errors == [("412", "subscription[ccFirstName]:isEmpty")]
            assert hand.call("customers/get", code="ANN").status == 404
            hand.join("ANN", "KIT", subscription=first)
            assert hand.paid("ANN") == dated(_2026_05_01=amount)
        assert hand.next_bill("ANN") == "2026-05-15"


def test_a_coupon_for_everything_does_not_replace_the_card_k4() -> None:
    """The card is optional only if the first invoice is in the future, whatever its amount."""
    promotion = {"name": "All", "percentage": "100", "coupons": [{"code": "ALL"}]}
    kit = plan("KIT", "10.00", paymentMethodIsRequired=False)
    later = plan("LATER", "10.00", paymentMethodIsRequired=False, initialBillCount=14)
    with by_hand([kit, later], start="2026-03-03", promotions=[promotion]) as hand:
        refused = hand.new("ANN", "KIT", card=False, subscription={"couponCode": "ALL"})
        assert (refused.status, refused.refusal) == (412, "A value is required")
        assert hand.new("BEA", "LATER", card=False, subscription={"couponCode": "ALL"}).status == 200


def test_what_a_refund_leaves_of_a_payment_is_rounded_once_k22() -> None:
    """0.06 of 110.00 is refunded. Half of the remaining 99.94545 before tax is 49.97, not 49.98."""
    slow, fast = plan("SLOW", "100.00"), plan("FAST", "90.00", onChangeInitialBillHandler="now")
    with by_hand([slow, fast], start="2026-04-01", taxRate="0.1") as hand:
        hand.join("ANN", "SLOW")
        hand.done("invoices/refund", number=1, amount="0.06")
        hand.to("2026-04-16")
        hand.edit("ANN", planCode="FAST")
        assert hand.bills("ANN")[1].amounts() == lines(
            ("FAST_RECURRING", "90.00"), ("SLOW_RECURRING", "-49.97")
        )
        assert hand.paid("ANN")[-1:] == dated(_2026_04_16="44.03")


# -- found by breaking single lines of the rules


def test_a_declined_run_after_a_cancellation_leaves_nothing_owed_k45_k52() -> None:
    """What became due after the cancellation isn't owed, though someone tried to run it. See K45 and K53."""
    with by_hand([GIGABYTES], start="2026-05-08") as hand:
        hand.join("ANN", "GIGA")
        hand.set("ANN", "GB", 9)
        hand.cancel("ANN")
        hand.to("2026-07-01")
        hand.decline("ANN")
        answer = hand.call("customers/run-outstanding", code="ANN")
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        hand.edit("ANN", **CARD)
        assert hand.paid("ANN")[1:] == dated(_2026_07_01="20.00")


def test_a_waived_invoice_with_a_credit_leaves_nothing_to_carry_k58() -> None:
    with by_hand([MONTHLY], start="2026-04-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.charge("ANN", "EXTRA", "10.00")
        hand.charge("ANN", "SORRY", "-5.00")
        hand.charge("ANN", "SMALL", "0.50")
        hand.decline("ANN")
        hand.to("2026-05-09")
        hand.done("invoices/waive", number=hand.bills("ANN")[1].number)
        assert sum(amount for _, amount in hand.bills("ANN")[1].amounts()) == 0
        hand.done("invoices/run", number=hand.bills("ANN")[1].number)
        assert hand.pending("ANN").total == Decimal("45.00")


@pytest.mark.parametrize(("date", "first"), [("2026-03-10", "2026-03-10"), ("now", "2026-03-05")])
def test_another_bill_date_keeps_the_setup_charge_k35(date: str, first: str) -> None:
    setup = {"setupChargeAmount": "15.00", "setupChargeCode": "KIT_SETUP", "setupChargeBillHandler": "no"}
    with by_hand([plan("KIT", "10.00", initialBillCount=14, **setup)], start="2026-03-03") as hand:
        hand.join("ANN", "KIT")
        hand.to("2026-03-05")
        hand.edit("ANN", changeBillDate=date)
        hand.to("2026-03-11")
        assert hand.paid("ANN") == [(first, Decimal("25.00"))]


def test_a_long_cancel_into_a_trial_keeps_a_counter_that_stays_k16_k53() -> None:
    seats = plan("SEATS", "20.00", initialBillCount=14, items=[item("SEAT", "2.00", periodic=False)])
    with by_hand([seats], start="2026-01-06") as hand:
        hand.join("ANN", "SEATS")
        hand.set("ANN", "SEAT", 8)
        hand.cancel("ANN")
        hand.to("2026-06-11")
        hand.edit("ANN", **CARD)
        assert hand.quantity("ANN", "SEAT") == 8
        hand.to("2026-06-25")
        assert hand.paid("ANN") == dated(_2026_06_25="36.00")


ONCE = plan(
    "ONCE",
    "50.00",
    billingFrequency="none",
    initialBillCount=1,
    items=[item("SEAT", "1.00", 9, periodic=False)],
)


@pytest.mark.parametrize("canceled", [False, True])
def test_a_counter_stays_after_a_plan_that_bills_once_k16(canceled: bool) -> None:
    after = plan("AFTER", "10.00", items=[item("SEAT", "1.00", 9, periodic=False)])
    with by_hand([ONCE, after], start="2026-05-01") as hand:
        hand.join("ANN", "ONCE")
        hand.set("ANN", "SEAT", 12)
        hand.to("2026-05-03")
        once = {"chargeCode": "EXTRA", "quantity": 1, "eachAmount": "5.00"}
        hand.done("invoices/new", code="ANN", charges={"0": once})
        if canceled:
            hand.cancel("ANN")
        hand.edit("ANN", planCode="AFTER", **CARD)
        assert hand.quantity("ANN", "SEAT") == 12
        hand.to("2026-06-03")
        assert hand.paid("ANN") == dated(_2026_05_02="53.00", _2026_05_03="5.00", _2026_06_03="13.00")


def test_a_counter_has_its_latest_value_after_a_plan_that_bills_once_k16() -> None:
    after = plan("AFTER", "10.00", items=[item("SEAT", "1.00", 9, periodic=False)])
    with by_hand([ONCE, after], start="2026-05-01") as hand:
        hand.join("ANN", "AFTER")
        hand.set("ANN", "SEAT", 12)
        hand.edit("ANN", planCode="ONCE")
        hand.to("2026-06-03")
        hand.edit("ANN", planCode="AFTER")
        assert hand.quantity("ANN", "SEAT") == 12


def test_a_period_that_nobody_paid_for_gives_no_credit_k22() -> None:
    """ONCE was paid, but for no period. The period on AFTER is paid at its end."""
    after, fast = plan("AFTER", "10.00"), plan("FAST", "90.00", onChangeInitialBillHandler="now")
    with by_hand([ONCE, after, fast], start="2026-05-01") as hand:
        hand.join("ANN", "ONCE")
        hand.to("2026-05-03")
        hand.edit("ANN", planCode="AFTER")
        hand.to("2026-05-10")
        hand.edit("ANN", planCode="FAST")
        assert hand.paid("ANN") == dated(_2026_05_02="50.00", _2026_05_10="90.00")


def test_a_declined_change_after_a_plan_that_bills_once_is_told_and_undone_k88() -> None:
    fast = plan("FAST", "90.00", onChangeInitialBillHandler="now")
    with by_hand([ONCE, fast], start="2026-05-01") as hand, listening() as listener:
        hand.join("ANN", "ONCE")
        hand.to("2026-05-03")
        hand.server.listen(listener.url, ["transaction"])
        hand.decline("ANN")
        answer = hand.call("customers/edit-subscription", code="ANN", planCode="FAST")
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        hand.server.settle()
        told = [json.loads(hook.body)["subscription"]["invoice"]["transaction"] for hook in listener.received]
        assert [(made["amount"], made["response"]) for made in told] == [("90.00", "declined")]
        assert hand.paid("ANN") == dated(_2026_05_02="50.00")


def test_an_active_subscription_that_pays_what_it_owed_is_not_reactivated_k105() -> None:
    with by_hand([MONTHLY], start="2026-04-08") as hand, listening() as listener:
        hand.join("ANN", "MONTHLY")
        hand.decline("ANN")
        hand.to("2026-05-09")
        hand.server.listen(listener.url, ["subscriptionReactivated"])
        hand.done("customers/run-outstanding", code="ANN")
        hand.server.settle()
        assert listener.received == []


def test_what_a_late_reactivation_pays_is_for_the_period_that_begins_k54_k56() -> None:
    with by_hand([MONTHLY], start="2026-04-08") as hand:
        owing(hand)
        hand.to("2026-07-01")
        hand.edit("ANN", **CARD)
        assert hand.paid("ANN")[1:] == dated(_2026_07_01="45.00")
        assert hand.next_bill("ANN") == "2026-08-01"


def test_what_was_imported_has_its_setup_charge_on_the_first_bill_k99() -> None:
    setup = {"setupChargeAmount": "15.00", "setupChargeCode": "KIT_SETUP"}
    with by_hand([plan("TWELVE", "12.00", **setup)], start="2026-05-01") as hand:
        imported(hand)
        hand.edit("ANN", changeBillDate="now")
        assert hand.paid("ANN") == dated(_2026_05_01="27.00")


def test_an_imported_customer_on_another_plan_is_still_not_scheduled_k99() -> None:
    with by_hand([plan("TWELVE", "12.00"), plan("NINE", "9.00")], start="2026-05-01") as hand:
        imported(hand)
        hand.edit("ANN", planCode="NINE")
        hand.to("2026-07-01")
        assert hand.bills("ANN") == []
        hand.edit("ANN", changeBillDate="now")
        assert hand.taken("ANN") == dated(_2026_07_01="9.00")


@pytest.mark.parametrize(("date", "day"), [("now", "2026-05-03"), ("2026-05-20", "2026-05-20")])
@pytest.mark.parametrize("old", ["NIL", "TWELVE"])
@pytest.mark.parametrize("handler", ["now", "no"])
def test_an_imported_customer_on_another_plan_with_a_bill_date_is_scheduled_k26_k99(
    old: str, date: str, day: str, handler: str
) -> None:
    new = plan("NINE", "9.00", onChangeInitialBillHandler=handler, initialBillCount=7)
    plans = [plan("TWELVE", "12.00"), plan("NIL", "0.00", isFree=True), new]
    change = {"code": "ANN", "planCode": "NINE", "changeBillDate": date}
    with by_hand(plans, start="2026-05-01") as hand:
        imported(hand, old)
        hand.to("2026-05-03")
        if date == "now":
            hand.decline("ANN")
            assert hand.call("customers/edit-subscription", **change).status == 422
            assert hand.bills("ANN") == []
            assert hand.customer("ANN").find(".//plan").get("code") == old
        hand.done("customers/edit-subscription", **change)
        hand.to("2026-06-01")
        assert hand.paid("ANN") == [(day, Decimal("9.00"))]
        assert hand.next_bill("ANN") == day.replace("05", "06", 1)


SETUP = {"setupChargeAmount": "15.00", "setupChargeCode": "SETUP"}
# When 15.00 of setup and 29.00 are billed, by the days until the first bill and `setupChargeBillHandler`.
SIGNED_UP = [
    (0, "now", dated(_2026_05_03="44.00")),
    (7, "now", dated(_2026_05_03="15.00", _2026_05_10="29.00")),
    (7, "no", dated(_2026_05_10="44.00")),
]


@pytest.mark.parametrize("frequency", ["monthly", "none"])
@pytest.mark.parametrize(("days", "handler", "bills"), SIGNED_UP)
def test_a_setup_charge_from_free_to_paid_is_that_of_a_sign_up_k26(
    frequency: str, days: int, handler: str, bills: list[tuple[str, Decimal]]
) -> None:
    """With or without a free period that goes on."""
    nothing = plan("NIL", "0.00", isFree=True, billingFrequency=frequency)
    pro = plan("PRO", "29.00", initialBillCount=days, setupChargeBillHandler=handler, **SETUP)
    with by_hand([nothing, pro], start="2026-05-01") as hand:
        hand.join("ANN", "NIL")
        hand.to("2026-05-03")
        hand.edit("ANN", planCode="PRO")
        hand.to("2026-05-10")
        assert hand.paid("ANN") == bills


@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize(("days", "handler", "bills"), SIGNED_UP)
def test_a_setup_charge_after_a_long_cancel_is_that_of_a_sign_up_k53(
    change: bool, days: int, handler: str, bills: list[tuple[str, Decimal]]
) -> None:
    """On the same plan or another."""
    terms = {"initialBillCount": days, "setupChargeBillHandler": handler}
    plans = [plan("OLD", "29.00", **terms, **SETUP), plan("NEW", "29.00", **terms, **SETUP)]
    with by_hand(plans, start="2026-01-01") as hand:
        hand.join("ANN", "OLD")
        before = hand.paid("ANN")
        hand.cancel("ANN")
        hand.to("2026-05-03")
        hand.edit("ANN", planCode="NEW" if change else "OLD", **CARD)
        hand.to("2026-05-10")
        assert hand.paid("ANN")[len(before) :] == bills


def test_a_declined_setup_charge_leaves_the_customer_canceled_k52_k53() -> None:
    with by_hand([plan("OLD", "29.00", initialBillCount=7, **SETUP)], start="2026-01-01") as hand:
        hand.join("ANN", "OLD")
        hand.cancel("ANN")
        hand.to("2026-05-03")
        hand.decline("ANN")
        answer = hand.call("customers/edit-subscription", code="ANN", **CARD)
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        assert not hand.active("ANN")
        hand.to("2026-06-03")
        assert hand.paid("ANN") == dated(_2026_01_01="15.00")


@pytest.mark.parametrize(
    ("dates", "reminded"),
    [
        ([], ["2026-05-25", "2026-05-30"]),
        (["2026-06-20"], ["2026-06-13", "2026-06-18"]),
        (["2026-05-20"], ["2026-05-13", "2026-05-18"]),
        (["2026-06-20", "2026-06-01"], ["2026-05-25", "2026-05-30"]),
        (["2026-06-01"], ["2026-05-25", "2026-05-30"]),
        (["2026-06-06"], ["2026-05-30", "2026-06-04"]),
        (["2026-05-04"], ["2026-05-02"]),
    ],
    ids=lambda dates: " then ".join(dates) or "unmoved",
)
def test_a_reminder_comes_once_and_its_days_before_the_bill_k107(
    dates: list[str], reminded: list[str]
) -> None:
    with (
        by_hand([MONTHLY], start="2026-05-01", billReminderDays=[7, 2]) as hand,
        listening() as listener,
    ):
        hand.server.listen(listener.url, ["billReminder"])
        hand.join("ANN", "MONTHLY")
        for date in dates:
            hand.edit("ANN", changeBillDate=date)
        hand.to("2026-06-20")
        hand.server.settle()
        told = [json.loads(hook.body)["activityDatetime"][:10] for hook in listener.received]
        last = dates[-1] if dates else "2026-06-01"
        assert [day for day in told if day <= last] == reminded


@pytest.mark.parametrize(("day", "status"), [("2026-05-09", 200), ("2026-05-10", 412), ("2026-05-11", 412)])
@pytest.mark.parametrize("of_coupon", [False, True])
def test_an_expired_coupon_is_invalid_k82(of_coupon: bool, day: str, status: int) -> None:
    expires = {"expirationDatetime": "2026-05-10T00:00:00Z"}
    coupon, promotion = (expires, {}) if of_coupon else ({}, expires)
    half = {"name": "Half", "percentage": "50", "coupons": [{"code": "HALF"} | coupon]} | promotion
    with by_hand([plan("FLAT", "20.00")], start="2026-05-01", promotions=[half]) as hand:
        hand.to(day)
        assert hand.new("ANN", "FLAT", subscription={"couponCode": "HALF"}).status == status


@pytest.mark.parametrize(
    ("prorates", "handler", "bills"),
    [
        ("no", "no", dated(_2026_06_16="60.00", _2026_07_16="90.00")),
        ("no", "now", dated(_2026_06_16="60.00", _2026_07_16="105.00")),
        ("now", "no", dated(_2026_06_16="60.00", _2026_07_01="60.00")),
        ("now", "now", dated(_2026_06_16="60.00", _2026_07_01="75.00")),
    ],
)
def test_a_setup_charge_at_a_change_is_on_the_invoice_of_the_change_k22_k30(
    prorates: str, handler: str, bills: list[tuple[str, Decimal]]
) -> None:
    """Half of the 60.00 is left at a prorated change: 90.00 - 30.00."""
    handlers = {"onChangeInitialBillHandler": prorates, "onChangeSetupChargeBillHandler": handler}
    with by_hand([SMALL, plan("NEW", "90.00", **handlers, **SETUP)], start="2026-06-16") as hand:
        hand.join("ANN", "SMALL")
        hand.to("2026-07-01")
        hand.edit("ANN", planCode="NEW")
        hand.to("2026-07-16")
        assert hand.paid("ANN") == bills


def test_a_change_of_plan_with_a_bill_date_of_now_is_billed_now_k35() -> None:
    with by_hand([MONTHLY, plan("OTHER", "10.00")], start="2026-05-08") as hand:
        hand.join("ANN", "MONTHLY")
        hand.to("2026-05-20")
        hand.edit("ANN", planCode="OTHER", changeBillDate="now")
        assert hand.paid("ANN")[1:] == dated(_2026_05_20="10.00")
        assert hand.next_bill("ANN") == "2026-06-20"


@pytest.mark.parametrize(("handler", "bill"), [("no", "90.00"), ("now", "105.00")])
def test_a_setup_charge_at_a_change_without_a_period_is_on_the_first_bill_k30(
    handler: str, bill: str
) -> None:
    new = plan("NEW", "90.00", onChangeSetupChargeBillHandler=handler, **SETUP)
    with by_hand([ONCE, new], start="2026-05-01") as hand:
        hand.join("ANN", "ONCE")
        hand.to("2026-05-03")
        hand.edit("ANN", planCode="NEW")
        hand.to("2026-06-03")
        assert hand.paid("ANN") == dated(_2026_05_02="50.00", _2026_06_03=bill)


def test_a_period_that_carried_credit_paid_for_is_credited_k22_k76() -> None:
    """150.00 is given. 60.00 of it is for June's bill, and what is carried then pays for August."""
    with by_hand([SMALL, LARGE], start="2026-06-01") as hand:
        hand.join("ANN", "SMALL")
        hand.charge("ANN", "SORRY", "-150.00")
        hand.to("2026-08-16T12:00:00Z")
        hand.edit("ANN", planCode="LARGE")  # 90.00, less half of August's 60.00, less the 30.00 that is left
        assert hand.paid("ANN") == dated(_2026_06_01="60.00", _2026_08_16="30.00")


@pytest.mark.parametrize("carried", ["20.00", "0.00", "29.99"])
@pytest.mark.parametrize("call", ["refund", "void", "void-or-refund"])
def test_a_payment_given_back_leaves_the_carried_credit_k22_k76_k78(call: str, carried: str) -> None:
    plans = [plan("OLD", "30.00"), plan("NEW", "90.00", onChangeInitialBillHandler="now")]
    with by_hand(plans, start="2026-06-01") as hand:
        hand.join(
            "ANN", "OLD", charges={"0": {"chargeCode": "X", "quantity": 1, "eachAmount": f"-{carried}"}}
        )
        hand.charge("ANN", "X", str(-30 - Decimal(carried)))
        hand.to("2026-08-01")
        last = hand.bills("ANN")[2]
        assert last.total == 30 - Decimal(carried)
        hand.done(f"invoices/{call}", number=last.number)
        hand.edit("ANN", planCode="NEW")
        assert hand.bills("ANN")[3].total == 90 - Decimal(carried)


def test_a_refunded_payment_cannot_be_voided_too_k78() -> None:
    with by_hand([MONTHLY], start="2026-05-01") as hand:
        hand.join("ANN", "MONTHLY")
        hand.done("invoices/refund", number=1)
        for call in ("void", "refund", "void-or-refund"):
            assert hand.call(f"invoices/{call}", number=1).status == 412
        assert [amount for _, amount in hand.taken("ANN")] == money("-45.00", "45.00")


def test_a_voided_transaction_is_not_told_as_settled_k105() -> None:
    with by_hand([MONTHLY], start="2026-05-01") as hand, listening() as listener:
        hand.server.listen(listener.url, ["transaction"])
        hand.join("ANN", "MONTHLY")
        hand.done("invoices/void", number=1)
        hand.to("2026-05-03")
        hand.server.settle()
        told = [json.loads(hook.body)["subscription"]["invoice"]["transaction"] for hook in listener.received]
        assert [made["amount"] for made in told] == ["45.00", "-45.00"]


@pytest.mark.parametrize("lacking", [{}, {"ccExpiration": "04/2026"}], ids=["no card", "an expired card"])
def test_a_bill_date_of_now_without_a_valid_card_is_refused_k4_k65(lacking: dict[str, str]) -> None:
    trial = plan("TRIAL", "45.00", initialBillCount=60, paymentMethodIsRequired=False)
    with by_hand([trial], start="2026-04-08") as hand:
        hand.join("ANN", "TRIAL", card=bool(lacking), subscription=lacking)
        hand.to("2026-05-20")
        answer = hand.call("customers/edit-subscription", code="ANN", changeBillDate="now")
        assert (answer.status, answer.errors) == (422, [("422", "6000")])
        assert hand.taken("ANN") == []
        assert hand.next_bill("ANN") == "2026-06-07"


def ids_of_lines(hand: ByHand, number: int) -> dict[str, list[str]]:
    """The ids of an invoice's lines, by code."""
    found: dict[str, list[str]] = {}
    for invoice in hand.customer("ANN").iter("invoice"):
        if invoice.findtext("number") == str(number):
            for charge in invoice.iter("charge"):
                found.setdefault(charge.get("code"), []).append(charge.get("id"))
    return found


def test_a_discount_follows_what_changes_on_an_outstanding_invoice_k81() -> None:
    """Half of everything. Lines keep their ids, and only custom charges can be deleted."""
    half = {"name": "Half", "percentage": "50", "coupons": [{"code": "HALF"}]}
    with by_hand([GIGABYTES], start="2026-05-01", promotions=[half]) as hand:
        hand.join("ANN", "GIGA", subscription={"couponCode": "HALF"})
        hand.decline("ANN")
        hand.to("2026-06-01")
        before = ids_of_lines(hand, 2)
        held = {"invoicePeriod": "outstanding"}
        hand.charge("ANN", "EXTRA", "10.00", **held)
        assert hand.bills("ANN")[1].total == Decimal("15.00")
        hand.set("ANN", "GB", 3, **held)
        assert hand.bills("ANN")[1].total == Decimal("18.00")
        ids = ids_of_lines(hand, 2)
        assert ids["GIGA_RECURRING"] == before["GIGA_RECURRING"]
        assert (
            len({number for numbers in ids.values() for number in numbers}) == 6
        )  # three lines, three credits
        for number in (*ids["GIGA_RECURRING"], *ids["GB"]):
            answer = hand.call("customers/delete-charge", code="ANN", chargeId=number, **held)
            assert answer.status == 404
        for number in ids["EXTRA"]:
            hand.call("customers/delete-charge", code="ANN", chargeId=number, **held)
        hand.to("2026-06-03")
        assert hand.paid("ANN") == dated(_2026_05_01="10.00", _2026_06_03="13.00")


def test_a_quantity_on_an_outstanding_invoice_changes_its_own_line_k20() -> None:
    both = plan("BOTH", "20.00", items=[item("GB", "2.00"), item("CALL", "0.50")])
    with by_hand([both], start="2026-05-01") as hand:
        hand.join("ANN", "BOTH")
        hand.set("ANN", "GB", 3)
        hand.set("ANN", "CALL", 10)
        hand.decline("ANN")
        hand.to("2026-06-01")
        hand.set("ANN", "GB", 4, invoicePeriod="outstanding")
        hand.to("2026-06-03")
        assert hand.paid("ANN") == dated(_2026_05_01="20.00", _2026_06_03="33.00")
