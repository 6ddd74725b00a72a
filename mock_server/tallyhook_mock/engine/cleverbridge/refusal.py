"""What the engine refuses; Cleverbridge's numbers and words for it are inferred."""

__all__ = ["Refusal"]


class Refusal(ValueError):
    """A call that was not carried out; nothing has changed.

    `status` is the HTTP status, `code` names what is wrong for a program, `message` says it for a person.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
