"""A call before it is sent, and how it names whom it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tallyhook.inputs import MASK, Pairs, is_secret
from tallyhook.models import Customer, Id, Invoice, Item, Plan, PlanItem

T_co = TypeVar("T_co", covariant=True)

CustomerRef = str | Id | Customer
ItemRef = str | Id | Item | PlanItem
InvoiceRef = int | str | Id | Invoice
PlanRef = str | Id | Plan


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T_co]):
    """One call, before it is sent.

    Attributes:
        action: the path under the API's base, such as `customers/get`.
        read: makes the result out of the answer's body.
        query: whom it is about; the client adds the product.
        form: what changes.
        repeatable: whether doing it twice comes to the same as doing it once.
    """

    action: str
    read: Callable[[bytes], T_co]
    query: Pairs = ()
    form: Pairs = ()
    repeatable: bool = False

    @property
    def method(self) -> str:
        """The HTTP method: a GET only where it may be repeated, since proxies on the way repeat GETs."""
        return "GET" if self.repeatable and not self.form else "POST"

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


def present(text: str, what: str) -> str:
    """The text, refused if it is empty: what a server makes of a name of nobody is best not found out."""
    if not text:
        raise ValueError(f"The {what} is empty")
    return str(text)
