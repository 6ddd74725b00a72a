"""A call before it is sent, and how it names whom it is about."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar
from urllib.parse import urlencode

from tallyhook import documents
from tallyhook.errors import MASK, APIError, WrongDocument
from tallyhook.inputs import Pairs, is_secret
from tallyhook.models import Customer, Id, Invoice, Item, Plan, PlanItem

T_co = TypeVar("T_co", covariant=True)

CustomerRef = str | Id | Customer
ItemRef = str | Id | Item | PlanItem
InvoiceRef = int | str | Id | Invoice
PlanRef = str | Id | Plan


@dataclass(frozen=True, slots=True)
class Subject:
    """What an answer has to be about: the customer or plan of a name, or the customer of an invoice.

    Names are compared as a database does it: in any case, and without the white space around them. Nothing in
    a document tells the product (recorded).
    """

    by: Literal["id", "code", "invoice id", "invoice number"]
    names: tuple[str, ...]

    def is_of(self, found: Customer | Plan) -> bool:
        """Whether this is the customer or the plan that was meant."""
        match self.by:
            case "id":
                shown = [found.id]
            case "code":
                shown = [found.code]
            case by:
                subscriptions = found.subscriptions if isinstance(found, Customer) else ()
                invoices = [invoice for each in subscriptions for invoice in each.invoices]
                shown = [it.id if by == "invoice id" else str(it.number) for it in invoices]
        return not {_same(name) for name in shown}.isdisjoint(map(_same, self.names))


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T_co]):
    """One call, before it is sent.

    Attributes:
        action: the path under the API's base, such as `customers/get`.
        read: makes the result out of the answer's body.
        query: whom it is about; the client adds the product.
        form: what changes.
        repeatable: whether doing it twice comes to the same as doing it once.
        subject: what the answer has to be about; None if it is about nobody in particular.
    """

    action: str
    read: Callable[[bytes], T_co]
    query: Pairs = ()
    form: Pairs = ()
    repeatable: bool = False
    subject: Subject | None = None

    @property
    def method(self) -> str:
        """The HTTP method: a GET only where it may be repeated, since proxies on the way repeat GETs."""
        return "GET" if self.repeatable and not self.form else "POST"

    @property
    def path(self) -> str:
        """The action: whom it is about stands in the query."""
        return self.action

    @property
    def content(self) -> bytes | None:
        """The form as it is sent; one name may stand in it twice."""
        return None if self.method == "GET" else urlencode(self.form).encode()

    def result(self, status: int, body: bytes) -> T_co:
        """What the answer holds.

        Raises:
            APIError: it is a refusal.
            DecodeError: it is not the document that it should be; WrongDocument if it is somebody else's.
        """
        if 200 <= status < 300:
            found = self.read(body)
            self._check(found)
            return found
        refusal = documents.refusal(status, body)
        self._check(refusal.customer)
        raise refusal

    def _check(self, found: object) -> None:
        if self.subject and isinstance(found, Customer | Plan) and not self.subject.is_of(found):
            raise WrongDocument("the answer is not about the one that was asked for")

    def masked(self, refusal: APIError) -> str:
        """The refusal's message without the form's secrets: Cheddar quotes a bad card number (documented)."""
        message = refusal.message
        for name, value in self.form:
            if is_secret(name):
                for spelling in (value, re.sub(r"\D", "", value)):
                    if len(spelling) > 2:
                        message = message.replace(spelling, MASK)
        return re.sub("'.*'", f"'{MASK}'", message) if is_secret(refusal.field) else message

    def __repr__(self) -> str:
        shown = (f"{name}={MASK if is_secret(name) else value}" for name, value in self.query + self.form)
        return f"Call({' '.join((self.method, self.action, *shown))})"


def identity(ref: str | Customer | Plan | Item | PlanItem, what: str) -> Pairs:
    """The query's pair that names somebody or something: a `str` is a code, an `Id` an id, a model its id."""
    if isinstance(ref, Id):
        return (("id", present(ref, f"{what}'s id")),)
    if isinstance(ref, str):
        return (("code", present(ref, f"{what}'s code")),)
    return identity(Id(ref.id) if ref.id else ref.code, what)


def invoice_identity(ref: InvoiceRef) -> Pairs:
    """The query's pair that names an invoice: by its number, or for an `Id` and a model by its id."""
    if isinstance(ref, Invoice):
        return invoice_identity(Id(ref.id) if ref.id or ref.number is None else ref.number)
    if isinstance(ref, Id):
        return (("id", present(ref, "invoice's id")),)
    return (("number", present(str(ref), "invoice's number")),)


def customer_subject(ref: CustomerRef, *codes: object) -> Subject:
    """The customer; `codes` are others that it may go by after the call."""
    ((by, name),) = identity(ref, "customer")
    return Subject("id" if by == "id" else "code", (name, *(code for code in codes if isinstance(code, str))))


def invoice_subject(ref: InvoiceRef) -> Subject:
    """The customer who has this invoice."""
    ((by, name),) = invoice_identity(ref)
    return Subject("invoice id" if by == "id" else "invoice number", (name,))


def plan_subject(ref: PlanRef) -> Subject:
    """The plan."""
    ((by, name),) = identity(ref, "plan")
    return Subject("id" if by == "id" else "code", (name,))


def _same(name: str) -> str:
    return name.strip().casefold()


def present(text: str, what: str) -> str:
    """The text, refused if it is empty: what a server makes of a name of nobody is best not found out."""
    if not text:
        raise ValueError(f"The {what} is empty")
    return str(text)
