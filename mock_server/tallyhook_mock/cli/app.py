"""The commands, each in a file of its own, which is loaded when it is asked for.

Those for a receiver run where it runs, with its own extra.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group

import tallyhook

__all__ = ["COMMANDS", "app", "everything"]


class Command(NamedTuple):
    """`module:name` of a function or of a group, and what `--help` says in its line.

    Where a number below 0 may be an argument, what looks like an option is taken for one.
    """

    home: str
    about: str
    takes_negative: bool = False


_HERE, _RECEIVER = "tallyhook_mock.cli", "tallyhook_receiver.cli"
COMMANDS = {
    "mock": Command(f"{_HERE}.mock:mock", "Serve the billing systems on this machine."),
    "demo": Command(f"{_HERE}.demo:demo", "Play one billing period, to watch."),
    "seed": Command(f"{_HERE}.seed:seed", "Make many customers."),
    "schema": Command(f"{_HERE}.seed:schema", "Print the JSON Schema of a catalogue."),
    "rules": Command(f"{_HERE}.rules:rules", "What no source is sure of about Cheddar."),
    "customers": Command(f"{_HERE}.customers:customers", "List, add and edit customers."),
    "charge": Command(f"{_HERE}.billing:charge", "Charge or credit a customer.", takes_negative=True),
    "usage": Command(f"{_HERE}.billing:usage", "Set or add what a customer has used."),
    "bill": Command(f"{_HERE}.billing:bill", "Play a customer's period to its end."),
    "run": Command(f"{_HERE}.billing:run", "Run a customer's outstanding invoice now."),
    "invoice": Command(f"{_HERE}.invoice:invoice", "Show an invoice."),
    "timeline": Command(f"{_HERE}.timeline:timeline", "Show what happened to a customer."),
    "forecast": Command(f"{_HERE}.forecast:forecast", "Show what a customer will be billed next."),
    "calls": Command(f"{_HERE}.calls:calls", "Show what was asked of the billing APIs."),
    "conform": Command(f"{_HERE}.conform:conform", "Find out which rules a server follows."),
    "record": Command(f"{_HERE}.record:record", "Keep what passes between an application and a service."),
    "compare": Command(f"{_HERE}.record:compare", "Play recorded calls on a mock, and show what differs."),
    "listen": Command(f"{_HERE}.listen:listen", "Print hooks as they arrive."),
    "trigger": Command(f"{_HERE}.trigger:trigger", "Send a signed hook."),
    "verify": Command(f"{_RECEIVER}.verify:verify", "Verify the signature of a saved hook."),
    "doctor": Command(f"{_RECEIVER}.doctor:doctor", "Examine what a receiver needs."),
    "clock": Command(f"{_HERE}.clock:clock", "Show the mock's clock, and move it."),
    "hooks": Command(f"{_HERE}.hooks:hooks", "List, retry, replay and give up hooks."),
    "listeners": Command(f"{_HERE}.listeners:listeners", "Say where hooks are sent."),
    "faults": Command(f"{_HERE}.faults:faults", "Make things go wrong on purpose."),
    "snapshot": Command(f"{_HERE}.snapshot:snapshot", "Save the mock's world, and go back to it."),
    "inbox": Command(f"{_RECEIVER}.inbox:inbox", "Look after a receiver's inbox."),
}


class _Commands(TyperGroup):
    """Each command is imported when it is called: none waits for what another one needs."""

    # The parameters' types are typer's own and not public.
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return get_group(_only({cmd_name: COMMANDS[cmd_name]})).commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.about) for name, command in COMMANDS.items()])


app = typer.Typer(
    name="tallyhook",
    cls=_Commands,
    help="Tally usage, hook the invoice: tools around Cheddar's billing.",
    no_args_is_help=True,
    rich_markup_mode=None,  # its tables cut the names of options
    pretty_exceptions_enable=False,
)


def everything() -> typer.Typer:
    """All commands, loaded: for the page that describes them."""
    return _only(COMMANDS)


def _only(commands: dict[str, Command]) -> typer.Typer:
    made = typer.Typer(rich_markup_mode=None)
    for name, command in commands.items():
        module, _, attribute = command.home.partition(":")
        found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            made.add_typer(found, name=name)
        else:
            settings = {"ignore_unknown_options": command.takes_negative}
            made.command(name, context_settings=settings)(found)
    return made


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
