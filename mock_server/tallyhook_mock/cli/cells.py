"""Formats the mock's states, times and ids for people to read."""

from datetime import datetime

from rich.text import Text

_COLOURS = {
    "active": "green",
    "approved": "green",
    "delivered": "green",
    "paid": "green",
    "open": "cyan",
    "sending": "cyan",
    "released": "yellow",
    "unpaid": "red",
    "held": "yellow",
    "paused": "yellow",
    "pending": "yellow",
    "declined": "red",
    "failed": "red",
}


def state(word: str) -> Text:
    """Return a state's name in its colour."""
    return Text(word, _COLOURS.get(word, "dim"))


def moment(written: str | None) -> str:
    """Return a UTC time in the format `2026-02-01 00:00:00`, or `""` for None."""
    return "" if written is None else f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M:%S}"


def short(id: str) -> str:
    """Shorten an id to the part before its first hyphen, which is enough for people to tell ids apart."""
    return id.partition("-")[0]
