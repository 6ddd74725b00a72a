"""Rules of Cheddar that no document settles: each is a setting with a default, a standing and a source.

A catalogue sets them in `[rules]`. `docs/cheddar.md` is generated from this table.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.frequencies import add_months, run_over

__all__ = ["SETTINGS", "Rules", "Setting", "written"]


class Rules(Value, frozen=True):
    """The rules that a product follows. The defaults are what Cheddar most probably does."""

    month_end: Literal["run-over", "last-day"] = "run-over"
    free_to_paid: Literal["sign-up", "on-change"] = "sign-up"
    prorated_change_in_trial: Literal["keeps-date", "bills-now"] = "keeps-date"
    proration_unit: Literal["second", "day"] = "second"
    proration_base: Literal["paid", "list"] = "paid"
    tax_rounding: Literal["invoice", "line"] = "invoice"
    promotion_scope: Literal["all", "recurring"] = "all"
    promotion_months_from: Literal["redemption", "first-bill"] = "redemption"
    promotion_credit_code: Literal["charge", "coupon"] = "charge"
    long_cancel_setup: Literal["charged", "waived"] = "charged"
    long_cancel_with_outstanding: Literal["one", "both"] = "one"
    long_cancel_usage: Literal["dropped", "billed"] = "dropped"
    new_card_while_held: Literal["waits", "runs"] = "waits"
    dunning: tuple[timedelta, ...] = (timedelta(days=2),) * 4
    declined_one_time: Literal["outstanding", "dropped"] = "outstanding"
    one_time_excess: Literal["carried", "lost"] = "carried"
    billable_hook_without_payment: Literal["skipped", "sent"] = "skipped"
    canceled_hook_invoice: Literal["pending", "paid"] = "pending"
    deleted_customer_code: Literal["empty", "kept"] = "empty"
    past_initial_bill_date: Literal["refused", "billed"] = "refused"
    missing_customer_code: Literal["refused", "email"] = "refused"
    void_with_amount: Literal["refused", "refund", "ignored"] = "refused"
    fifth_decimal_at_sign_up: Literal["rounded", "refused"] = "rounded"
    delete_all_confirm: Literal["time", "any"] = "time"
    prorated_overage: Literal["billed", "dropped"] = "billed"
    promotion_base: Literal["left", "charges"] = "left"
    canceled_bill_now: Literal["reactivates", "stays-canceled"] = "reactivates"
    several_outstanding: Literal["oldest", "newest"] = "oldest"
    new_address_while_declined: Literal["nothing", "runs"] = "nothing"
    waived_by: Literal["each", "one"] = "each"
    added_to_outstanding: Literal["obeyed", "current"] = "obeyed"
    removed_below_zero: Literal["refused", "zero"] = "refused"
    empty_meta_data: Literal["removed", "kept"] = "removed"
    canceled_again: Literal["ignored", "refused"] = "ignored"

    def add_months(self, moment: datetime, months: int) -> datetime:
        return run_over(moment, months) if self.month_end == "run-over" else add_months(moment, months)


class Setting(Value, frozen=True):
    """A setting: what each alternative means (the default first), and how sure the default is."""

    name: str
    meanings: Mapping[str, str]
    standing: str  # `staff YEAR`, `recorded`, `client`, `documented`, `inferred`
    source: str

    @property
    def default(self) -> str:
        return next(iter(self.meanings))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The values that a catalogue may set. Empty if the setting does not have a fixed set of values."""
        hint: Any = get_type_hints(Rules)[self.name]
        return get_args(hint) if get_origin(hint) is Literal else ()


def written(value: str | tuple[timedelta, ...]) -> str:
    """A value as text: a word, or pauses such as `2d 12h`."""
    if isinstance(value, str):
        return value
    hours = (pause / timedelta(hours=1) for pause in value)
    return " ".join(f"{count / 24:g}d" if count % 24 == 0 else f"{count:g}h" for count in hours)


