"""The commands, each in a file of its own."""

from typing import Annotated

import typer

import tallyhook
from tallyhook_mock.cli import demo, mock

__all__ = ["app"]

app = typer.Typer(
    name="tallyhook",
    help="Tally usage, hook the invoice: tools around Cheddar's billing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("mock")(mock.mock)
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tallyhook {tallyhook.__version__}")
        raise typer.Exit


@app.callback()
def tallyhook_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tally usage, hook the invoice: tools around Cheddar's billing."""
