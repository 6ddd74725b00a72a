"""Fusebill's refusals. Each names the field that its error is about."""

from collections.abc import Mapping

from tallyhook_mock.core import base

__all__ = ["Refusal", "conflict", "invalid", "not_found"]


class Refusal(base.Refusal):
    """A refused call. `key` is the name of the field that the error is about.

    In the vendor's example, the key is "Api Error" instead.
    """

    def __init__(self, status: int, key: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def conflict(key: str, message: str) -> Refusal:
    """Return a Refusal with status 409, for a valid call that a business rule forbids.

    The status is documented, but which rules lead to it is inferred.
    """
    return Refusal(409, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")
