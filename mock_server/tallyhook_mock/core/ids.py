"""Identities: integers inside, UUIDs outside.

The engine rolls no dice, so ids are counted, from a beginning that it is given. As text they have the shape
of the recorded ones: only the first block differs from id to id.
"""

__all__ = ["Ids", "beginning", "parse", "text"]

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


def beginning(seed: int) -> int:
    """Where the ids of a world begin. Different seeds lie far apart, and all ids have eight digits."""
    return 0x10000000 + (0xE39D01A + seed * 0x9E3779B1) % 0xE0000000


class Ids:
    """A counter that never gives the same id twice."""

    __slots__ = ("_reserved", "last")

    def __init__(self, last: int = beginning(0)) -> None:  # a number
        self.last = last
        self._reserved: set[int] = set()

    def next(self) -> int:
        self.last += 1
        while self.last in self._reserved:
            self.last += 1
        return self.last

    def reserve(self, number: int) -> None:
        """Never give this one: a catalogue has."""
        self._reserved.add(number)
