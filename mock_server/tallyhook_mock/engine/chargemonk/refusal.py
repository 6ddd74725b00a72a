"""What Chargemonk does not do."""

__all__ = ["Refusal"]


class Refusal(ValueError):
    """A command that was not carried out, in words for whoever gave it; nothing has changed.

    Chargemonk has no API for add-ons with billing cycles, so there is no documented shape of an error either.
    """
