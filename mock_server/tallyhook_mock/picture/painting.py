"""Draws the complete picture: title, lanes, reviews, legend, and a line for the selected mark's title."""

from collections.abc import Iterator

from tallyhook_mock.picture.canvas import Canvas, width
from tallyhook_mock.picture.lanes import NAMES, draw_lanes
from tallyhook_mock.picture.reviews import draw_reviews
from tallyhook_mock.picture.story import Sign, Story
from tallyhook_mock.picture.style import SIZES

__all__ = ["paint"]

WIDTH = 1280.0

_WORDS = {
    Sign.ACKNOWLEDGED: "hook acknowledged",
    Sign.FAILED: "hook not acknowledged",
    Sign.PAID: "paid",
    Sign.DECLINED: "declined",
    Sign.GIVEN_BACK: "refunded or voided",
    Sign.CHARGE: "charge",
    Sign.CREDIT: "credit",
    Sign.USED: "quantity",
    Sign.BEGAN: "beginning",
    Sign.CHANGED: "change",
    Sign.CANCELED: "canceled",
    Sign.REACTIVATED: "reactivated",
    Sign.FAULT: "fault",
    Sign.COMING: "upcoming, if nothing changes",
}


def paint(story: Story, *, styled: bool = True) -> str:
    """Return the SVG, 1280 px wide. If `styled` is false, the page must include the style sheet `STYLE`."""
    canvas = Canvas(WIDTH)
    canvas.text(NAMES, 36, story.title, "title", room=600)
    canvas.text(WIDTH - 24, 36, story.summary, "text soft end", room=600)
    y = draw_lanes(canvas, story, 52)
    if story.reviews:
        y = draw_reviews(canvas, story.reviews, y + 8)
    y = _legend(canvas, story, y + 16)
    canvas.height = y + 42
    words = "Point at a mark, or move through the marks with Tab, to read about it."
    canvas.text(NAMES, y + 26.5, words, "small soft hint")
    return canvas.document(story.title, story.summary, styled=styled)


def _legend(canvas: Canvas, story: Story, y: float) -> float:
    """Draw a legend of the shapes in this picture. Returns the y of the legend's last line."""
    bars = {
        "hold": ("held for review", any(review.released != review.at for review in story.reviews)),
        "wait": ("the hour before execution", any(review.runs for review in story.reviews)),
    }
    entries: list[tuple[str | Sign, str]] = [(bar, words) for bar, (words, shown) in bars.items() if shown]
    seen = set(_signs(story))
    entries = [(sign, words) for sign, words in _WORDS.items() if sign in seen] + entries
    x = NAMES + 6
    for shape, words in entries:
        long = 26 + width(words, SIZES["small"])
        if x + long > WIDTH - 24:
            x, y = NAMES + 6, y + 20
        if isinstance(shape, Sign):
            canvas.shape(shape, x, y - 4)
        else:
            canvas.bar(shape, x - 7, y - 10, x + 9, 12)
            if shape == "hold":
                canvas.bar("hatched", x - 7, y - 10, x + 9, 12)
        canvas.text(x + 13, y, words, "small soft")
        x += long
    return y


def _signs(story: Story) -> Iterator[Sign]:
    for marks in (story.turns, *(lane.marks for lane in story.lanes), *(r.marks for r in story.reviews)):
        yield from (mark.sign for mark in marks)
    if story.tallies:
        yield Sign.USED
