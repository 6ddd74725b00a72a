"""What Fusebill refuses."""

__all__ = ["Refusal", "invalid", "not_found"]


class Refusal(ValueError):
    """A command that was not carried out; nothing has changed.

    `status` is the HTTP status, `key` the field that it is about (inferred: no source shows an error).
    """

    def __init__(self, status: int, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.status = status
        self.key = key
        self.message = message


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")
