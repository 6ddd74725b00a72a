"""Build calls to Cheddar, and the parameters that identify a customer, invoice, plan or item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tallyhook._call import Call, Pairs, plain_text
from tallyhook.cheddar import responses
from tallyhook.cheddar.models import Customer, Id, Invoice, Item, Plan, PlanItem, canonical

T = TypeVar("T")

CustomerRef = str | Id | Customer
ItemRef = str | Id | Item | PlanItem
InvoiceRef = int | str | Id | Invoice
PlanRef = str | Id | Plan


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
        name = present(str(invoice), "invoice's number")
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
    id is used or, if it has no id, its code. `what` is the object's name in error messages.
    """
    if isinstance(ref, Id):
        return (("id", present(ref, f"{what}'s id")),)
    if isinstance(ref, str):
        return (("code", present(ref, f"{what}'s code")),)
    return identity(Id(ref.id) if ref.id else ref.code, what)


def present(text: str, what: str) -> str:
    """Return `text` as a plain str. The text is an id, code or number.

    Raises ValueError if `text` is empty or white space, because a server may match it with any customer.
    `what` is the name of the text in the error message.
    """
    if not text or not text.strip():
        raise ValueError(f"The {what} is empty")
    return plain_text(text)
