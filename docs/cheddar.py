"""Writes docs/cheddar.md: what the mock takes Cheddar to do, and how sure that is: `python docs/cheddar.py`.

The rules that nothing documents are settings, and stand in the engine's table; those that can't be set stand
here, each with the code where it lives.
"""

import inspect
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tallyhook_mock.core.hooks import Attempt, Hooks
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.cheddar import (
    billing,
    calls_customers,
    calls_plans,
    cards,
    charges,
    gateway,
    hook_json,
    known_parameters,
    payments,
    request,
    review,
    settings,
    signup,
    subscriptions,
    usage,
    validators,
    xml_documents,
)
from tallyhook_mock.systems.cheddar.model import Customer, Invoice
from tallyhook_mock.systems.cheddar.products import PlanItem
from tallyhook_mock.systems.cheddar.settings import SETTINGS
from tallyhook_mock.systems.cheddar.state import State

ROOT = Path(__file__).parents[1]
STANDINGS = {
    "documented": "its knowledge base, FAQ, API reference or blog says so",
    "staff": "its support staff said so in public, in that year; the service may have changed since",
    "recorded": "seen in a response or a hook of 2021",
    "client": "clients that ran against it rely on it",
    "inferred": "no source says it; chosen as a careful service would do it",
}
HEAD = """# What Tallyhook takes Cheddar to do

Look up a rule of Cheddar's billing, how well it is known, and where the mock implements it. The mock was written
without access to the service, so each rule has a standing:

{standings}

K numbers count the facts that were collected. The page is beside them: `/kb/…` and `/faqs/…` of
support.getcheddar.com, `q/N` and `p/N` of its public questions and problems, *API* for the reference of 2019.
Inferred rules are settings where possible: write other values in `[rules]` of the [catalogue](catalog.md).
[Cheddar's API with curl](api.md) shows the calls.
[cheddar.py](cheddar.py) writes this page from the code.

{counts}
"""


class Rule(NamedTuple):
    """A rule that can't be set."""

    text: str
    standing: str
    source: str
    home: object  # a module, class or function


