"""Cheddar's XML documents: bytes into models, and models into bytes again.

Every reading function raises DecodeError if the body is not the document it should be, and APIError, with the
status that is named there, if it is an error document instead. Text between elements has no place in these
documents and is not read.
"""

import threading
from typing import TypeVar

from lxml import etree

from tallyhook import elements, nodes
from tallyhook.elements import SINGULAR, Element
from tallyhook.errors import APIError, DecodeError, WrongDocument, api_error, bare_error
from tallyhook.models import Customer, ErrorNote, Plan, Promotion

T = TypeVar("T", Customer, Plan, Promotion)

_ROOTS: dict[type, str] = {Customer: "customers", Plan: "plans", Promotion: "promotions"}


def customers(body: bytes) -> tuple[Customer, ...]:
    """The customers of a document; errors that stand beside them are on each one's `errors`."""
    return _all(Customer, _root(body))


def customer(body: bytes) -> Customer:
    """The only customer of a document."""
    return _only(customers(body))


def plans(body: bytes) -> tuple[Plan, ...]:
    """The plans of a document."""
    return _all(Plan, _root(body))


def plan(body: bytes) -> Plan:
    """The only plan of a document."""
    return _only(plans(body))


def promotions(body: bytes) -> tuple[Promotion, ...]:
    """The promotions of a document."""
    return _all(Promotion, _root(body))


def promotion(body: bytes) -> Promotion:
    """The only promotion of a document."""
    return _only(promotions(body))


def nothing(body: bytes) -> None:
    """A document that says no more than that it was done (inferred: `<success/>`)."""
    if body:
        _root(body)


def refusal(status: int, body: bytes) -> APIError:
    """The exception for a body that came with an error's status, whatever that body is."""
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


def write(*models: T) -> bytes:
    """The document of these customers, plans or promotions, with the keys of their sources in their order."""
    if not models:
        raise ValueError("A document needs at least one customer, plan or promotion")
    name = _ROOTS[type(models[0])]
    root = etree.Element(name)
    written = [nodes.write(model) for model in models]
    embedded = [node.pop("errors") for node in written if "errors" in node]
    if embedded:
        elements.append(root, "errors", embedded[0])
    for node in written:
        elements.append(root, SINGULAR[name], node)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


class _Own(threading.local):
    """A parser of its own for every thread: they would queue for a common one."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            remove_blank_text=True,
        )


_own = _Own()


def _root(body: bytes) -> Element:
    try:
        root = etree.fromstring(body, _own.parser)
    except (etree.LxmlError, ValueError, LookupError):
        raise DecodeError("the body is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DecodeError("a document type has no place here")
    if root.tag == "error":
        note = elements.read(ErrorNote, root)
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
    notes = root.find("errors") if len(several) < len(root) else None
    embedded = {} if notes is None else {"errors": elements.list_of(notes, "error")}
    found: list[T] = []
    try:
        for element in several:
            if embedded:
                found.append(nodes.read(model, elements.node_of(element) | embedded))
            else:
                found.append(elements.read(model, element))
    except DecodeError as error:
        raise error.under(f"{name}[{len(found)}]") from None
    return tuple(found)


def _only(found: tuple[T, ...]) -> T:
    if len(found) != 1:
        raise WrongDocument(f"one object was expected, not {len(found)}")
    return found[0]
