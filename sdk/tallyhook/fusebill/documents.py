"""Read Fusebill's answers into models, and its error answers into exceptions."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from tallyhook._call import Reader, as_object
from tallyhook._model import Model, fields_of, read
from tallyhook.errors import APIError, DecodeError, api_error, bare_error
from tallyhook.fusebill.models import (
    BillingPeriodDefinition,
    DraftInvoice,
    Invoice,
    Listed,
    Subscription,
)

M = TypeVar("M", bound=Model)


class _Complaint(Model, frozen=True, kw_only=True, rename="pascal"):
    """An invalid field (`key`) and the reason (`value`)."""

    _shown: ClassVar = ("key", "value")

    key: str = ""
    value: str = ""


class _Refusal(Model, frozen=True, kw_only=True, rename="pascal"):
    """An error answer (documented). Some 404 answers have a `message` instead of `errors` (client)."""

    _shown: ClassVar = ("error_id", "message", "errors")

    error_id: str = ""
    message: str = ""
    errors: tuple[_Complaint, ...] = ()


_READER = Reader(BillingPeriodDefinition, Subscription, DraftInvoice, Invoice)
_REFUSALS = Reader(_Refusal)


def one(model: type[M]) -> Callable[[bytes], M]:
    """Return a function that reads an answer with one object of this model."""

    def read_one(body: bytes) -> M:
        return _read(model, _READER.object(body))

    return read_one


def many(model: type[M]) -> Callable[[bytes], Listed[M]]:
    """Return a function that reads an answer with a list of objects of this model.

    The function leaves out entries that it can't read, and puts their errors in the list's `unreadable`.
    """

    def read_many(body: bytes) -> Listed[M]:
        nodes = _results(_READER.node(body))
        if not isinstance(nodes, list):
            raise DecodeError("a list was expected")
        found: list[M] = []
        unreadable: list[DecodeError] = []
        for place, node in enumerate(nodes):
            try:
                found.append(_read(model, as_object(node)))
            except DecodeError as error:
                unreadable.append(error.under(f"[{place}]"))
        return Listed(found, unreadable)

    return read_many


def _read(model: type[M], node: dict[str, Any]) -> M:
    """Return a model. Raises DecodeError if the node has none of its fields, such as an error answer."""
    if node.keys().isdisjoint(fields_of(model)):
        raise DecodeError("another object was expected")
    return read(model, _unfolded(node))


def _results(node: Any) -> Any:
    """Return the list of results in an answer.

    This is `node` itself or, if `node` is an object, the only list in the object (the list's key is
    undocumented). An object that is an error answer, or that doesn't have exactly one list, is returned
    unchanged.
    """
    if isinstance(node, dict) and not {name.lower() for name in node} & {"errorid", "errors"}:
        lists = [value for value in node.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else node
    return node


def _unfolded(node: dict[str, Any]) -> dict[str, Any]:
    """Return the node with its subscriptions as a plain list.

    If the node is a definition, the list is inside an object of its own (documented).
    """
    if isinstance(node.get("subscriptions"), dict):
        return {**node, "subscriptions": _results(node["subscriptions"])}
    return node


def nothing(body: bytes) -> None:
    """Check an answer that should have no content: an empty body, or an object without an error.

    Raises DecodeError for any other body, such as a proxy's page.
    """
    if body.strip():
        said = read(_Refusal, _REFUSALS.object(body))
        if said.errors or said.message:
            raise DecodeError("an answer without an error was expected")


def refusal(status: int, body: bytes) -> APIError:
    """Return the exception for an answer with an error status. The body may have any content."""
    try:
        said = read(_Refusal, _REFUSALS.object(body))
    except DecodeError:
        said = _Refusal()
    complaints = [f"{it.key}: {it.value}" if it.key else it.value for it in said.errors if it.value]
    message = "; ".join(complaints) or said.message
    if not message:
        return bare_error(status)
    error_id = "" if said.error_id == "0" else said.error_id
    return api_error(status, message, said.errors[0].key if said.errors else "", error_id)
