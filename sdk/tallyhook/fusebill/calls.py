"""Every call of Fusebill's API for billing periods, described once; see those of Cheddar for the manner.

Repeatable, and so tried again by themselves, are readings, changes of a definition, its deletion (an id is
never given again, inferred), and a move into a definition that is there. Never so: what makes a definition.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypedDict, TypeVar, Unpack

from tallyhook._call import Call, whole
from tallyhook.fusebill import documents, forecast
from tallyhook.fusebill.forecast import DryRun
from tallyhook.fusebill.models import BillingPeriodDefinition, Subscription
from tallyhook.fusebill.terms import BillingPeriodType, Cycle, InvoiceDate

__all__ = [
    "DefinitionRef",
    "Settings",
    "SubscriptionRef",
    "delete_billing_period_definition",
    "dry_run",
    "edit_billing_period_definition",
    "get_billing_period_definition",
    "get_billing_period_definition_by_subscription",
    "get_billing_period_definitions",
    "move_subscription",
    "new_billing_period_definition",
]

T = TypeVar("T")

DefinitionRef = int | BillingPeriodDefinition
"""A billing period definition, or its id."""

SubscriptionRef = int | Subscription
"""A subscription, or its id."""

_ROOT = "billingPeriodDefinitions"


class Settings(TypedDict, total=False):
    """What else may be said of a definition; None takes away what can be (inferred)."""

    invoice_in_advance: bool
    auto_collect: bool
    auto_post: bool
    term: int
    po_number: str | None
    payment_method_id: int | None


_WORDS = {
    "invoice_in_advance": "invoiceInAdvance",
    "auto_collect": "autoCollect",
    "auto_post": "autoPost",
    "term": "term",
    "po_number": "poNumber",
    "payment_method_id": "paymentMethodId",
}


def get_billing_period_definitions(customer_id: int) -> Call[tuple[BillingPeriodDefinition, ...]]:
    """All definitions of a customer.

    Raises:
        NotFound: there is no such customer.
    """
    path = f"customers/{whole(customer_id, 'A customer_id')}/{_ROOT}"
    return _call("GET", path, f"customers/{_ROOT}", documents.definitions, repeatable=True)


def get_billing_period_definition(definition: DefinitionRef) -> Call[BillingPeriodDefinition]:
    """One definition with its subscriptions.

    Raises:
        NotFound: there is no such definition.
    """
    return _call("GET", _path(definition), _ROOT, documents.definition, repeatable=True)


def get_billing_period_definition_by_subscription(
    subscription: SubscriptionRef,
) -> Call[BillingPeriodDefinition]:
    """The one definition that a subscription is in.

    Raises:
        NotFound: there is no such subscription.
    """
    action = f"{_ROOT}/GetBySubscription"
    path = f"{action}/{_id(subscription, 'subscription')}"
    return _call("GET", path, action, documents.definition, repeatable=True)


def new_billing_period_definition(
    customer_id: int,
    cycle: Cycle,
    date: InvoiceDate | None = None,
    *,
    billing_period_type: BillingPeriodType = BillingPeriodType.SPECIFIED_DATE,
    **settings: Unpack[Settings],
) -> Call[BillingPeriodDefinition]:
    """Make a definition. It bills nothing until a subscription is moved into it (documented).

    `date` may be left out only with a type that tells where it comes from. It is never sent again by itself,
    since that would make two: after `NoAnswer` read the customer's definitions.

    Raises:
        BadRequest: a date that doesn't go with the cycle.
        NotFound: there is no such customer.
    """
    body = {
        "customerId": whole(customer_id, "A customer_id"),
        "cycle": cycle,
        "billingPeriodType": billing_period_type,
        **({} if date is None else date.fields()),
        **_settings(settings),
    }
    return _call("POST", _ROOT, _ROOT, documents.definition, body)


def edit_billing_period_definition(
    definition: DefinitionRef,
    *,
    invoice_day: int | None = None,
    invoice_month: int | None = None,
    **settings: Unpack[Settings],
) -> Call[BillingPeriodDefinition]:
    """Change what is given of a definition: the date on which it bills, or its settings.

    Another date moves the end of the current period for all subscriptions in it. A longer period costs
    nothing and a shorter one gives nothing back (documented): see what comes of it with `dry_run` first.

    Raises:
        BadRequest: no such day, or a month for a monthly definition.
        NotFound: there is no such definition.
    """
    date = {"invoiceDay": invoice_day, "invoiceMonth": invoice_month}
    body = {
        "id": _id(definition, "definition"),
        **{name: value for name, value in date.items() if value is not None},
        **_settings(settings),
    }
    if len(body) == 1:
        raise TypeError("Name something that is to change")
    return _call("PUT", _ROOT, _ROOT, documents.definition, body, repeatable=True)


def delete_billing_period_definition(definition: DefinitionRef) -> Call[None]:
    """Delete an empty definition, for good.

    Raises:
        BadRequest: a subscription is in it (the status is inferred).
        NotFound: there is none; also when an earlier attempt deleted it and its answer was lost.
    """
    return _call("DELETE", _path(definition), _ROOT, documents.nothing, repeatable=True)


def move_subscription(
    subscription: SubscriptionRef, *, to: DefinitionRef | InvoiceDate
) -> Call[BillingPeriodDefinition]:
    """Move a subscription into another definition of its customer, or into a new one that bills on a date.

    Returns the definition that it is in then. The call itself is inferred: the documentation says only that
    it can be done. A move into a new definition is never sent again by itself, since that would make two.

    Raises:
        BadRequest: another customer's definition, or another cycle: that of a subscription can't change.
        NotFound: there is no such subscription or definition.
    """
    path = f"subscriptions/{_id(subscription, 'subscription')}/billingPeriodDefinition"
    is_new = isinstance(to, InvoiceDate)
    body = (
        to.fields() if isinstance(to, InvoiceDate) else {"billingPeriodDefinitionId": _id(to, "definition")}
    )
    action = "subscriptions/billingPeriodDefinition"
    return _call("PUT", path, action, documents.definition, body, repeatable=not is_new)


def dry_run(
    definition: DefinitionRef,
    *,
    invoice_day: int | None = None,
    invoice_month: int | None = None,
    now: datetime | None = None,
) -> Call[DryRun]:
    """What a change of date would do to the next invoices: reads the definition, and changes nothing.

    See `tallyhook.fusebill.dry_run`.
    """

    def read(body: bytes) -> DryRun:
        found = documents.definition(body)
        return forecast.dry_run(found, invoice_day=invoice_day, invoice_month=invoice_month, now=now)

    return _call("GET", _path(definition), _ROOT, read, repeatable=True)


def _call(
    method: str,
    path: str,
    action: str,
    read: Callable[[bytes], T],
    body: Mapping[str, object] | None = None,
    *,
    repeatable: bool = False,
) -> Call[T]:
    return Call(method, path, action, read, documents.refusal, body=body, repeatable=repeatable)


def _path(definition: DefinitionRef) -> str:
    return f"{_ROOT}/{_id(definition, 'definition')}"


def _id(ref: DefinitionRef | SubscriptionRef, what: str) -> int:
    named = ref.id if isinstance(ref, BillingPeriodDefinition | Subscription) else ref
    if named is None:
        raise ValueError(f"The {what} has no id")
    return whole(named, f"A {what}'s id")


def _settings(settings: Settings) -> dict[str, object]:
    for name in settings:
        if name not in _WORDS:
            raise TypeError(f"unexpected keyword argument {name!r}")
    return {_WORDS[name]: value for name, value in settings.items()}