FIXED: dict[str, tuple[Rule, ...]] = {
    "Hold, then execute": (
        Rule(
            "At the billing date the period of the invoice ends, to the second, and the next current invoice opens.",
            "staff 2012, 2014",
            "K13 q/1993, K14 q/9811",
            billing.bill,
        ),
        Rule(
            "If a listener is registered for `subscriptionBillable`, the invoice is held and the hook is sent instead of a transaction. Otherwise the invoice is executed at once.",
            "documented",
            "K106 /kb/operational-how-tos/invoice-review",
            billing.bill,
        ),
        Rule(
            "The acknowledgement releases the invoice: it is executed one hour after the last of its hooks is answered with 2xx. Cheddar says *at least* an hour; the mock waits exactly one.",
            "documented",
            "/kb/operational-how-tos/invoice-review",
            review.settled,
        ),
        Rule(
            "Without a 2xx the invoice stays held, without a limit.",
            "documented",
            "/kb/operational-how-tos/invoice-review",
            Hooks.record,
        ),
        Rule("A hook that an operator gives up holds its invoice no longer.", "inferred", "", Hooks.cancel),
        Rule(
            "The listener may execute the invoice earlier. In any case it is executed once.",
            "documented",
            "K60 API",
            billing.run_outstanding,
        ),
        Rule(
            "`invoicePeriod=outstanding` addresses the unpaid invoice whose bill date has passed. Any other value, or none, addresses the current invoice.",
            "documented",
            "K19, K72 API",
            request.Call,
        ),
        Rule(
            "The initial invoice is never held: there is no usage to review yet.",
            "inferred",
            "",
            signup.new_customer,
        ),
        Rule(
            "To avoid a charge, cancel in the billable hook: a held, due or declined invoice of a canceled subscription waits.",
            "staff 2017",
            "K46 q/24522",
            payments.run,
        ),
    ),
    "Hooks": (
        Rule(
            "Only a 2xx is an affirmative answer.",
            "documented",
            "/kb/api-8/webhooks-service-hooks-and-captain-hooks",
            Attempt,
        ),
        Rule(
            "A hook that is not acknowledged is sent again with growing pauses (1, 5, 15 minutes, 1, 3, 6, 12, 24 hours, then every 24; a catalogue can set them), with the same body.",
            "inferred",
            "that it is sent again is documented",
            Hooks.record,
        ),
        Rule(
            'The payload: names and nesting; numbers and booleans as texts here and as numbers there; `""` for an empty object; missing keys. An item\'s quantity is a number, without dates; credits stand before charges.',
            "recorded",
            "recordings of 2021",
            hook_json.body,
        ),
        Rule(
            "The types of hooks; clients must accept unknown ones. The spelling of `billReminder` is inferred.",
            "documented",
            "K104",
            State,
        ),
        Rule(
            "A `billReminder` comes days before the bill and carries the expected total as the amount of a transaction: never below 0.00.",
            "staff 2017",
            "K107 q/24588",
            billing.remind,
        ),
        Rule(
            "A `transaction` hook comes when the payment is executed, and again when it is settled, a day later (inferred).",
            "client",
            "K105, third-hand",
            payments.settle,
        ),
        Rule(
            "`subscriptionReactivated` comes only after a successful reactivation.",
            "client",
            "K105, third-hand",
            billing.reactivate,
        ),
    ),
    "Periods and usage": (
        Rule(
            "Tracked items are counters and are never prorated: the quantity above the included one at the billing moment is billed in full.",
            "staff 2012",
            "K11 p/1016",
            PlanItem,
        ),
        Rule(
            "Each period has its own quantities. A periodic item starts at 0. Another item keeps its quantity and is billed each time.",
            "staff 2013",
            "K16 q/6872",
            billing.lasting_counters,
        ),
        Rule(
            "An overage price of 0 makes the included quantity a hard limit; `99999999.9` included is unlimited.",
            "documented",
            "API",
            PlanItem,
        ),
        Rule(
            "Quantities have up to four decimals; a fifth is refused.",
            "documented",
            "K18 API",
            validators.quantity,
        ),
        Rule(
            "The outstanding period counts the items of its own plan, even if the plan has changed since.",
            "inferred",
            "",
            usage.counted_plan,
        ),
        Rule(
            "Quantities of a canceled subscription can be changed while its pending invoice is in the future, or with `outstanding`, and for three hours of a wait for PayPal.",
            "documented",
            "K20 API",
            charges.target,
        ),
        Rule(
            "Dates of requests are read in the time zone of the user; a filter's days are inclusive.",
            "documented",
            "K43 API",
            validators.moment,
        ),
    ),
    "Plans": (
        Rule(
            "A new recurring amount of an edited plan is paid from the next invoice on.",
            "documented",
            "K6 /kb/pricing-plans/pricing-plan-configuration-changes",
            State.put_plan,
        ),
        Rule("A new included quantity or overage amount counts at once.", "documented", "K7", State.put_plan),
        Rule(
            "A new setup charge and a new first bill apply to later sign-ups. An existing first bill date does not move.",
            "documented",
            "K8, K9",
            State.put_plan,
        ),
        Rule(
            "`/plans/edit` and seeding a catalogue again are such edits. Subscribers of a deleted plan keep it as it was.",
            "inferred",
            "",
            calls_plans.edit,
        ),
        Rule(
            "The simple change keeps the bill date. On it the new plan is charged, including usage.",
            "documented",
            "K21 /faqs/pricing-plans/pricing-plan-changes-upgradedowngrade; K23 q/35",
            subscriptions.change,
        ),
        Rule(
            "A prorated change bills at once and starts the cycle again: a credit for the unused part, the new recurring charge.",
            "documented",
            "K22",
            subscriptions.change,
        ),
        Rule(
            "A change adds a new subscription at the front. The old one stays as history, without items.",
            "recorded",
            "six of six recordings",
            subscriptions.change,
        ),
        Rule(
            "A trial counts only at the first sign-up. A change between paid plans keeps the date of the first bill.",
            "staff 2010",
            "K28 q/96",
            subscriptions.change,
        ),
    ),
    "Money": (
        Rule(
            "If credits exceed the charges, the invoice is executed for 0.00 without the gateway, and the rest becomes `CREDIT_FORWARD` on the next invoice.",
            "documented",
            "K76 /kb/operational-how-tos/credits-and-refunds-and-voids-oh-my",
            payments.settle,
        ),
        Rule("Amounts are rounded to cents, halves up, per line and per credit.", "inferred", "", cents),
        Rule(
            "A promotion makes a separate credit for its percentage of each charge code. The plan at the bill date decides whether it applies.",
            "documented",
            "K80, K81 /kb/pricing-plans/promotions; K10 p/1016",
            Invoice.discounts,
        ),
        Rule(
            "The rate and the exemption of a customer override the product's, for all subsequent invoices; tax is decided at the bill date.",
            "documented",
            "K84, K85 /kb/operational-how-tos/how-do-i-setup-value-added-tax-vat-support",
            Customer,
        ),
        Rule(
            "A declined invoice is tried again; after the last decline the subscription is canceled.",
            "documented",
            "K62 /kb/operational-how-tos/dunning-dun-dun-dunnnnn",
            payments.execute,
        ),
        Rule(
            "Without a payment method at the bill date, or with an expired one, the subscription is canceled at once.",
            "documented",
            "K65",
            payments.execute,
        ),
        Rule("The cancel type of that is `non-payment`.", "inferred", "", payments.fail_without_payment),
        Rule(
            "A new payment method runs an outstanding invoice at once. An invoice that is held for review stays held (inferred).",
            "documented",
            "K64",
            subscriptions.change,
        ),
        Rule(
            "An edit may send some of the card's fields. Without a valid card, a new card or a paid plan needs all required fields.",
            "documented",
            "K69 API",
            cards.read_payment,
        ),
        Rule(
            "If a call bills and the payment fails, the answer is 422 with the error in the customer's document. A new customer is not created.",
            "documented",
            "K88 /kb/api-8/error-handling",
            payments.collect,
        ),
        Rule(
            "After a failed payment nothing has happened: the plan, the bill date and the cancellation stay. But a new payment method is kept.",
            "inferred",
            "K52 for the cancellation",
            billing.bill_now,
        ),
        Rule(
            "Waiving adds credits to an outstanding invoice that offset everything on it. It can then be run for 0.00.",
            "staff 2014",
            "K58, K59 q/10112",
            billing.waive,
        ),
        Rule(
            "Refunds and voids never exceed the paid amount. A void is possible until the payment is settled.",
            "documented",
            "K78 API",
            payments.refund,
        ),
        Rule(
            "In the simulated gateway, `ccZip` causes failures, with these messages including their misspellings.",
            "documented",
            "/kb/api-8/error-handling",
            gateway.failure,
        ),
    ),
    "Cancel and reactivate": (
        Rule(
            "After a cancellation nothing is billed automatically: no recurring charge, no overage of the running period.",
            "staff 2009",
            "K45 q/31",
            billing.bill,
        ),
        Rule(
            "The pending invoice, its quantities and charges stay, and can be read.",
            "staff 2015",
            "K48 q/20048; recordings of 2016, 2021",
            payments.cancel,
        ),
        Rule(
            "Reactivation before the next bill date charges an outstanding invoice, and the pending one keeps its date. If the charge is declined, the subscription stays canceled.",
            "documented",
            "K52 /kb/operational-how-tos/what-happens-when-i-reactivate-a-canceled-customer",
            billing.reactivate,
        ),
        Rule(
            "Reactivation after it is a new sign-up, with the plan's first bill or trial, or on `changeBillDate`.",
            "documented",
            "K53; K54 q/24838, K55 p/9066 (staff 2018, 2016)",
            billing.reactivate,
        ),
        Rule(
            "A reactivation charges what was due before the cancellation, but not what became due during it.",
            "staff 2014",
            "K56 q/10776",
            subscriptions.change,
        ),
        Rule("A run that succeeds reactivates, for 0.00 too.", "documented", "K60 API", billing.run_invoice),
        Rule(
            "A change of plan on a canceled subscription tries its outstanding invoice first.",
            "staff 2014",
            "K29 q/10112",
            subscriptions.change,
        ),
        Rule(
            "`changeBillDate` moves the cycle; `now` or the past bills at once.",
            "documented",
            "K35 API; K36 q/25237",
            billing.move_bill_date,
        ),
        Rule(
            "Waiting for PayPal is a cancellation of type `paypal-wait`; nothing is charged during the wait. When the customer agrees, the owed amount is charged.",
            "recorded",
            "what is charged is inferred",
            subscriptions.approve_paypal,
        ),
        Rule(
            "A PayPal billing agreement, whose id is the gateway token, needs no wait and no `returnUrl`. At an import of a PayPal customer `ccEmail` is needed.",
            "documented",
            "K101 /kb/api-8/using-paypal-with-the-api, K102 API",
            cards.read_payment,
        ),
    ),
    "Calls and documents": (
        Rule(
            "Parameters come as path pairs, in the query string and in the form, in any mix, with PHP's nested names; in `edit-subscription` both flat and nested.",
            "client",
            "three clients",
            request.read,
        ),
        Rule(
            "The form overrides the query string, and the query string overrides the path. For the customer of an edit it is the other way round.",
            "inferred",
            "",
            request.Parameters,
        ),
        Rule(
            "An unknown parameter is logged, and refused by a strict mock (inferred: Cheddar ignores it).",
            "client",
            "K60: the PHP client sends one",
            known_parameters.unknown_parameters,
        ),
        Rule(
            "The customer is looked up first, then the item, then the fields are checked, in order. Only the first error is reported.",
            "documented",
            "API",
            validators.read_details,
        ),
        Rule(
            "The field of a 412 is exact. The text after the colon is not, except for `isEmpty`. A missing or unknown plan names no field.",
            "client",
            "",
            validators.required,
        ),
        Rule(
            "The maximum length of names is shorter at an edit than at a sign-up.",
            "documented",
            "K93 API",
            validators.read_details,
        ),
        Rule(
            "Nested metadata is kept as JSON text.",
            "documented",
            "K97 /kb/api-8/customer-meta-data",
            validators.read_details,
        ),
        Rule(
            "An import accepts three forms. Without a date nothing is scheduled, and there is no invoice (inferred).",
            "documented",
            "K98, K99 API",
            calls_customers.import_,
        ),
        Rule(
            "The document of a customer: elements, nesting, order, indentation.",
            "recorded",
            "recordings of 2021",
            xml_documents.customers_document,
        ),
        Rule(
            "The current invoice shows the expected charges, with empty ids. An item's line has the date of its usage.",
            "recorded",
            "",
            Invoice.projected,
        ),
        Rule(
            "The charge type `setup`; `<success/>` after a delete; fields of plans that are made or edited.",
            "inferred",
            "",
            xml_documents.customers_document,
        ),
    ),
}


