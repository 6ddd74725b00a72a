"""The forms to move, freeze and reset the clock, which every page shows."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from tallyhook_mock.clock import Mode, parse_moment
from tallyhook_mock.console.forms import Form, command, required
from tallyhook_mock.duration import Duration, parse_duration
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.story import words

__all__ = ["ROUTES"]


async def advance(mock: Mock, form: Form) -> str:
    """Move the clock by a duration or to a moment. Returns once everything due on the way is done."""
    happened = await mock.advance(_target(form))
    return f"It is {mock.clock.now():%Y-%m-%d %H:%M:%S}. On the way: {_listed(happened)}."


async def switch(mock: Mock, form: Form) -> str:
    mode = Mode(required(form, "mode"))
    mock.switch(mode)
    return "The clock is frozen." if mode is Mode.FROZEN else "The clock runs in real time."


async def reset(mock: Mock, form: Form) -> str:
    await mock.reset()
    return "Started over: catalogue and clock are back at their initial state."


def _target(form: Form) -> datetime | Duration:
    """Return the value of the field `to`: a duration such as `1mo` or a date such as `2026-03-01`."""
    written = required(form, "to")
    try:
        return parse_duration(written)
    except ValueError:
        pass
    try:
        return parse_moment(written)
    except ValueError:
        raise ValueError(f"{written!r} is neither a duration, such as 1h or 1mo, nor a date") from None


def _listed(happened: Mapping[str, int]) -> str:
    counts = Counter(happened).most_common()
    return ", ".join(f"{count} × {words(kind)}" for kind, count in counts) or "nothing"


ROUTES = [
    command("/clock/advance", advance),
    command("/clock/mode", switch),
    command("/reset", reset),
]
