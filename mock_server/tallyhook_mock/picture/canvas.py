"""Writes SVG. The canvas remembers the places of labels and marks, so that labels don't overlap them."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from xml.sax.saxutils import escape

from tallyhook_mock.picture.story import Mark, Sign
from tallyhook_mock.picture.style import SHAPES, SIZES, STYLE

__all__ = ["REACH", "Canvas", "Cluster", "cleaned", "clip", "clusters", "escaped", "width"]

# How far a mark extends to the left and right of its x, in pixels.
REACH = 6.5
_MOST_TITLES = 12
_HATCH = (
    '<defs><pattern id="life-hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>'
)


class Cluster:
    """Marks that are too close to each other to be drawn separately. Only the worst mark's sign is drawn."""

    def __init__(self, x: float, marks: list[Mark]) -> None:
        self.x = x
        self.marks = marks

    @property
    def worst(self) -> Mark:
        order = list(Sign)
        return max(self.marks, key=lambda mark: order.index(mark.sign))

    @property
    def titles(self) -> list[str]:
        titles = [mark.title for mark in self.marks]
        if len(titles) > _MOST_TITLES:
            titles[_MOST_TITLES:] = [f"and {len(titles) - _MOST_TITLES} more"]
        return titles


def clusters(placed: Iterable[tuple[float, Mark]], gap: float = 2 * REACH) -> list[Cluster]:
    """Group marks into clusters. All marks in a cluster are less than `gap` pixels from its first mark."""
    found: list[Cluster] = []
    for x, mark in sorted(placed, key=lambda place: place[0]):
        if found and x - found[-1].x < gap:
            found[-1].marks.append(mark)
        else:
            found.append(Cluster(x, [mark]))
    return found


