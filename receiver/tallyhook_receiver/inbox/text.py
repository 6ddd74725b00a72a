"""Text that every store can hold."""

__all__ = ["storable"]


def storable(text: str) -> str:
    """The text without what PostgreSQL (NUL) or UTF-8 (lone surrogates) has no place for.

    A hook's type and the message of an error come from outside: neither may make a hook impossible to keep.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
