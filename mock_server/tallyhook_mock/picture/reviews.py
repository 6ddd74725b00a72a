"""The lower part of a picture: one row per invoice, from bill date to execution, on a common scale."""

from datetime import timedelta
from itertools import pairwise

from tallyhook_mock.picture.canvas import Canvas, clusters, width
from tallyhook_mock.picture.lanes import NAMES
from tallyhook_mock.picture.scale import Aftermath
from tallyhook_mock.picture.story import Review, Sign
from tallyhook_mock.picture.style import SIZES

__all__ = ["draw_reviews"]

_LEFT, _OUTCOME, _ROW, _BAR = 184.0, 168.0, 26.0, 16.0
_TITLE = "From bill date to execution"
_MOST = 16
# The minimum distance, in pixels, between marks that are drawn separately. It is smaller than elsewhere.
_GAP = 6.4


def draw_reviews(canvas: Canvas, reviews: tuple[Review, ...], y: float) -> float:
    """Draw the rows from `y` downwards. Returns the y at which the next part may begin."""
    shown = _chosen(reviews)
    right = canvas.width - 24 - _OUTCOME
    moments = (at - review.at for review in shown for at in review.moments)
    scale = Aftermath(moments, _LEFT, right - 24)
    canvas.text(NAMES, y + 16, _TITLE, "text name")
    of_all = f"{len(shown)} of {len(reviews)} invoices: failed ones and the latest; " * (
        len(shown) < len(reviews)
    )
    words = f"{of_all}time since the bill date, each zone with its own scale"
    canvas.text(NAMES + 16 + width(_TITLE, SIZES["text"], bold=True), y + 16, words, "small soft")
    y += 42
    bottom = y + _ROW * len(shown)
    for zone in scale.zones:
        for tick in zone.ticks(44):
            canvas.line("grid", tick.x, y - 4, tick.x, bottom)
            words = "bill date" if tick.label == "0 min" else tick.label
            canvas.text(tick.x, y - 8, words, "small soft middle", anyway=False)
    for before, after in pairwise(scale.zones):
        middle = (before.right + after.left) / 2
        for offset in (-2.5, 2.5):
            canvas.line("break", middle + offset - 3, y + 4, middle + offset + 3, y - 6)
    for place, review in enumerate(shown):
        _row(canvas, scale, review, y + place * _ROW, right)
    return bottom + 10


def _chosen(reviews: tuple[Review, ...]) -> list[Review]:
    """Return the reviews to show, oldest first.

    If there are too many, failed ones are preferred, then recent ones.
    """
    ranked = sorted(reviews, key=lambda review: (review.went_wrong, review.at, review.number), reverse=True)
    return sorted(ranked[:_MOST], key=lambda review: (review.at, review.number))


def _row(canvas: Canvas, scale: Aftermath, review: Review, y: float, right: float) -> None:
    middle, base = y + _ROW / 2, y + _ROW / 2 + 4.5
    canvas.text(NAMES, base, f"#{review.number}", "text name", room=60)
    canvas.text(_LEFT - 16, base, f"{review.at.day} {review.at:%b %Y}", "small soft end")
    canvas.text(right, base, review.outcome, "text", room=_OUTCOME)
    _bars(canvas, scale, review, middle)
    found = clusters(((scale.x(mark.at - review.at), mark) for mark in review.marks), _GAP)
    for cluster in found:
        canvas.mark(cluster, middle)
    for cluster in found:
        alike = sum(mark.sign is cluster.worst.sign for mark in cluster.marks)
        if alike > 1 and cluster.worst.sign in (Sign.FAILED, Sign.DECLINED):
            canvas.text(cluster.x + 9, base, f"{alike}×", "small", anyway=False)
    stops = [cluster.x for cluster in found]
    if review.held:
        words = f"held {_long(review.held)}"
        end = scale.x(review.held)
        _write(canvas, base, words, [*(x for x in stops if x < end), end])
    if review.adjustments:
        words = " · ".join(mark.label for mark in review.adjustments)
        start = scale.x(review.adjustments[0].at - review.at)
        _write(canvas, base, words, [*(x for x in stops if x > start - _GAP), right])


def _bars(canvas: Canvas, scale: Aftermath, review: Review, middle: float) -> None:
    top, number = middle - _BAR / 2, review.number
    start, released = scale.x(timedelta(0)), scale.x(review.held)
    if review.held:
        with canvas.event([f"Invoice #{number} is held for {_long(review.held)}"]):
            canvas.bar("edge hold", start, top, released, _BAR)
            canvas.bar("hatched", start, top, released, _BAR)
    if review.runs is None:
        return
    end = scale.x(review.runs - review.at)
    if end > released and review.attempts:
        with canvas.event([f"Every hook is acknowledged. Invoice #{number} waits for its execution"]):
            canvas.bar("edge wait", released, top, end, _BAR)
    if review.tried_until is not None:
        canvas.line("again", end, middle, scale.x(review.tried_until - review.at), middle)


def _write(canvas: Canvas, base: float, words: str, stops: list[float]) -> None:
    """Write text into the first gap between two stops that is wide enough, or else into the widest gap.

    `stops` are x positions, in order.
    """
    gaps = [(start + 12, end - 10) for start, end in pairwise(stops)]
    wanted = width(words, SIZES["small"])
    widest = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0.0, 0.0))
    left, right = next((gap for gap in gaps if gap[1] - gap[0] >= wanted), widest)
    canvas.text(left, base, words, "small", room=right - left, anyway=False)


def _long(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    parts = ((days, "d"), (hours, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "less than a minute"
