"""Fusebill's answers: read bytes into models, and refusals into exceptions."""

from collections.abc import Callable
from typing import Any, TypeVar

from tallyhook._call import Reader
from tallyhook._model import Model, read
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
    """An invalid field and the reason."""

    key: str = ""
    value: str = ""


class _Refusal(Model, frozen=True, kw_only=True, rename="pascal"):
    """An error (documented). Some 404s have a message instead (client)."""

    error_id: str = ""
    message: str = ""
    errors: tuple[_Complaint, ...] = ()


_READER = Reader(BillingPeriodDefinition, Subscription, DraftInvoice, Invoice)
_REFUSALS = Reader(_Refusal)


def one(model: type[M]) -> Callable[[bytes], M]:
    """A function that reads one object of this model."""

    def read_one(body: bytes) -> M:
        return read(model, _unfolded(_READER.object(body)))

    return read_one


def many(model: type[M]) -> Callable[[bytes], Listed[M]]:
    """A function that reads a list of this model. Errors of unreadable entries are in `unreadable`."""

    def read_many(body: bytes) -> Listed[M]:
        nodes = _results(_READER.node(body))
        if not isinstance(nodes, list):
            raise DecodeError("a list was expected")
        found: list[M] = []
        unreadable: list[DecodeError] = []
        for place, node in enumerate(nodes):
            try:
                found.append(read(model, _unfolded(_object(node))))
            except DecodeError as error:
                unreadable.append(error.under(f"[{place}]"))
        return Listed(found, unreadable)

    return read_many


def _results(node: Any) -> Any:
    """A list, or the only list in an object of results, whose shape is undocumented.

    A refusal's list of errors isn't used.
    """
    if isinstance(node, dict) and not {name.lower() for name in node} & {"errorid", "errors"}:
        lists = [value for value in node.values() if isinstance(value, list)]
        return lists[0] if len(lists) == 1 else node
    return node


def _unfolded(node: dict[str, Any]) -> dict[str, Any]:
    """The node with a plain list of subscriptions. A definition has them in a results object (documented)."""
    if isinstance(node.get("subscriptions"), dict):
        return {**node, "subscriptions": _results(node["subscriptions"])}
    return node


def nothing(body: bytes) -> None:
    """Check an answer without content: an empty body, or an object without an error.

    Raises DecodeError for anything else, such as a proxy's page.
    """
    if body.strip():
        said = read(_Refusal, _REFUSALS.object(body))
        if said.errors or said.message:
            raise DecodeError("an answer without an error was expected")


def refusal(status: int, body: bytes) -> APIError:
    """The exception for an error status and any body."""
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


def _object(node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise DecodeError("an object was expected")
    return node
