"""Refusals, with Cheddar's own texts and numbers."""

from typing import TYPE_CHECKING

from tallyhook_mock.core import base

if TYPE_CHECKING:
    from tallyhook_mock.systems.cheddar.customers import Customer

__all__ = ["Refusal", "invalid", "not_found"]


class Refusal(base.Refusal):
    """A call that was not carried out.

    `status` is the HTTP status, and `aux_code` refines it. `customer` is set when the customer exists and a
    transaction failed. The error is then embedded in the customer's document. A refused call changes nothing,
    unless the refusal is a declined transaction.
    """

    def __init__(
        self, status: int, message: str, aux_code: str = "", *, customer: "Customer | None" = None
    ) -> None:
        super().__init__(status, message)
        self.aux_code = aux_code
        self.customer = customer


def not_found(message: str) -> Refusal:
    return Refusal(404, message)


def invalid(field: str, reason: str, message: str) -> Refusal:
    """Return a 412. The field's name is exact. The reason's name is inferred, except for `isEmpty`."""
    return Refusal(412, message, f"{field}:{reason}")
