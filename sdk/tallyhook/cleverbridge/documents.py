"""Read Cleverbridge's answers into models, and its error answers into exceptions."""

from typing import Any, ClassVar

from tallyhook._call import Reader
from tallyhook._lenient import is_blank, text
from tallyhook._model import Model, read
from tallyhook.cleverbridge.models import Renewal, Subscription, UpdateResult
from tallyhook.errors import APIError, DecodeError, api_error, bare_error


class _Answer(Model, frozen=True, kw_only=True, rename="pascal"):
    """The answer to a call that reads subscriptions."""

    _shown: ClassVar = ("result_message", "subscription", "subscriptions")

    result_message: str = ""
    subscription: Subscription | None = None
    subscriptions: tuple[Subscription, ...] = ()


_READER = Reader(_Answer, UpdateResult, Renewal)


def subscription(body: bytes) -> Subscription:
    """Return the subscription in an answer.

    Raises:
        APIError: the answer is an error.
        DecodeError: the answer has no subscription.
    """
    found = read(_Answer, _fine(body)).subscription
    if found is None:
        raise DecodeError("one object was expected", "Subscription")
    return found


def subscriptions(body: bytes) -> tuple[Subscription, ...]:
    """Return the subscriptions in an answer. Raises the same exceptions as `subscription`."""
    node = _fine(body)
    if "Subscriptions" not in node:
        raise DecodeError("a list was expected", "Subscriptions")
    return read(_Answer, node).subscriptions


def update_result(body: bytes) -> UpdateResult:
    """Return the result of an update. Raises APIError if the answer is an error."""
    return read(UpdateResult, _fine(body))


def renewal(body: bytes) -> Renewal:
    """Return the result of a renewal. Raises APIError if the answer is an error."""
    return read(Renewal, _fine(body))


def nothing(body: bytes) -> None:
    """Check that an answer says OK. Raises APIError if it is an error."""
    _fine(body)


def refusal(status: int, body: bytes) -> APIError:
    """Return the exception for an answer with an error status. The body may have any content."""
    try:
        return _error(status, _READER.object(body))
    except DecodeError:
        return bare_error(status)


def _fine(body: bytes) -> dict[str, Any]:
    """Return the body as a dict. Raises APIError if the body's ResultMessage is not `OK`."""
    node = _READER.object(body)
    if text(node.get("ResultMessage")).strip().upper() != "OK":
        raise _error(200, node)
    return node


def _error(status: int, node: dict[str, Any]) -> APIError:
    said = node.get("ResultMessage")
    return bare_error(status) if is_blank(said) else api_error(status, text(said))
