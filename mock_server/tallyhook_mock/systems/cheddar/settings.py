"""The rules that Cheddar's documentation leaves open. Each is a setting with a default and a source.

A setting also has a standing: how well its default is known. A catalogue sets the rules in `[rules]`.
`docs/cheddar.md` is generated from this table.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, get_args, get_origin

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
    """A setting: the meaning of each alternative (the default first), and how certain the default is."""

    name: str
    meanings: Mapping[str, str]
    standing: str  # `staff YEAR`, `recorded`, `client`, `documented`, `inferred`
    source: str

    @property
    def default(self) -> str:
        return next(iter(self.meanings))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The values that a catalogue may choose from. Empty if the setting has no fixed set of values."""
        hint: Any = Rules.__annotations__[self.name]
        return get_args(hint) if get_origin(hint) is Literal else ()


def written(value: str | tuple[timedelta, ...]) -> str:
    """Return a setting's value as text: a word, or a list of pauses such as `2d 12h`."""
    if isinstance(value, str):
        return value
    hours = (pause / timedelta(hours=1) for pause in value)
    return " ".join(f"{count / 24:g}d" if count % 24 == 0 else f"{count:g}h" for count in hours)


_SETTINGS = (
    Setting(
        "month_end",
        {
            "run-over": "The next bill is one month after the last one. If that month is too short, the"
            " date runs over into the next month, and the new day stays: 31 August, 1 October, 1 November.",
            "last-day": "The day of sign-up is kept: 31 August, 30 September, 31 October.",
        },
        "staff 2017 to 2019",
        "K38 to K41: p/9529, q/25237, p/10256. That this holds for yearly and longer plans is inferred.",
    ),
    Setting(
        "free_to_paid",
        {
            "sign-up": "A change from a free to a paid plan is a sign-up for the paid one, with its"
            " first bill, trial and setup charge.",
            "on-change": "It is an ordinary change and follows the new plan's `onChangeInitialBillHandler`.",
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
            "day": "It is counted in whole remaining days.",
        },
        "inferred",
        "K22 says only that the period is prorated",
    ),
    Setting(
        "proration_base",
        {
            "paid": "The unused part is a share of what was paid for the period: the recurring charge less"
            " discounts, credits, refunds and voids. It is nothing for a free, unpaid or trial period.",
            "list": "It is a share of the plan's recurring amount.",
        },
        "inferred",
        "K22",
    ),
    Setting(
        "tax_rounding",
        {
            "invoice": "Tax is calculated once, on the positive sum of all lines.",
            "line": "Tax is calculated and rounded for each line.",
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
            "charged": "A reactivation after the next bill date is a new sign-up and includes the setup"
            " charge.",
            "waived": "It does not include the setup charge.",
        },
        "inferred",
        "K53, K54: q/24838",
    ),
    Setting(
        "long_cancel_with_outstanding",
        {
            "one": "An outstanding invoice that a late reactivation pays is its first bill. The next is"
            " one period later.",
            "both": "It is paid, and the new sign-up bills as the plan says.",
        },
        "inferred",
        "K56, K61: q/10776",
    ),
    Setting(
        "long_cancel_usage",
        {
            "dropped": "Usage from before the cancellation is not billed after a late reactivation.",
            "billed": "It is on the first bill.",
        },
        "inferred",
        "K45: q/31",
    ),
    Setting(
        "new_card_while_held",
        {
            "waits": "A new payment method does not run an invoice that is held for review or released:"
            " its quantities may not be final, and it runs on schedule.",
            "runs": "It runs the invoice at once, like any other outstanding invoice.",
        },
        "inferred",
        "K52, K60, K64 do not distinguish them",
    ),
    Setting(
        "dunning",
        {"2d 2d 2d 2d": "The pauses between attempts to run a declined invoice. After the last, it cancels."},
        "documented",
        "K62: /kb/operational-how-tos/dunning-dun-dun-dunnnnn; against K63 (q/24633, q/459)",
    ),
    Setting(
        "declined_one_time",
        {
            "outstanding": "A declined one-time invoice stays outstanding and is not retried.",
            "dropped": "It is void.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "one_time_excess",
        {
            "carried": "Credits that exceed the charges of a one-time invoice are carried forward too.",
            "lost": "They are lost. Only a recurring invoice carries credits forward.",
        },
        "inferred",
        "K76 speaks of recurring invoices only",
    ),
    Setting(
        "billable_hook_without_payment",
        {
            "skipped": "Without a valid payment method at the bill date, no `subscriptionBillable` is sent.",
            "sent": "It is sent, and the subscription is still canceled.",
        },
        "inferred",
        "K65 documents the cancellation",
    ),
    Setting(
        "canceled_hook_invoice",
        {
            "pending": "`subscriptionCanceled` contains the pending invoice.",
            "paid": "It contains the last paid invoice, with its charges.",
        },
        "recorded",
        "a recording of 2021; a listener's tests show the other",
    ),
    Setting(
        "deleted_customer_code",
        {
            "empty": "In `customerDeleted` every field of the customer is empty.",
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
        "K31: the date must be today or later; what a past date does is not said",
    ),
    Setting(
        "missing_customer_code",
        {
            "refused": "A new customer without a `code` is a 412.",
            "email": "The email address becomes the code.",
        },
        "documented",
        "K94: the API reference; an older page says the email address",
    ),
    Setting(
        "void_with_amount",
        {
            "refused": "`/invoices/void` with an `amount` is a 412.",
            "refund": "It refunds the amount.",
            "ignored": "It voids the whole payment.",
        },
        "inferred",
        "K78: the PHP client sends one",
    ),
    Setting(
        "fifth_decimal_at_sign_up",
        {
            "rounded": "The initial quantities of a sign-up are rounded to four decimals, halves away from"
            " zero.",
            "refused": "A fifth decimal is a 412, as in the calls that change a quantity.",
        },
        "client",
        "the tests of the Python client sharpy send 1.23456; K18 is about the calls that change a quantity",
    ),
    Setting(
        "delete_all_confirm",
        {
            "time": "`delete-all` is confirmed by the unix time.",
            "any": "Any value confirms it.",
        },
        "documented",
        "the API reference; clients of 2010 sent 1",
    ),
    Setting(
        "prorated_overage",
        {
            "billed": "The invoice of a prorated change has the ended period's overage in full, by the old"
            " plan's included quantity and price.",
            "dropped": "The overage is not billed.",
        },
        "staff 2011",
        "K24: q/392, against K25 (a customer there, 2010)",
    ),
    Setting(
        "promotion_base",
        {
            "left": "If a code has charges and credits, the percentage applies to what is left.",
            "charges": "It applies to the charges alone.",
        },
        "inferred",
        "K81 says only: of each charge code",
    ),
    Setting(
        "canceled_bill_now",
        {
            "reactivates": "A `changeBillDate` of now on a canceled subscription transacts its pending"
            " invoice and reactivates it.",
            "stays-canceled": "It only transacts the invoice.",
        },
        "staff 2015",
        "K57: q/20048, with a reservation",
    ),
    Setting(
        "several_outstanding",
        {
            "oldest": "Of several outstanding invoices, a call addresses the oldest. Those of a period come"
            " before one-time invoices.",
            "newest": "It addresses the newest. Those of a period come before one-time invoices.",
        },
        "inferred",
        "no source",
    ),
    Setting(
        "new_address_while_declined",
        {
            "nothing": "A card's new name or zip does not run a declined invoice.",
            "runs": "It does, like a new card.",
        },
        "inferred",
        "K64 speaks of a new payment method",
    ),
    Setting(
        "waived_by",
        {
            "each": "Waiving an invoice adds a credit for each of its charges.",
            "one": "It adds one credit for all of them.",
        },
        "inferred",
        "K58: credits that offset all debits",
    ),
    Setting(
        "added_to_outstanding",
        {
            "obeyed": "`invoicePeriod` also applies when a quantity is added or removed.",
            "current": "It applies only when a quantity is set. Adding and removing are in the current one.",
        },
        "inferred",
        "K19: the API reference has it for set-item-quantity only",
    ),
    Setting(
        "removed_below_zero",
        {
            "refused": "Removing more than the present quantity is a 412.",
            "zero": "It leaves a quantity of 0.",
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
            "ignored": "Canceling a canceled subscription changes nothing.",
            "refused": "It is a 412.",
        },
        "inferred",
        "no source",
    ),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _SETTINGS}
