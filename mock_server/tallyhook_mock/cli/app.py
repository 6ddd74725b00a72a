"""The commands, each in a file of its own.

Those for a receiver run where it runs, with its own extra: nothing here imports at its top what only a mock
needs.
"""

from typing import Annotated

import typer

import tallyhook
from tallyhook_mock.cli import (
    clock,
    conform,
    customers,
    demo,
    faults,
    forecast,
    hooks,
    invoice,
    listen,
    listeners,
    mock,
    record,
    rules,
    seed,
    snapshot,
    timeline,
    trigger,
)
from tallyhook_receiver.cli import doctor, inbox, verify

__all__ = ["app"]

app = typer.Typer(
    name="tallyhook",
    help="Tally usage, hook the invoice: tools around Cheddar's billing.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("mock")(mock.mock)
app.command("demo")(demo.demo)
app.command("seed")(seed.seed)
app.command("schema")(seed.schema)
app.command("rules")(rules.rules)
app.add_typer(conform.conform, name="conform")
app.command("record")(record.record)
app.command("compare")(record.compare)
app.add_typer(clock.clock, name="clock")
app.command("customers")(customers.customers)
app.command("invoice")(invoice.invoice)
app.command("timeline")(timeline.timeline)
app.command("forecast")(forecast.forecast)
app.command("listen")(listen.listen)
app.command("trigger")(trigger.trigger)
app.add_typer(hooks.hooks, name="hooks")
app.add_typer(listeners.listeners, name="listeners")
app.add_typer(faults.faults, name="faults")
app.add_typer(snapshot.snapshot, name="snapshot")
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(inbox.inbox, name="inbox")


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
