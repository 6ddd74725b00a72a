"""Cleverbridge's answers: read bytes into models, and refusals into exceptions."""

from typing import Any

from tallyhook._call import Reader
from tallyhook._lenient import is_blank, text
from tallyhook._model import Model, read
from tallyhook.cleverbridge.models import Renewal, Subscription, UpdateResult
from tallyhook.errors import APIError, DecodeError, api_error, bare_error


class _Answer(Model, frozen=True, kw_only=True, rename="pascal"):
    """The answer to a call that reads."""

    result_message: str = ""
    subscription: Subscription | None = None
    subscriptions: tuple[Subscription, ...] = ()


_READER = Reader(_Answer, UpdateResult, Renewal)


def subscription(body: bytes) -> Subscription:
    """The subscription of an answer.

    Raises:
        APIError: the answer is an error.
        DecodeError: it has no subscription.
    """
    found = read(_Answer, _fine(body)).subscription
    if found is None:
        raise DecodeError("one object was expected", "Subscription")
    return found


def subscriptions(body: bytes) -> tuple[Subscription, ...]:
    """The subscriptions of an answer. Raises as `subscription` does."""
    node = _fine(body)
    if "Subscriptions" not in node:
        raise DecodeError("a list was expected", "Subscriptions")
    return read(_Answer, node).subscriptions


def update_result(body: bytes) -> UpdateResult:
    """The result of an update. Raises as `subscription` does."""
    return read(UpdateResult, _fine(body))


def renewal(body: bytes) -> Renewal:
    """The result of a renewal. Raises as `subscription` does."""
    return read(Renewal, _fine(body))


def nothing(body: bytes) -> None:
    """Check an answer that only says OK. Raises as `subscription` does."""
    _fine(body)


def refusal(status: int, body: bytes) -> APIError:
    """The exception for an error status and any body."""
    try:
        return _error(status, _READER.object(body))
    except DecodeError:
        return bare_error(status)


def _fine(body: bytes) -> dict[str, Any]:
    """The body as a tree. Raises APIError if its ResultMessage is not `OK`."""
    node = _READER.object(body)
    if text(node.get("ResultMessage")).strip().upper() != "OK":
        raise _error(200, node)
    return node


def _error(status: int, node: dict[str, Any]) -> APIError:
    said = node.get("ResultMessage")
    return bare_error(status) if is_blank(said) else api_error(status, text(said))
