"""`tallyhook clock`: show or move the mock's clock."""

from typing import Any

import click

from tallyhook_mock.cli.cells import moment
from tallyhook_mock.cli.remote import Remote, mock_option
from tallyhook_receiver.cli.command import Group, json_option
from tallyhook_receiver.cli.output import grid, print_json, table

__all__ = ["clock"]


@click.group(cls=Group, default="show")
def clock() -> None:
    """Show or move a running mock's clock."""


@clock.command()
@mock_option
@json_option
def show(url: str, as_json: bool) -> None:
    """Show the mock's time, and whether the clock is running or frozen.

    Example: tallyhook clock show --json
    """
    _print(Remote(url).get("/clock"), as_json)


@clock.command()
@click.argument(
    "by",
    metavar="DURATION",
    help="How far to move the clock, such as 1mo, 36d, 2w, 1h, 15min, 90s, 1d12h or P1M.",
)
@mock_option
@json_option
def advance(by: str, url: str, as_json: bool) -> None:
    """Move the clock forward by a duration. Events that become due happen in order, each at its own time.

    Example: tallyhook clock advance 1mo
    """
    _move(url, {"advance": by}, as_json)


@clock.command()
@click.argument("date", metavar="DATE", help="The time in ISO 8601 format; UTC unless it has a time zone.")
@mock_option
@json_option
def to(date: str, url: str, as_json: bool) -> None:
    """Move the clock forward to a time.

    Example: tallyhook clock to 2026-02-01T09:00
    """
    _move(url, {"to": date}, as_json)


@clock.command()
@mock_option
@json_option
def real(url: str, as_json: bool) -> None:
    """Let the clock run at the speed of real time, from its current time.

    Example: tallyhook clock real
    """
    _print(Remote(url).post("/clock", {"mode": "real"}), as_json)


@clock.command()
@mock_option
@json_option
def frozen(url: str, as_json: bool) -> None:
    """Stop the clock. It then moves only when a command or call moves it.

    Example: tallyhook clock frozen
    """
    _print(Remote(url).post("/clock", {"mode": "frozen"}), as_json)


def _move(url: str, wish: dict[str, str], as_json: bool) -> None:
    shown = Remote(url).post("/clock", wish)
    _print(shown, as_json)
    if not as_json:
        rows = [(kind, str(count)) for kind, count in sorted(shown["events"].items())]
        table(("event", ">times"), rows, empty="Nothing was due in this time.")


def _print(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        grid([("clock", f"{moment(shown['now'])} UTC, {shown['mode']}")])
