"""Why a command was not carried out, and with which status the API says so."""

__all__ = ["Refusal", "conflict", "invalid", "not_found"]


class Refusal(ValueError):
    """A command that was not carried out; nothing has changed.

    `status` is the HTTP status, `key` what the error is filed under: the field that it is about. The vendor's
    example has "Api Error" there.
    """

    def __init__(self, status: int, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.status = status
        self.key = key
        self.message = message


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def conflict(key: str, message: str) -> Refusal:
    """Well formed, and against a rule of the business (documented; which rule answers what is inferred)."""
    return Refusal(409, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")
