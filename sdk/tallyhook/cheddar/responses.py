"""Read Cheddar's XML documents into models.

Every function here except `refusal` raises DecodeError if the body is not the expected document, and APIError
if the body is an error document. The APIError has the document's status. Text between elements is ignored.
"""

from typing import TypeVar

from tallyhook import _model
from tallyhook.cheddar import xml
from tallyhook.cheddar.models import Customer, ErrorNote, Plan, Promotion
from tallyhook.cheddar.xml import SINGULAR, Element
from tallyhook.errors import APIError, DecodeError, WrongDocument, api_error, bare_error

__all__ = [
    "customer",
    "customers",
    "nothing",
    "plan",
    "plans",
    "promotion",
    "promotions",
    "refusal",
]

T = TypeVar("T", Customer, Plan, Promotion)

_ROOTS: dict[type, str] = {Customer: "customers", Plan: "plans", Promotion: "promotions"}


def customers(body: bytes) -> tuple[Customer, ...]:
    """Return a document's customers. Each customer's `errors` are the document's errors."""
    return _all(Customer, _root(body))


def customer(body: bytes) -> Customer:
    """Return a document's only customer. Raises WrongDocument unless there is exactly one."""
    return _only(customers(body))


def accepted(body: bytes) -> Customer:
    """Return the only customer in the answer to a call. Raises APIError if the document contains an error.

    Cheddar puts some errors into a customer's document, and a proxy may pass on such a document with the
    status 200.
    """
    return _without_errors(customer(body))


def all_accepted(body: bytes) -> tuple[Customer, ...]:
    """Return the customers in the answer to a call. Raises APIError if the document contains an error."""
    return tuple(_without_errors(each) for each in customers(body))


def plans(body: bytes) -> tuple[Plan, ...]:
    """Return a document's plans."""
    return _all(Plan, _root(body))


def plan(body: bytes) -> Plan:
    """Return a document's only plan. Raises WrongDocument unless there is exactly one."""
    return _only(plans(body))


def promotions(body: bytes) -> tuple[Promotion, ...]:
    """Return a document's promotions."""
    return _all(Promotion, _root(body))


def promotion(body: bytes) -> Promotion:
    """Return a document's only promotion. Raises WrongDocument unless there is exactly one."""
    return _only(promotions(body))


def nothing(body: bytes) -> None:
    """Check an answer that should have no content: `<success/>` (inferred) or an empty body.

    Raises DecodeError if the body is an HTML page, for example from a proxy, or contains an error.
    """
    if not body:
        return
    root = _root(body)
    if str(root.tag).rpartition("}")[2].lower() == "html" or root.find(".//error") is not None:
        raise DecodeError("an answer without an error was expected")


def refusal(status: int, body: bytes) -> APIError:
    """Return the exception for an answer with an error status. The body may have any content."""
    try:
        root = _root(body)
        if root.tag == "customers":
            found = _all(Customer, root)
            if found and found[0].errors:
                return _error(status, found[0].errors[0], found[0])
    except APIError as error:
        return api_error(status, error.message, error.aux_code, error.error_id)
    except DecodeError:
        pass
    return bare_error(status)


def _root(body: bytes) -> Element:
    root = xml.parse(body)
    if root.tag == "error":
        note = _model.read(ErrorNote, xml.node_of(root))
        raise _error(note.code or 500, note)
    return root


def _error(status: int, note: ErrorNote, embedded_in: Customer | None = None) -> APIError:
    return api_error(status, note.message, note.aux_code, note.id, embedded_in)


def _all(model: type[T], root: Element) -> tuple[T, ...]:
    name = _ROOTS[model]
    if root.tag != name:
        raise DecodeError(f"a document of {name} was expected")
    singular = SINGULAR[name]
    several = [element for element in root if element.tag == singular]
    if not several and len(root):
        raise DecodeError(f"a document of {name} was expected")
    notes = root.find("errors") if len(several) < len(root) else None
    embedded = {} if notes is None else {"errors": xml.list_of(notes, "error")}
    nodes = []
    for element in several:
        try:
            nodes.append(xml.node_of(element) | embedded)
        except DecodeError as error:
            raise error.under(f"{name}[{len(nodes)}]") from None
    return _model.read_list(model, nodes, name)


def _without_errors(found: Customer) -> Customer:
    if found.errors:
        note = found.errors[0]
        raise _error(note.code or 500, note, found)
    return found


def _only(found: tuple[T, ...]) -> T:
    if len(found) != 1:
        raise WrongDocument(f"one object was expected, not {len(found)}")
    return found[0]