class Canvas:
    """The elements of an SVG, in drawing order. Lengths are in pixels, and y grows downwards."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.height = 0.0
        self._parts: list[str] = []
        self._taken: list[tuple[float, float, float, float]] = []
        self._tips: list[int] = []  # indexes of the tips in `_parts`; a tip's y depends on the height

    # -- shapes

    def add(self, name: str, classes: str = "", /, **attributes: float | str) -> None:
        """Add an element without content. Numbers in attributes are rounded to tenths."""
        written = "".join(f' {key}="{_number(value)}"' for key, value in attributes.items())
        self._parts.append(f'<{name} class="{classes}"{written}/>')

    def line(self, classes: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self.add("line", classes, x1=x1, y1=y1, x2=x2, y2=y2)

    def bar(self, classes: str, x: float, y: float, to: float, height: float) -> None:
        """Draw a rectangle from `x` to `to`. It is to scale, but always wide enough to see."""
        self.add("rect", classes, x=x, y=y, width=max(to - x, 1.5), height=height, rx=2)

    def area(self, classes: str, left: float, top: float, right: float, bottom: float) -> None:
        """Draw a rectangle to scale. Draws nothing if the rectangle is empty."""
        if right > left and bottom > top:
            self.add("rect", classes, x=left, y=top, width=right - left, height=bottom - top)

    def shape(self, sign: Sign, x: float, y: float, classes: str = "") -> None:
        """Draw the shape of a sign, without a title."""
        names, place = f"{sign} {classes}".strip(), f"{_number(x)} {_number(y)}"
        self._parts.append(f'<g class="{names}" transform="translate({place})">{SHAPES[sign]}</g>')

    @contextmanager
    def event(self, titles: Iterable[str]) -> Iterator[None]:
        """Give these titles to everything drawn inside this context. Hover or focus shows the titles."""
        titles = list(titles)
        shown = escaped("\n".join(titles))
        self._parts.append(f'<g class="event" tabindex="0" role="img"><title>{shown}</title>')
        yield
        room = self.width - 48
        tip = escaped(clip("  ·  ".join(titles), room, SIZES["tip"]))
        self._tips.append(len(self._parts))
        self._parts.append(f'<text class="tip" x="24" y="{{}}">{tip}</text></g>')

    def mark(self, cluster: Cluster, y: float, classes: str = "") -> None:
        x, sign = cluster.x, cluster.worst.sign
        with self.event(cluster.titles):
            self.add("circle", "hit", cx=x, cy=y, r=9)
            self.shape(sign, x, y, classes)
        reach = 4 if sign is Sign.USED else REACH
        self._taken.append((x - reach, y - reach, x + reach, y + reach))

    # -- labels

    def text(
        self, x: float, y: float, text: str, classes: str = "text", *, room: float = 1e9, anyway: bool = True
    ) -> bool:
        """Write text on the baseline `y`, shortened to `room` pixels. Returns whether it was written.

        If `anyway` is false, the text is written only if it overlaps no other text or mark.
        """
        names = classes.split()
        size = next(SIZES[name] for name in names if name in SIZES)
        is_bold = "title" in names or "name" in names
        text = clip(cleaned(text), room, size, bold=is_bold)
        long = width(text, size, bold=is_bold)
        left = x - long if "end" in names else x - long / 2 if "middle" in names else x
        box = (left - 1.5, y - size, left + long + 1.5, y + size * 0.3)
        if not text or (not anyway and not self._is_free(box)):
            return False
        self._taken.append(box)
        self._parts.append(
            f'<text class="{classes}" x="{_number(x)}" y="{_number(y)}">{escaped(text)}</text>'
        )
        return True

    def _is_free(self, box: tuple[float, float, float, float]) -> bool:
        left, top, right, bottom = box
        return (
            left >= 0
            and right <= self.width
            and not any(
                x0 < right and left < x1 and y0 < bottom and top < y1 for x0, y0, x1, y1 in self._taken
            )
        )

    # -- the document

    def document(self, title: str, description: str, *, styled: bool) -> str:
        """Return the complete SVG. Its height is `self.height`, and events' titles appear at its bottom."""
        for place in self._tips:
            self._parts[place] = self._parts[place].replace("{}", _number(self.height - 15.5), 1)
        size = f'width="{_number(self.width)}" height="{_number(self.height)}"'
        box = f'viewBox="0 0 {_number(self.width)} {_number(self.height)}"'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="life" {size} {box} role="group" '
            f'aria-label="{escaped(title)}">\n<desc>{escaped(description)}</desc>\n'
        )
        style = f"<style>\n{STYLE}</style>\n" if styled else ""
        paper = f'<rect class="paper" {size} rx="8"/>'
        # The band is drawn before the parts, because these include the tips, which are drawn on the band.
        foot = f'<rect class="band" x="12" y="{_number(self.height - 32)}" width="{_number(self.width - 24)}"'
        foot += ' height="24" rx="4"/>'
        return "\n".join((head + style + _HATCH, paper, foot, *self._parts, "</svg>")) + "\n"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{round(value, 1):g}" if value < 1e5 else str(round(value))


_ELLIPSIS = "…"
# Characters that an XML 1.0 document can't contain.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Character widths relative to the font size. The font is unknown, so these are the widths of a wide font.
_WIDTHS = dict.fromkeys("ijlI'|!.,:; ·", 0.36) | dict.fromkeys("frt()[]-/", 0.43)
_WIDTHS |= dict.fromkeys("Mw%#+=×−", 0.87) | dict.fromkeys("mW@…", 1.0)
_LOWER, _UPPER, _OTHER, _WIDE = 0.65, 0.8, 0.85, 1.1


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return an upper bound for the width of a string, in pixels. `size` is the font size."""
    return sum(_share(letter) for letter in text) * size * (1.12 if bold else 1)


def clip(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """Return the text, shortened to fit into `room` pixels. Empty if almost nothing would remain."""
    if width(text, size, bold=bold) <= room:
        return text
    while len(text) > 3:
        text = text[:-1].rstrip()
        if width(text + _ELLIPSIS, size, bold=bold) <= room:
            return text + _ELLIPSIS
    return ""


def cleaned(text: str) -> str:
    """Return the text with replacements for characters that XML can't contain.

    The result may be wider or narrower than `text`, so measure the result if you need the width.
    """
    return _FORBIDDEN.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Return the text, escaped for an element's content or a quoted attribute."""
    return escape(cleaned(text), {'"': "&quot;"})


def _share(letter: str) -> float:
    known = _WIDTHS.get(letter)
    if known is not None:
        return known
    if letter.isascii():
        return _UPPER if letter.isupper() else _LOWER
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0x2000 else _OTHER
