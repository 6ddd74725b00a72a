"""Refusals, with Cheddar's own messages and codes."""

from typing import TYPE_CHECKING

from tallyhook_mock.core import base

if TYPE_CHECKING:
    from tallyhook_mock.systems.cheddar.model import Customer

__all__ = ["Refusal", "invalid", "not_found"]


class Refusal(base.Refusal):
    """Raised when a call is refused.

    `status` is the HTTP status of the answer, and `aux_code` is Cheddar's more specific code. `customer` is
    set if a transaction of an existing customer failed. The answer is then that customer's document with the
    error in it. A refused call changes nothing, unless a transaction was declined.
    """

    def __init__(
        self, status: int, message: str, aux_code: str = "", *, customer: "Customer | None" = None
    ) -> None:
        super().__init__(status, message)
        self.aux_code = aux_code
        self.customer = customer

    def __str__(self) -> str:
        """Return the message, after the field's name if the refusal is about a field."""
        field, colon, _ = self.aux_code.partition(":")
        return f"{field}: {self.message}" if colon else self.message


def not_found(message: str) -> Refusal:
    return Refusal(404, message)


def invalid(field: str, reason: str, message: str) -> Refusal:
    """Return a Refusal (412) for an invalid field. The field's name is the one that Cheddar uses.

    The reason's name is inferred, except for `isEmpty`.
    """
    return Refusal(412, message, f"{field}:{reason}")
