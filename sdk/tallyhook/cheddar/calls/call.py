"""Build Cheddar's calls, and identify customers, invoices and plans in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tallyhook._call import Call, Pairs
from tallyhook.cheddar import responses
from tallyhook.cheddar.models import Customer, Id, Invoice, Item, Plan, PlanItem, canonical

T = TypeVar("T")

BASE_URL = "https://getcheddar.com/xml"

CustomerRef = str | Id | Customer
ItemRef = str | Id | Item | PlanItem
InvoiceRef = int | str | Id | Invoice
PlanRef = str | Id | Plan


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer or plan by id or code, or the customer who has an invoice.

    As in a database, case and surrounding white space don't matter. Documents don't name the product
    (recorded).
    """

    by: Literal["id", "code", "invoice id", "invoice number"]
    names: tuple[str, ...]

    def is_of(self, found: object) -> bool:
        """Whether this is the right customer or plan. True for documents of another kind."""
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
    """A call of this action. Only repeatable calls without a form use GET, because proxies repeat GETs."""
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
    """A call about a customer. `new_code` is the customer's code in the answer if the call changes it."""
    whom = identity(customer, "customer")
    ((by, name),) = whom
    names = (name, new_code) if isinstance(new_code, str) else (name,)
    subject = Subject("id" if by == "id" else "code", names)
    return call(action, responses.customer, (*whom, *query), form, repeatable=repeatable, subject=subject)


def of_invoice(action: str, invoice: InvoiceRef, form: Pairs = ()) -> Call[Customer]:
    """A call about an invoice. The answer is the invoice's customer."""
    if isinstance(invoice, Invoice):
        invoice = Id(invoice.id) if invoice.id or invoice.number is None else invoice.number
    if isinstance(invoice, Id):
        name = present(invoice, "invoice's id")
        whom, subject = (("id", name),), Subject("invoice id", (name,))
    else:
        name = present(str(invoice), "invoice's number")
        whom, subject = (("number", name),), Subject("invoice number", (name,))
    return call(action, responses.customer, whom, form, subject=subject)


def of_plan(action: str, plan: PlanRef, form: Pairs = ()) -> Call[Plan]:
    """A repeatable call about a plan."""
    whom = identity(plan, "plan")
    ((by, name),) = whom
    subject = Subject("id" if by == "id" else "code", (name,))
    return call(action, responses.plan, whom, form, repeatable=True, subject=subject)


def identity(ref: str | Customer | Plan | Item | PlanItem, what: str) -> Pairs:
    """The query's pair that identifies an object. A `str` is a code; an `Id` or a model gives an id."""
    if isinstance(ref, Id):
        return (("id", present(ref, f"{what}'s id")),)
    if isinstance(ref, str):
        return (("code", present(ref, f"{what}'s code")),)
    return identity(Id(ref.id) if ref.id else ref.code, what)


def present(text: str, what: str) -> str:
    """Return the text. Raises ValueError if it is empty, because a server may match any customer then."""
    if not text:
        raise ValueError(f"The {what} is empty")
    return str(text)
