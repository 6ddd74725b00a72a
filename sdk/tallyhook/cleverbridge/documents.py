"""Cleverbridge's answers: bytes into models, and refusals into exceptions."""

from typing import Any

from tallyhook.cleverbridge.models import Subscription, UpdateResult
from tallyhook.errors import APIError, DecodeError, api_error, bare_error
from tallyhook.loose import is_blank, text
from tallyhook.nodes import Model, read
from tallyhook.rest import Reader

__all__ = ["refusal", "subscription", "update_result"]


class _Answer(Model, frozen=True, rename="pascal"):
    """What any answer may hold; `error_code` is inferred."""

    result_message: str = ""
    error_code: str = ""
    subscription: Subscription | None = None


_READER = Reader(_Answer, UpdateResult)


def subscription(body: bytes) -> Subscription:
    """The subscription of an answer.

    Raises:
        APIError: the answer says that it went wrong.
        DecodeError: it holds no subscription.
    """
    found = read(_Answer, _fine(body)).subscription
    if found is None:
        raise DecodeError("one object was expected", "Subscription")
    return found


def update_result(body: bytes) -> UpdateResult:
    """What an update came to; raises as `subscription`."""
    return read(UpdateResult, _fine(body))


def refusal(status: int, body: bytes) -> APIError:
    """The exception for a body that came with an error's status, whatever that body is."""
    try:
        return _error(status, _READER.object(body))
    except DecodeError:
        return bare_error(status)


def _fine(body: bytes) -> dict[str, Any]:
    """The body's node, if its ResultMessage is `OK`."""
    node = _READER.object(body)
    if text(node.get("ResultMessage")).strip().upper() != "OK":
        raise _error(200, node)
    return node


def _error(status: int, node: dict[str, Any]) -> APIError:
    said = node.get("ResultMessage")
    if is_blank(said):
        return bare_error(status)
    return api_error(status, text(said), text(node.get("ErrorCode")))
