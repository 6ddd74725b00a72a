"""What the engine refuses, with Cleverbridge's statuses (documented; which rule has which is inferred)."""

__all__ = ["Refusal", "invalid", "malformed", "unknown"]


class Refusal(ValueError):
    """A call that was not carried out; nothing has changed. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def malformed(message: str) -> Refusal:
    """The message is incomplete or can't be read: 400."""
    return Refusal(400, message)


def invalid(message: str) -> Refusal:
    """The parameters can be read, and can't be carried out: 402."""
    return Refusal(402, message)


def unknown(message: str) -> Refusal:
    """There is no such subscription, product, customer or purchase: 404."""
    return Refusal(404, message)
