"""Identities: integers inside, UUIDs outside.

The engine rolls no dice, so ids are counted. As text they have the shape of the recorded ones: only the first
block differs from id to id.
"""

__all__ = ["Ids", "parse", "text"]

_TAIL = "-7a11-11f0-8a5e-0eff7a117a11"


def text(number: int) -> str:
    """The id as it stands in documents: a UUID."""
    return f"{number:08x}{_TAIL}"


def parse(written: str) -> int | None:
    """The number of an id read from a request, in capitals or not; None if `text` writes no such id."""
    try:
        number = int(written[: -len(_TAIL)], 16)
    except ValueError:
        return None
    # Python reads more as a number than was ever written: signs, underscores, zeros in front.
    return number if number >= 0 and text(number) == written.lower() else None


class Ids:
    """A counter that never gives the same id twice."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0x1E39D01A) -> None:
        self.last = last

    def next(self) -> int:
        self.last += 1
        return self.last
