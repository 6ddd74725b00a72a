"""Every call of Fusebill's API. `tallyhook.cheddar.calls` explains how calls work.

In these docstrings, a definition is a billing period definition, which says when its subscriptions bill.

A client retries these calls:

- calls that only read or preview;
- calls that change or delete a definition (ids are never reused, inferred);
- calls that move a subscription into an existing definition;
- calls that change a draft invoice without deleting charges.

It never retries a call that creates a definition, posts a draft invoice or may charge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, TypeVar, Unpack

from tallyhook import money
from tallyhook._call import Call, Named, Pairs, Subject, camel, flag, only, text, whole, wrong_type
from tallyhook.errors import WrongDocument
from tallyhook.fusebill import documents, forecast
from tallyhook.fusebill.forecast import DryRun
from tallyhook.fusebill.models import (
    BillingPeriodDefinition,
    DraftInvoice,
    Invoice,
    Listed,
    Subscription,
    SubscriptionProduct,
)
from tallyhook.fusebill.terms import BillingPeriodType, ChargeChange, Cycle, InvoiceDate

T = TypeVar("T")

DefinitionRef = int | BillingPeriodDefinition
"""A billing period definition or its id."""

SubscriptionRef = int | Subscription
"""A subscription or its id."""

ProductRef = int | SubscriptionProduct
"""A subscription's product, or the product's id."""

DraftRef = int | DraftInvoice
"""A draft invoice or its id."""

_Named = BillingPeriodDefinition | Subscription | SubscriptionProduct | DraftInvoice | Invoice
_MODELS: dict[str, type[_Named]] = {
    "definition": BillingPeriodDefinition,
    "subscription": Subscription,
    "product": SubscriptionProduct,
    "draft": DraftInvoice,
    "invoice": Invoice,
}
_ROOT = "billingPeriodDefinitions"
_DEFINITION = documents.one(BillingPeriodDefinition)
PAGE_SIZE = 1000
"""The number of entries per page that the calls request (documented: this many are allowed, maybe more)."""


class Settings(TypedDict, total=False):
    """Optional settings of a billing period definition.

    If a setting is None, the customer's setting is used (documented). `invoice_in_advance` is in days. `term`
    is one of Net0 … Net90, MFI1, DayOfMonth1 … DayOfMonth31.
    """

    invoice_in_advance: int
    auto_collect: bool | None
    auto_post: bool | None
    term: str | None
    po_number: str | None
    payment_method_id: int | None


def get_billing_period_definitions(customer_id: int) -> Call[Listed[BillingPeriodDefinition]]:
    """List all billing period definitions of a customer.

    Raises:
        NotFound: there is no such customer.
    """
    path = f"customers/{whole(customer_id, 'A customer_id')}/{_ROOT}"
    return _get(path, documents.many(BillingPeriodDefinition), subject=_whose(customer_id))


def get_billing_period_definition(definition: DefinitionRef) -> Call[BillingPeriodDefinition]:
    """Get one billing period definition with its subscriptions.

    Raises:
        NotFound: there is no such definition.
    """
    subject = Named("id", _id(definition, "definition"))
    return _get(_path(definition), _DEFINITION, subject=subject)


def get_billing_period_definition_by_subscription(
    subscription: SubscriptionRef,
) -> Call[BillingPeriodDefinition]:
    """Get the billing period definition that a subscription belongs to.

    Raises:
        NotFound: there is no such subscription.
    """
    named = _id(subscription, "subscription")
    return _get(f"{_ROOT}/GetBySubscription/{named}", _DEFINITION, subject=_DefinitionOf(named))


def new_billing_period_definition(
    customer_id: int,
    interval: Cycle,
    date: InvoiceDate | None = None,
    *,
    number_of_intervals: int = 1,
    billing_period_type: BillingPeriodType = BillingPeriodType.SPECIFIED_DATE,
    **settings: Unpack[Settings],
) -> Call[BillingPeriodDefinition]:
    """Create a billing period definition. It bills nothing until it has a subscription (documented).

    `date` is required if `billing_period_type` is SPECIFIED_DATE. The client doesn't retry this call, because
    a retry could create a second definition. After `NoAnswer`, check whether the customer already has the new
    definition.

    Raises:
        BadRequest: the date doesn't fit the interval.
        NotFound: there is no such customer.
    """
    body = {
        **_wish(customer_id, interval, date, number_of_intervals, settings),
        "billingPeriodType": BillingPeriodType(billing_period_type),
    }
    return _call("POST", _ROOT, _DEFINITION, body, subject=_whose(customer_id))


def preview_billing_period_definition(
    customer_id: int,
    interval: Cycle,
    date: InvoiceDate,
    *,
    number_of_intervals: int = 1,
    **settings: Unpack[Settings],
) -> Call[BillingPeriodDefinition]:
    """Get the definition that `new_billing_period_definition` would create, with its next recharge date.

    Nothing is created.
    """
    if not isinstance(date, InvoiceDate):
        raise wrong_type(date, "A date", "an InvoiceDate")
    body = _wish(customer_id, interval, date, number_of_intervals, settings)
    return _call("POST", f"{_ROOT}/Preview", _DEFINITION, body, repeatable=True, subject=_whose(customer_id))


def _wish(
    customer_id: int, interval: Cycle, date: InvoiceDate | None, number_of_intervals: int, settings: Settings
) -> dict[str, object]:
    """Return the request body for a definition.

    Requests call a definition's frequency `interval`, and answers call it `cycle` (documented).
    """
    if not isinstance(date, InvoiceDate | None):
        raise wrong_type(date, "A date", "an InvoiceDate")
    return {
        "customerId": whole(customer_id, "A customer_id"),
        "interval": Cycle(interval),
        "numberOfIntervals": whole(number_of_intervals, "number_of_intervals", least=1),
        **({} if date is None else date.fields()),
        **_settings(settings),
    }


def edit_billing_period_definition(
    definition: DefinitionRef,
    *,
    invoice_day: int | None = None,
    invoice_month: int | None = None,
    **settings: Unpack[Settings],
) -> Call[BillingPeriodDefinition]:
    """Change the date on which a billing period definition bills, or its settings.

    A new date moves the end of the current period for all subscriptions of the definition. If the period gets
    longer, the extra days are free; if it gets shorter, nothing is refunded (documented). To see the effect
    first, use `dry_run`.

    Raises:
        BadRequest: there is no such day, or you passed a month for a monthly definition.
        NotFound: there is no such definition.
    """
    date = {"invoiceDay": invoice_day, "invoiceMonth": invoice_month}
    body = {
        "id": _id(definition, "definition"),
        **{name: whole(value, f"An {name}", least=1) for name, value in date.items() if value is not None},
        **_settings(settings),
    }
    if len(body) == 1:
        raise TypeError("Pass something to change")
    return _call("PUT", _ROOT, _DEFINITION, body, repeatable=True, subject=Named("id", body["id"]))


def delete_billing_period_definition(definition: DefinitionRef) -> Call[None]:
    """Delete a billing period definition that has no subscriptions. This can't be undone.

    Raises:
        APIError: status 409: the definition has a subscription (the status is inferred).
        NotFound: there is no such definition. If the client retried the call, an earlier attempt may have
            deleted the definition.
    """
    return _call("DELETE", _path(definition), documents.nothing, repeatable=True)


def move_subscription(
    subscription: SubscriptionRef, *, to: DefinitionRef | InvoiceDate
) -> Call[BillingPeriodDefinition]:
    """Move a subscription into a different billing period definition of the same customer.

    The call returns the definition that now contains the subscription. If `to` is a date, the call creates
    this definition with the date, and the client doesn't retry the call, because a retry could create a
    second definition. `move_subscription` is inferred: the documentation only says that a move is possible.

    Raises:
        APIError: status 409: the definition belongs to another customer or has a different frequency.
        NotFound: there is no such subscription or definition.
    """
    named = _id(subscription, "subscription")
    definition = None if isinstance(to, InvoiceDate) else _id(to, "definition")
    body = to.fields() if isinstance(to, InvoiceDate) else {"billingPeriodDefinitionId": definition}
    path = f"subscriptions/{named}/billingPeriodDefinition"
    subject = _DefinitionOf(named, definition)
    return _call("PUT", path, _DEFINITION, body, repeatable=definition is not None, subject=subject)


def dry_run(
    definition: DefinitionRef,
    *,
    invoice_day: int | None = None,
    invoice_month: int | None = None,
    now: datetime | None = None,
) -> Call[DryRun]:
    """Get a definition and forecast how a new date would change its next invoices. Nothing is changed.

    For the parameters, see `tallyhook.fusebill.dry_run`.
    """

    for number in (invoice_day, invoice_month):
        if number is not None:
            whole(number, "An invoice's day or month", least=1)
    if now is not None:
        forecast.midnight(now)

    def read(body: bytes) -> DryRun:
        found = _DEFINITION(body)
        if found.id != _id(definition, "definition"):
            raise WrongDocument("the answer is about another object than the request")
        return forecast.dry_run(found, invoice_day=invoice_day, invoice_month=invoice_month, now=now)

    return _get(_path(definition), read)


# -- usage


def get_subscription(subscription: SubscriptionRef) -> Call[Subscription]:
    """Get one subscription with its products.

    Raises:
        NotFound: there is no such subscription.
    """
    named = _id(subscription, "subscription")
    return _get(f"subscriptions/{named}", documents.one(Subscription), subject=Named("id", named))


def get_subscriptions(customer_id: int, *, page_number: int = 0) -> Call[Listed[Subscription]]:
    """List a customer's subscriptions, up to 1,000 per page.

    Raises:
        NotFound: there is no such customer.
    """
    path = f"customers/{whole(customer_id, 'A customer_id')}/subscriptions"
    return _get(path, documents.many(Subscription), query=_paged(page_number), subject=_whose(customer_id))


def set_quantity(
    product: SubscriptionProduct, quantity: Decimal | int, *, preview: bool = False, hold: bool = False
) -> Call[SubscriptionProduct]:
    """Set the total quantity of a subscription's product. Use this call to report usage (documented).

    The product's other fields are sent unchanged. If `preview` is True, nothing changes. If `hold` is
    True and the call creates an invoice, the invoice stays a draft. The client retries only a preview,
    because a higher quantity may be charged at once.

    Raises:
        BadRequest: the quantity is above the product's maximum.
        NotFound: there is no such product.
    """
    if not isinstance(product, SubscriptionProduct):
        raise wrong_type(product, "A product", "a SubscriptionProduct")
    body = {
        **product.raw,
        "id": _id(product, "product"),
        "quantity": money.exact_number(quantity, "A quantity", least=0),
    }
    return _call(
        "PUT",
        "SubscriptionProducts",
        documents.one(SubscriptionProduct),
        body,
        query=_flags(preview, hold),
        repeatable=preview,
        subject=Named("id", product.id),
    )


def change_quantity(
    product: ProductRef, difference: Decimal | int, *, preview: bool = False, hold: bool = False
) -> Call[SubscriptionProduct]:
    """Add `difference`, which can be negative, to a product's quantity.

    The vendor recommends this call only if the change isn't charged. `preview` and `hold` have the same
    meaning as in `set_quantity`. The client retries only a preview, because a retry could add the difference
    twice.
    """
    body = {
        "subscriptionProductId": _id(product, "product"),
        "deltaQuantity": money.exact_number(difference, "A quantity"),
    }
    return _call(
        "POST",
        "SubscriptionProductQuantityChange",
        documents.one(SubscriptionProduct),
        body,
        query=_flags(preview, hold),
        repeatable=preview,
    )


# -- draft invoices and invoices


def get_draft_invoices(
    *, status: str | None = "Ready", customer_id: int | None = None, page_number: int = 0
) -> Call[Listed[DraftInvoice]]:
    """List draft invoices without their charges, up to 1,000 per page.

    By default, only drafts with the status Ready are listed, because only they can be posted. If `status` is
    None, all drafts are listed.
    """
    filters = {
        "status": None if status is None else text(status, "A status"),
        "customerId": None if customer_id is None else whole(customer_id, "A customer_id"),
    }
    written = ";".join(f"{name}:{value}" for name, value in filters.items() if value is not None)
    query = (*((("query", written),) if written else ()), *_paged(page_number))
    subject = None if customer_id is None else _whose(customer_id)
    return _get("DraftInvoices", documents.many(DraftInvoice), query=query, subject=subject)


def get_draft_invoice(draft: DraftRef) -> Call[DraftInvoice]:
    """Get one draft invoice with its charges.

    Raises:
        NotFound: there is no such draft, or it is already posted.
    """
    named = _id(draft, "draft")
    return _get(f"DraftInvoices/{named}", documents.one(DraftInvoice), subject=Named("id", named))


def change_draft_invoice(
    draft: DraftRef, *changes: ChargeChange, notes: str | None = None, po_number: str | None = None
) -> Call[DraftInvoice]:
    """Change a draft invoice with the status Ready: its charges, notes or PO number.

    Each entry of `changes` changes or deletes one charge. Charges can't be added (documented).

    Raises:
        NotFound: there is no such draft or charge.
    """
    body: dict[str, object] = {"id": _id(draft, "draft")}
    if changes:
        body["draftCharges"] = [_changed(change) for change in changes]
    if notes is not None:
        body["notes"] = text(notes, "A note")
    if po_number is not None:
        body["poNumber"] = text(po_number, "A po_number")
    if len(body) == 1:
        raise TypeError("Pass something to change")
    # A retry wouldn't find a charge that the first attempt has deleted.
    repeatable = not any(change.deletes for change in changes)
    return _call(
        "PATCH",
        "DraftInvoices",
        documents.one(DraftInvoice),
        body,
        repeatable=repeatable,
        subject=Named("id", body["id"]),
    )


def post_draft_invoice(draft: DraftRef, *charge_ids: int) -> Call[Invoice]:
    """Post a draft invoice. If you pass `charge_ids`, only these charges are posted.

    Posting can't be undone. The client doesn't retry this call. After `NoAnswer`, check whether the draft or
    the charges still exist.

    Raises:
        NotFound: there is no such draft, or it is already posted.
    """
    named = _id(draft, "draft")
    query = [("draftInvoiceId", str(named))]
    if charge_ids:
        query.append(("draftChargeIds", ",".join(str(whole(each, "A charge's id")) for each in charge_ids)))
    # The field `draft_invoice_id` is inferred, so the answer may not have it.
    subject = Named("draft_invoice_id", named, may_lack=True)
    return _call("POST", "Invoices", documents.one(Invoice), {}, query=tuple(query), subject=subject)


def get_invoices(customer_id: int, *, page_number: int = 0) -> Call[Listed[Invoice]]:
    """List a customer's posted invoices, up to 1,000 per page.

    Raises:
        NotFound: there is no such customer.
    """
    path = f"customers/{whole(customer_id, 'A customer_id')}/Invoices"
    return _get(path, documents.many(Invoice), query=_paged(page_number), subject=_whose(customer_id))


def get_invoice(invoice: int | Invoice) -> Call[Invoice]:
    """Get one posted invoice.

    Raises:
        NotFound: there is no such invoice.
    """
    named = _id(invoice, "invoice")
    return _get(f"Invoices/{named}", documents.one(Invoice), subject=Named("id", named))


@dataclass(frozen=True, slots=True)
class _DefinitionOf:
    """Matches a definition that lists this subscription, or doesn't list the ids of all its subscriptions.

    The form of the list is inferred. If `definition_id` is not None, the definition must have this id.
    """

    subscription_id: int
    definition_id: int | None = None

    def is_of(self, found: BillingPeriodDefinition) -> bool:
        listed = [each.id for each in found.subscriptions]
        may_be_there = not listed or None in listed or self.subscription_id in listed
        return may_be_there and self.definition_id in (None, found.id)


def _paged(page_number: int) -> Pairs:
    number = whole(page_number, "A page_number")
    return (("pageSize", str(PAGE_SIZE)), ("pageNumber", str(number)))


def _flags(preview: bool, hold: bool) -> Pairs:
    flags = {"preview": preview, "temporarilyDisableAutoPost": hold}
    return tuple((name, "true") for name, is_set in flags.items() if flag(is_set, name))


def _changed(change: ChargeChange) -> dict[str, object]:
    if not isinstance(change, ChargeChange):
        raise wrong_type(change, "A change", "a ChargeChange")
    return change.fields()


def _get(
    path: str, read: Callable[[bytes], T], *, query: Pairs = (), subject: Subject | None = None
) -> Call[T]:
    return _call("GET", path, read, query=query, repeatable=True, subject=subject)


def _call(
    method: str,
    path: str,
    read: Callable[[bytes], T],
    body: Mapping[str, object] | None = None,
    *,
    query: Pairs = (),
    repeatable: bool = False,
    subject: Subject | None = None,
) -> Call[T]:
    action = "/".join(step for step in path.split("/") if not step.isdecimal())  # without the ids
    return Call(method, path, action, read, documents.refusal, query, body, repeatable, subject=subject)


def _whose(customer_id: int | None) -> Subject:
    """Return a check that an answer is about this customer. Answers may omit the customer's id (inferred)."""
    return Named("customer_id", customer_id, may_lack=True)


def _path(definition: DefinitionRef) -> str:
    return f"{_ROOT}/{_id(definition, 'definition')}"


def _id(ref: _Named | int, what: str) -> int:
    named = ref.id if isinstance(ref, _Named) and isinstance(ref, _MODELS[what]) else ref
    if named is None:
        raise ValueError(f"The {what} has no id")
    if isinstance(named, _Named):
        raise wrong_type(named, f"A {what}", f"an id or a {_MODELS[what].__name__}")
    return whole(named, f"A {what}'s id")


def _settings(settings: Settings) -> dict[str, object]:
    return {camel(name): value for name, value in only(Settings, settings).items()}
