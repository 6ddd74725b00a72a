"""Refusals as documents."""

from datetime import datetime

from tallyhook_mock.cheddar.documents import customers_document, error_document, error_element
from tallyhook_mock.engine.cheddar.gateway import failure
from tallyhook_mock.engine.cheddar.refusal import Refusal

__all__ = ["broken", "refusal_document"]


def refusal_document(refusal: Refusal, id: int, at: datetime) -> str:
    """The `<error>` document, or the customer's with the error embedded if it is about an existing one.

    Args:
        id: the log number of the error.
        at: the moment of the call.
    """
    element = error_element(id, refusal.status, refusal.message, refusal.aux_code)
    if refusal.customer is not None:
        return customers_document((refusal.customer,), at, element)
    return error_document(element)


def broken() -> Refusal:
    """What a caller is told of an error that is this server's own, in Cheddar's words for its own."""
    return failure("1000")
