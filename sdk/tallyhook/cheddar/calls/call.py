"""Build calls to Cheddar, and the parameters that identify a customer, invoice, plan or item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tallyhook._call import Call, Pairs, present, whole, wrong_type
from tallyhook.cheddar import responses
from tallyhook.cheddar.models import Customer, Id, Invoice, Item, Plan, PlanItem, canonical

T = TypeVar("T")

CustomerRef = str | Id | Customer
ItemRef = str | Id | Item | PlanItem
InvoiceRef = int | str | Id | Invoice
PlanRef = str | Id | Plan

# The models of which a call takes the id or code.
_MODELS: dict[str, tuple[type, ...]] = {
    "customer": (Customer,),
    "plan": (Plan,),
    "item": (Item, PlanItem),
    "coupon": (),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The customer or plan that the answer to a call must be about.

    If `by` is `id` or `code`, the answer matches if the customer or plan has one of the ids or codes in
    `names`. If `by` is `invoice id` or `invoice number`, the answer matches if the customer has an invoice
    with that id or number. Case and surrounding white space are ignored, as in a database. The product that
    the customer or plan belongs to isn't compared, because documents don't name the product (recorded).
    """

    by: Literal["id", "code", "invoice id", "invoice number"]
    names: tuple[str, ...]

    def is_of(self, found: object) -> bool:
        """Return False if `found` is a customer or plan that doesn't match. Otherwise, return True."""
        if not isinstance(found, Customer | Plan):
            return True
        match self.by:
            case "id":
                shown = [found.id]
            case "code":
                shown = [found.code]
            case by:
                subscriptions = found.subscriptions if isinstance(found, Customer) else ()
                invoices = [invoice for each in subscriptions for invoice in each.invoices]
                shown = [it.id if by == "invoice id" else str(it.number) for it in invoices]
        return not {canonical(name) for name in shown}.isdisjoint(map(canonical, self.names))


def call(
    action: str,
    read: Callable[[bytes], T],
    query: Pairs = (),
    form: Pairs = (),
    *,
    repeatable: bool = False,
    subject: Subject | None = None,
) -> Call[T]:
    """Build a call to `action`.

    The method is GET only for a repeatable call without a form, because proxies may repeat a GET.
    """
    method = "GET" if repeatable and not form else "POST"
    return Call(
        method,
        action,
        action,
        read,
        responses.refusal,
        query,
        repeatable=repeatable,
        form=form,
        subject=subject,
    )


def of_customer(
    action: str,
    customer: CustomerRef,
    form: Pairs = (),
    *,
    query: Pairs = (),
    repeatable: bool = False,
    new_code: object = None,
) -> Call[Customer]:
    """Build a call about a customer. If the call changes the customer's code, `new_code` is the new code."""
    whom = identity(customer, "customer")
    ((by, name),) = whom
    names = (name, new_code) if isinstance(new_code, str) else (name,)
    subject = Subject("id" if by == "id" else "code", names)
    return call(action, responses.accepted, (*whom, *query), form, repeatable=repeatable, subject=subject)


def of_invoice(action: str, invoice: InvoiceRef, form: Pairs = ()) -> Call[Customer]:
    """Build a call about an invoice. The call returns the invoice's customer."""
    if isinstance(invoice, Invoice):
        invoice = Id(invoice.id) if invoice.id or invoice.number is None else invoice.number
    if isinstance(invoice, Id):
        name = present(invoice, "invoice's id")
        whom, subject = (("id", name),), Subject("invoice id", (name,))
    else:
        name = number_text(invoice)
        whom, subject = (("number", name),), Subject("invoice number", (name,))
    return call(action, responses.accepted, whom, form, subject=subject)


def of_plan(action: str, plan: PlanRef, form: Pairs = ()) -> Call[Plan]:
    """Build a repeatable call about a plan."""
    whom = identity(plan, "plan")
    ((by, name),) = whom
    subject = Subject("id" if by == "id" else "code", (name,))
    return call(action, responses.plan, whom, form, repeatable=True, subject=subject)


def identity(ref: str | Customer | Plan | Item | PlanItem, what: str) -> Pairs:
    """Return the query parameter (name and value) that identifies an object.

    If `ref` is an `Id`, it is the object's id. Any other `str` is the object's code. If `ref` is a model, its
    id is used or, if it has no id, its code. `what` is the kind of object: `customer`, `plan`, `item` or
    `coupon`. Raises TypeError for a model of another kind.
    """
    if isinstance(ref, Customer | Plan | Item | PlanItem) and isinstance(ref, _MODELS[what]):
        ref = Id(ref.id) if ref.id else ref.code
    if not isinstance(ref, str):
        models = "".join(f" or a {model.__name__}" for model in _MODELS[what])
        raise wrong_type(ref, f"The {what}", f"a str{models}")
    by = "id" if isinstance(ref, Id) else "code"
    return ((by, present(ref, f"{what}'s {by}")),)


def number_text(number: int | str) -> str:
    """Return an invoice's number as text."""
    what = "invoice's number"
    return present(number if isinstance(number, str) else f"{whole(number, f'The {what}')}", what)
