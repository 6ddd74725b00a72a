"""`tallyhook clock`: looking at the mock's time, and moving it."""

from typing import Annotated, Any

import typer

from tallyhook_mock.cli.remote import URL, MockUrl, Remote
from tallyhook_receiver.cli.output import Json, grid, moment, print_json, table

__all__ = ["clock"]

clock = typer.Typer(help="Look at a running mock's clock, and move it.", no_args_is_help=True)


@clock.command()
def show(url: MockUrl = URL, as_json: Json = False) -> None:
    """What time it is.

    Example: tallyhook clock show --json
    """
    _print(Remote(url).get("/clock"), as_json)


@clock.command()
def advance(
    by: Annotated[str, typer.Argument(metavar="DURATION", help="1mo, 36d, 2w, 1h, 15min, 90s, 1d12h, P1M.")],
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Move it by a duration; all that is due on the way is done, each thing at its moment.

    Example: tallyhook clock advance 1mo
    """
    _move(url, {"advance": by}, as_json)


@clock.command()
def to(
    date: Annotated[str, typer.Argument(metavar="DATE", help="ISO 8601; UTC unless it says otherwise.")],
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Move it to a moment in the future.

    Example: tallyhook clock to 2026-02-01T09:00
    """
    _move(url, {"to": date}, as_json)


@clock.command()
def real(url: MockUrl = URL, as_json: Json = False) -> None:
    """Let it run with real time, from where it is.

    Example: tallyhook clock real
    """
    _print(Remote(url).post("/clock", {"mode": "real"}), as_json)


@clock.command()
def frozen(url: MockUrl = URL, as_json: Json = False) -> None:
    """Have it stand still until it is moved.

    Example: tallyhook clock frozen
    """
    _print(Remote(url).post("/clock", {"mode": "frozen"}), as_json)


def _move(url: str, wish: dict[str, str], as_json: bool) -> None:
    shown = Remote(url).post("/clock", wish)
    _print(shown, as_json)
    if not as_json:
        rows = [(kind, str(count)) for kind, count in sorted(shown["events"].items())]
        table(("what happened", ">times"), rows, empty="Nothing was due on the way.")


def _print(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
    else:
        grid([("clock", f"{moment(shown['now'])} UTC, {shown['mode']}")])
