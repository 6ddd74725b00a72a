"""Ids: integers inside the mock, UUIDs outside.

Ids are counted up from a given start, so that runs are repeatable. As text they look like recorded ids, in
which only the first block differs.
"""

__all__ = ["Ids", "beginning", "parse", "text"]

_TAIL = "-7a11-11f0-8a5e-0eff7a117a11"


def text(number: int) -> str:
    """Return an id as a UUID, as documents show it."""
    return f"{number:08x}{_TAIL}"


def parse(written: str) -> int | None:
    """Return the number of an id that a request contains as a UUID, in upper or lower case.

    Returns None if `written` is not an id of this mock's form, which `text` defines.
    """
    try:
        number = int(written[: -len(_TAIL)], 16)
    except ValueError:
        return None
    # `int` also accepts signs, underscores and leading zeros, which `text` never writes.
    return number if number >= 0 and text(number) == written.lower() else None


def beginning(seed: int) -> int:
    """Return the first id for a seed.

    Ids of different seeds start far apart, and all ids have eight hex digits.
    """
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
        """Make sure that `next` never returns this id, because a catalogue uses it."""
        self._reserved.add(number)
