"""The `tallyhook` commands. A command's module is imported only when the command is used.

The commands for a receiver are in `tallyhook_receiver.cli`, so they also work if the packages that the mock
needs are not installed.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

import click

import tallyhook
from tallyhook_receiver.cli.command import Command, Group

__all__ = ["app", "commands"]


class Place(NamedTuple):
    """Where a command or group is defined, as `module:name`, and its line in `tallyhook --help`."""

    home: str
    about: str


_HERE, _RECEIVER = "tallyhook_mock.cli", "tallyhook_receiver.cli"
_PLACES = {
    "mock": Place(f"{_HERE}.mock:mock", "Run the mock billing server."),
    "demo": Place(f"{_HERE}.demo:demo", "Show one billing period from start to end."),
    "seed": Place(f"{_HERE}.catalog:seed", "Create many customers."),
    "schema": Place(f"{_HERE}.catalog:schema", "Print the JSON Schema of a catalogue."),
    "rules": Place(f"{_HERE}.catalog:rules", "Show which of Cheddar's rules are uncertain."),
    "customers": Place(f"{_HERE}.customers:customers", "List, add and edit customers."),
    "charge": Place(f"{_HERE}.billing:charge", "Charge or credit a customer."),
    "usage": Place(f"{_HERE}.billing:usage", "Set a customer's usage, or add to it."),
    "bill": Place(f"{_HERE}.billing:bill", "Bill a customer for the current period."),
    "run": Place(f"{_HERE}.billing:run", "Run a customer's outstanding invoice now."),
    "invoice": Place(f"{_HERE}.billing:invoice", "Show an invoice."),
    "timeline": Place(f"{_HERE}.timeline:timeline", "Show a customer's history."),
    "forecast": Place(f"{_HERE}.timeline:forecast", "Show what a customer will be billed next."),
    "calls": Place(f"{_HERE}.calls:calls", "Show the calls to the billing APIs."),
    "conform": Place(f"{_HERE}.conform:conform", "Find out how a server applies Cheddar's uncertain rules."),
    "record": Place(f"{_HERE}.record:record", "Record an application's calls to a billing service."),
    "compare": Place(f"{_HERE}.record:compare", "Repeat recorded calls on a mock, and show what differs."),
    "listen": Place(f"{_HERE}.listen:listen", "Print hooks as they arrive."),
    "trigger": Place(f"{_HERE}.hooks:trigger", "Send a signed hook."),
    "verify": Place(f"{_RECEIVER}.verify:verify", "Verify the signature of a saved hook."),
    "doctor": Place(f"{_RECEIVER}.doctor:doctor", "Check a receiver's settings and environment."),
    "clock": Place(f"{_HERE}.clock:clock", "Show or move the mock's clock."),
    "hooks": Place(f"{_HERE}.hooks:hooks", "List, retry, replay and cancel hooks."),
    "listeners": Place(f"{_HERE}.listeners:listeners", "List and change the listeners that get hooks."),
    "faults": Place(f"{_HERE}.faults:faults", "Make calls and hooks fail on purpose."),
    "snapshot": Place(f"{_HERE}.snapshot:snapshot", "Save and restore the mock's state."),
    "inbox": Place(f"{_RECEIVER}.inbox:inbox", "Show a receiver's hooks, and retry or resolve them."),
    "completion": Place(f"{_HERE}.completion:completion", "Print a script for shell completion."),
}


class _Commands(Group):
    """The group of all commands. It imports a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _load(cmd_name) if cmd_name in _PLACES else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_PLACES, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.about) for name, place in _PLACES.items()])


@click.group("tallyhook", cls=_Commands, context_settings={"show_default": True, "max_content_width": 100})
@click.version_option(tallyhook.__version__, message="tallyhook %(version)s")
def app() -> None:
    """Test billing code against a mock billing server, and inspect a hook receiver."""


def commands() -> Iterator[tuple[str, Command]]:
    """Yield each command with its full name, such as `tallyhook clock show`."""
    for name in _PLACES:
        yield from _below(f"tallyhook {name}", _load(name))


def _below(name: str, found: click.Command) -> Iterator[tuple[str, Command]]:
    if isinstance(found, click.Group):
        for word, command in found.commands.items():
            yield from _below(f"{name} {word}", command)
    elif isinstance(found, Command):
        yield name, found


def _load(name: str) -> click.Command:
    module, _, attribute = _PLACES[name].home.partition(":")
    found: click.Command = getattr(import_module(module), attribute)
    return found