_SETTINGS = (
    Setting(
        "month_end",
        {
            "run-over": "The next bill is one month after the last one. Days that the month lacks run over"
            " into the one after it, and the new day stays: 31 August, 1 October, 1 November.",
            "last-day": "The day of sign-up is kept: 31 August, 30 September, 31 October.",
        },
        "staff 2017 to 2019",
        "K38 to K41: p/9529, q/25237, p/10256. That it holds for yearly and longer plans is inferred.",
    ),
    Setting(
        "free_to_paid",
        {
            "sign-up": "A change from a free to a paid plan is a sign-up for the paid one: its first bill,"
            " its trial, its setup charge.",
            "on-change": "It is a change like any other, by the new plan's `onChangeInitialBillHandler`.",
        },
        "staff 2010",
        "K26: p/268",
    ),
    Setting(
        "prorated_change_in_trial",
        {
            "keeps-date": "A change to a prorating plan before the first bill keeps the date of that bill.",
            "bills-now": "It bills the new plan at once.",
        },
        "staff 2010",
        "K28: q/96, against K27 (a customer, p/268)",
    ),
    Setting(
        "proration_unit",
        {
            "second": "The unused part of a period is counted by the second.",
            "day": "It is counted by whole days that are left.",
        },
        "inferred",
        "K22 says only that the period is prorated",
    ),
    Setting(
        "proration_base",
        {
            "paid": "The unused part is a part of what was paid for the period: the recurring charge less"
            " discounts, credits, refunds and voids. Nothing of a free, unpaid or trial period.",
            "list": "It is a part of the plan's recurring amount.",
        },
        "inferred",
        "K22",
    ),
    Setting(
        "tax_rounding",
        {
            "invoice": "Tax is worked out once, on the positive sum of all lines.",
            "line": "Tax is worked out and rounded for each line.",
        },
        "inferred",
        "no source; K84 to K86 give the rate",
    ),
    Setting(
        "promotion_scope",
        {
            "all": "A promotion that names no charge types covers setup, recurring, overage and custom"
            " charges.",
            "recurring": "It covers the recurring charge only.",
        },
        "inferred",
        "K80: /kb/pricing-plans/promotions (it *can* be limited to types)",
    ),
    Setting(
        "promotion_months_from",
        {
            "redemption": "The months of a promotion count from the moment the coupon is redeemed.",
            "first-bill": "They count from the first bill date after that.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "promotion_credit_code",
        {
            "charge": "A discount's credit has the code of the charge that it offsets.",
            "coupon": "It has the coupon's code.",
        },
        "inferred",
        "K74: q/360 suggests the offset charge's own code",
    ),
    Setting(
        "long_cancel_setup",
        {
            "charged": "A reactivation after the next bill date, being a new sign-up, brings the setup"
            " charge.",
            "waived": "It does not.",
        },
        "inferred",
        "K53, K54: q/24838",
    ),
    Setting(
        "long_cancel_with_outstanding",
        {
            "one": "An outstanding invoice that is paid by a late reactivation is its first bill: the next is"
            " one period later.",
            "both": "It is paid, and the new sign-up bills as the plan says.",
        },
        "inferred",
        "K56, K61: q/10776",
    ),
    Setting(
        "long_cancel_usage",
        {
            "dropped": "What was used before the cancellation is not billed after a late reactivation.",
            "billed": "It is on the first bill.",
        },
        "inferred",
        "K45: q/31",
    ),
    Setting(
        "new_card_while_held",
        {
            "waits": "A new payment method does not run an invoice that is held for review, or released:"
            " nobody has finished its quantities, and it runs in its time.",
            "runs": "It runs it at once, as any other outstanding invoice.",
        },
        "inferred",
        "K52, K60, K64 do not tell them apart",
    ),
    Setting(
        "dunning",
        {"2d 2d 2d 2d": "The pauses after which a declined invoice is tried again; then it cancels."},
        "documented",
        "K62: /kb/operational-how-tos/dunning-dun-dun-dunnnnn; against K63 (q/24633, q/459)",
    ),
    Setting(
        "declined_one_time",
        {
            "outstanding": "A one-time invoice that is declined stays outstanding, and is not tried again.",
            "dropped": "It is void.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "one_time_excess",
        {
            "carried": "Credits above the charges of a one-time invoice are carried forward too.",
            "lost": "They are lost: only a recurring invoice carries.",
        },
        "inferred",
        "K76 speaks of recurring invoices only",
    ),
    Setting(
        "billable_hook_without_payment",
        {
            "skipped": "Without a good payment method at the bill date no `subscriptionBillable` goes out.",
            "sent": "It goes out, and the subscription is canceled all the same.",
        },
        "inferred",
        "K65 documents the cancellation",
    ),
    Setting(
        "canceled_hook_invoice",
        {
            "pending": "`subscriptionCanceled` carries the pending invoice.",
            "paid": "It carries the last one that was paid, with its charges.",
        },
        "recorded",
        "a recording of 2021; a listener's tests show the other",
    ),
    Setting(
        "deleted_customer_code",
        {
            "empty": "`customerDeleted` says nothing of the customer: every field is empty.",
            "kept": "It has the customer's code.",
        },
        "recorded",
        "a recording of 1 June 2021; a listener of that month reads the code",
    ),
    Setting(
        "past_initial_bill_date",
        {
            "refused": "An `initialBillDate` before today is a 412.",
            "billed": "It bills at once.",
        },
        "documented",
        "K31: the date must be today or later; what the past gives is not said",
    ),
    Setting(
        "missing_customer_code",
        {
            "refused": "A new customer without a `code` is a 412.",
            "email": "The email address becomes the code.",
        },
        "documented",
        "K94: the API reference; an older page has the address",
    ),
    Setting(
        "void_with_amount",
        {
            "refused": "`/invoices/void` with an `amount` is a 412.",
            "refund": "It refunds the amount.",
            "ignored": "It voids the whole.",
        },
        "inferred",
        "K78: the PHP client sends one",
    ),
    Setting(
        "fifth_decimal_at_sign_up",
        {
            "rounded": "Quantities that a sign-up begins with are rounded to four decimals, halves away from"
            " zero.",
            "refused": "A fifth decimal is a 412, as in the calls on a quantity.",
        },
        "client",
        "the tests of the Python client sharpy send 1.23456; K18 speaks of the calls on a quantity",
    ),
    Setting(
        "delete_all_confirm",
        {
            "time": "`delete-all` is confirmed by the unix time.",
            "any": "Anything confirms it.",
        },
        "documented",
        "the API reference; clients of 2010 sent 1",
    ),
    Setting(
        "prorated_overage",
        {
            "billed": "On the invoice of a prorated change is the ended period's overage in full, by the old"
            " plan's included quantity and price.",
            "dropped": "It is billed nowhere.",
        },
        "staff 2011",
        "K24: q/392, against K25 (a customer there, 2010)",
    ),
    Setting(
        "promotion_base",
        {
            "left": "Of a code that has charges and credits the percentage is of what is left.",
            "charges": "It is of the charges.",
        },
        "inferred",
        "K81 says only: of each charge code",
    ),
    Setting(
        "canceled_bill_now",
        {
            "reactivates": "`changeBillDate` of now on a canceled subscription transacts its pending invoice"
            " and reactivates.",
            "stays-canceled": "It transacts the invoice alone.",
        },
        "staff 2015",
        "K57: q/20048, with a reservation",
    ),
    Setting(
        "several_outstanding",
        {
            "oldest": "Of several outstanding invoices the oldest is meant, one of a period before a one-time"
            " one.",
            "newest": "The newest is meant, one of a period before a one-time one.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "new_address_while_declined",
        {
            "nothing": "A new name or zip of a card does not run an invoice that was declined.",
            "runs": "It does, as a new card does.",
        },
        "inferred",
        "K64 speaks of a new payment method",
    ),
    Setting(
        "waived_by",
        {
            "each": "Waive puts a credit on an invoice for each of its charges.",
            "one": "It puts one credit for all of them.",
        },
        "inferred",
        "K58: credits that offset all debits",
    ),
    Setting(
        "added_to_outstanding",
        {
            "obeyed": "`invoicePeriod` counts when a quantity is added or removed, too.",
            "current": "It counts only when a quantity is set: added and removed is in the current period.",
        },
        "inferred",
        "K19: the API reference has it for set-item-quantity only",
    ),
    Setting(
        "removed_below_zero",
        {
            "refused": "To remove more than there is is a 412.",
            "zero": "It leaves nothing.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "empty_meta_data",
        {
            "removed": "An empty value of `metaData` removes the entry.",
            "kept": "The entry stays, with an empty value.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "canceled_again",
        {
            "ignored": "To cancel what is canceled changes nothing.",
            "refused": "It is a 412.",
        },
        "inferred",
        "no source",
    ),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _SETTINGS}
