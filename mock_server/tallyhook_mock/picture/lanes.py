"""The upper part of a picture: plan, periods, quantities, hooks, charges and payments on one time scale."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.picture.canvas import REACH, Canvas, Cluster, clusters
from tallyhook_mock.picture.scale import Axis
from tallyhook_mock.picture.story import Lane, Mark, Row, Sign, Story, Tally

__all__ = ["NAMES", "TO_COME", "draw_lanes"]

# The x and the width of the names of lanes, in pixels.
NAMES, _NAME_ROOM = 24.0, 100.0
_LEFT, _MARGIN = 136.0, 24.0
_MOST_ROWS, _MOST_TALLIES = 8, 4
# The state of a period with a forecast invoice, and the states that are not written on a period.
TO_COME = "coming"
_ORDINARY = ("paid", "current")
# The heights of the lanes, in pixels.
PLANS, PERIODS, TALLY, MARKS = 36.0, 50.0, 60.0, 30.0


def draw_lanes(canvas: Canvas, story: Story, y: float) -> float:
    """Draw the lanes from `y` downwards. Returns the y at which the next part may begin."""
    axis = Axis(story.start, story.end, _LEFT, canvas.width - _MARGIN)
    lanes = _Lanes(canvas, story, axis)
    y = lanes.ticks(y)
    rows, tallies = story.rows[:_MOST_ROWS], story.tallies[:_MOST_TALLIES]
    height = PERIODS * len(rows) + TALLY * len(tallies) + MARKS * len(story.lanes)
    lanes.grid(y, y + (PLANS if story.plans else 0) + height)
    if story.plans:
        y = lanes.plans(y)
    for row in rows:
        y = lanes.periods(row, y)
    for tally in tallies:
        y = lanes.tally(tally, y)
    for lane in story.lanes:
        y = lanes.marks(lane, y)
    for left_out, words in (
        (len(story.rows) - len(rows), "periods"),
        (len(story.tallies) - len(tallies), "quantities"),
    ):
        if left_out:
            canvas.text(_LEFT, y + 14, f"{words} of {left_out} more items are not shown", "small soft")
            y += 22
    return y


class _Lanes:
    def __init__(self, canvas: Canvas, story: Story, axis: Axis) -> None:
        self.canvas = canvas
        self.story = story
        self.axis = axis
        self._ticks = list(axis.ticks())

    def ticks(self, y: float) -> float:
        canvas, now = self.canvas, self.axis.x(self.story.now)
        words = f"now, {self.story.now.day} {self.story.now:%B %Y %H:%M}"
        side = "small end" if now > canvas.width / 2 else "small"
        canvas.text(now, y + 12, words, f"{side} name")
        for tick in reversed(self._ticks):  # leave out the first label if it would overlap the next one
            canvas.text(tick.x + 4, y + 12, tick.context, "small soft name", anyway=False)
            canvas.text(tick.x + 4, y + 28, tick.label, "small soft", anyway=False)
        return y + 34

    def grid(self, top: float, bottom: float) -> None:
        for tick in self._ticks:
            self.canvas.line("grid", tick.x, top - 18, tick.x, bottom)
        now = self.axis.x(self.story.now)
        self.canvas.line("now", now, top - 18, now, bottom)

    def plans(self, y: float) -> float:
        canvas = self.canvas
        canvas.text(NAMES, y + 19, "Plan", "text name", room=_NAME_ROOM)
        for place, plan in enumerate(self.story.plans):
            left, right = self._x(plan.start), self._x(plan.end)
            with canvas.event([plan.title]):
                canvas.bar("edge plan next" if place % 2 else "edge plan", left, y + 3, right, 24)
        for pause in self.story.pauses:
            left, right = self._x(pause.start), self._x(pause.end)
            with canvas.event([pause.title]):
                canvas.bar("edge pause", left, y + 3, right, 24)
        turns = self._clusters(self.story.turns)
        for cluster in turns:
            canvas.mark(cluster, y + 15)
        for span in (*self.story.plans, *self.story.pauses):
            left, right = self._x(span.start) + 12, self._x(span.end) - 8
            right = min([right, *(turn.x - 12 for turn in turns if turn.x > left)])
            canvas.text(left, y + 19.5, span.label, "text", room=right - left, anyway=False)
        return y + PLANS

    def periods(self, row: Row, y: float) -> float:
        canvas = self.canvas
        canvas.text(NAMES, y + 17, row.name, "text name", room=_NAME_ROOM)
        canvas.text(NAMES, y + 33, row.note, "small soft", room=_NAME_ROOM)
        for period in row.periods:
            left, right = self._x(period.start), self._x(period.end)
            if right <= left:
                continue
            with canvas.event([period.title]):
                canvas.bar(f"edge period {period.state}", left + 1, y + 2, right - 1, 38)
                middle, room = (left + right) / 2, right - left - 6
                name = "not billed" if period.number is None else f"#{period.number}"
                name += "" if period.state in _ORDINARY else f" {period.state}"
                name = "upcoming" if period.state == TO_COME else name
                canvas.text(middle, y + 16, name, "small soft middle", room=room, anyway=False)
                total = _amount(period.total)
                canvas.text(middle, y + 34, total, "text middle", room=room, anyway=False)
        return y + PERIODS

    def tally(self, tally: Tally, y: float) -> float:
        canvas, bottom = self.canvas, y + TALLY - 12
        quantities = [step.quantity for step in tally.steps] + [count.quantity for count in tally.billed]
        most = max(quantities, default=Decimal(0))
        canvas.text(NAMES, bottom - 18, tally.item, "text name", room=_NAME_ROOM)
        largest = max((most, *(count.quantity for count in tally.updates)))
        canvas.text(
            NAMES, bottom - 2, f"{tally.measure} {quantity_text(largest)}", "small soft", room=_NAME_ROOM
        )

        def level(quantity: Decimal) -> float:
            return bottom - 30 * float(quantity / most if most else most)

        for step in tally.steps:
            canvas.area("under", self._x(step.start), level(step.quantity), self._x(step.end), bottom)
        path, end = "", None
        for step in tally.steps:
            left, right, at = self._x(step.start), self._x(step.end), level(step.quantity)
            path += f"{'V' if step.start == end else f'M{left:.1f} '}{at:.1f}H{right:.1f}"
            end = step.end
        canvas.add("path", "step", d=path or "M0 0")
        for counts, classes, gap in ((tally.updates, "", 7.0), (tally.billed, "billed", 13.0)):
            by_title = {count.title: count for count in counts}
            for cluster in self._clusters((Mark(c.at, Sign.USED, c.title) for c in counts), gap):
                last = by_title[cluster.marks[-1].title]
                canvas.mark(cluster, level(last.quantity), classes)
        for count in tally.billed:
            x, base = self._x(count.at) + 4, level(count.quantity) - 8
            canvas.text(x, base, quantity_text(count.quantity), "small end halo", anyway=False)
        return y + TALLY

    def marks(self, lane: Lane, y: float) -> float:
        canvas = self.canvas
        canvas.text(NAMES, y + 19, lane.name, "text name", room=_NAME_ROOM)
        found = self._clusters(lane.marks)
        for cluster in found:
            canvas.mark(cluster, y + 15)
        for cluster in found:
            canvas.text(cluster.x + 10, y + 19, _label(cluster), "small halo", anyway=False)
        return y + MARKS

    def _x(self, at: datetime) -> float:
        return self.axis.x(at)

    def _clusters(self, marks: Iterable[Mark], gap: float = 2 * REACH) -> list[Cluster]:
        return clusters(((self._x(mark.at), mark) for mark in marks), gap)


def _label(cluster: Cluster) -> str:
    """Return a cluster's label: the number of failures, or if there are none, the first mark's label."""
    sign = cluster.worst.sign
    if sign in (Sign.FAILED, Sign.DECLINED):
        return f"{sum(mark.sign is sign for mark in cluster.marks)} {sign}"
    return cluster.marks[0].label + (" …" if len(cluster.marks) > 1 and cluster.marks[0].label else "")


def _amount(amount: Decimal) -> str:
    return f"{'−' if amount < 0 else ''}{amount_text(abs(amount))}"
