"""Refusals, and the fields that their errors name."""

from collections.abc import Mapping

from tallyhook_mock.core import base

__all__ = ["Refusal", "conflict", "invalid", "not_found"]


class Refusal(base.Refusal):
    """`key` names the field that the error is about. The vendor's example has "Api Error" there."""

    def __init__(self, status: int, key: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def conflict(key: str, message: str) -> Refusal:
    """A valid call against a business rule (409 is documented; which rule gives it is inferred)."""
    return Refusal(409, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")
