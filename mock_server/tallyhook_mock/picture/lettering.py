"""Letters in a picture: how wide they may get in any font, what fits, and what XML can hold."""

import re
import unicodedata
from xml.sax.saxutils import escape

__all__ = ["cleaned", "clip", "escaped", "width"]

_ELLIPSIS = "…"
# What no XML 1.0 document can hold, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Shares of the font's size. Nobody knows which font it will be: these are those of a wide one.
_WIDTHS = dict.fromkeys("ijlI'|!.,:; ·", 0.36) | dict.fromkeys("frt()[]-/", 0.43)
_WIDTHS |= dict.fromkeys("Mw%#+=×−", 0.87) | dict.fromkeys("mW@…", 1.0)
_LOWER, _UPPER, _OTHER, _WIDE = 0.65, 0.8, 0.85, 1.1


def width(text: str, size: float, *, bold: bool = False) -> float:
    """At most so many pixels."""
    return sum(_share(letter) for letter in text) * size * (1.12 if bold else 1)


def clip(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """A text, shortened to fit into `room` pixels; empty if next to nothing of it would be left."""
    if width(text, size, bold=bold) <= room:
        return text
    while len(text) > 3:
        text = text[:-1].rstrip()
        if width(text + _ELLIPSIS, size, bold=bold) <= room:
            return text + _ELLIPSIS
    return ""


def cleaned(text: str) -> str:
    """Without what XML can't hold; to be done before anything is measured."""
    return _FORBIDDEN.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Fit for the content of an element or of a quoted attribute."""
    return escape(cleaned(text), {'"': "&quot;"})


def _share(letter: str) -> float:
    known = _WIDTHS.get(letter)
    if known is not None:
        return known
    if letter.isascii():
        return _UPPER if letter.isupper() else _LOWER
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0x2000 else _OTHER
