"""The base classes of all commands, and `fail`."""

import inspect
import sys
from typing import Any, NoReturn

import click

# Exit codes: the result is bad; the command was called wrongly or could not run.
BAD, USAGE = 1, 2

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Command(click.Command):
    """A command. Paragraphs of its docstring that start with `Example: ` are shown last in its help."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        paragraphs = inspect.cleandoc(self.help or "").split("\n\n")
        self.examples = [each.removeprefix("Example: ") for each in paragraphs if _is_example(each)]
        self.help = "\n\n".join(each for each in paragraphs if not _is_example(each))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("Example: ")


class Group(click.Group):
    """A group of commands. Without a subcommand it runs `default`, if there is one."""

    command_class = Command

    def __init__(self, *arguments: Any, default: str | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands, in the order of their declaration."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_without = not args or (args[0].startswith("-") and args[0] != "--help")
        # During shell completion, the name may not be typed yet.
        if self.default and is_without and not ctx.resilient_parsing:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def fail(why: str, code: int) -> NoReturn:
    """Print one line to stderr, and exit with this code."""
    sys.stderr.write(f"tallyhook: {why}\n")
    sys.exit(code)