def document() -> str:
    every = [rule.standing for rules in FIXED.values() for rule in rules]
    every += [setting.standing for setting in SETTINGS.values()]
    counted = Counter(standing.split()[0] for standing in every)
    counts = ", ".join(f"{counted[name]} {name}" for name in STANDINGS)
    sections = [
        HEAD.format(
            standings="\n".join(f"- **{name}**: {text}." for name, text in STANDINGS.items()),
            counts=f"Of the {len(every)} rules below: {counts}. {len(SETTINGS)} of them are settings.",
        )
    ]
    sections += [_table(title, rules) for title, rules in FIXED.items()]
    sections.append(_settings())
    return "\n".join(sections)


def _table(title: str, rules: Iterable[Rule]) -> str:
    rows = [f"| {rule.text} | {rule.standing} | {rule.source} | {_link(rule.home)} |" for rule in rules]
    return "\n".join(
        [f"## {title}", "", "| rule | known by | source | lives in |", "|---|---|---|---|", *rows, ""]
    )


def _settings() -> str:
    rows = []
    for setting in SETTINGS.values():
        meanings = "<br>".join(f"`{value}`: {text}" for value, text in setting.meanings.items())
        rows.append(f"| `{setting.name}` | {meanings} | {setting.standing} | {setting.source} |")
    head = f"""## Settings

The first value of each is the default. They stand in {_link(settings.Rules)}.

```toml
[rules]
month_end = "last-day"
dunning = ["2d", "2d", "2d"]
```

| setting | values | the default is known by | source |
|---|---|---|---|
"""
    return head + "\n".join(rows) + "\n"


def _link(home: object) -> str:
    path = Path(inspect.getfile(home)).relative_to(ROOT)  # type: ignore[arg-type]  # modules, classes, functions
    name = getattr(home, "__qualname__", "") or getattr(home, "__name__", "").rpartition(".")[2]
    return f"[`{path.stem}.{name}`](../{path})" if not inspect.ismodule(home) else f"[`{name}`](../{path})"


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(document(), "utf-8")
