"""The base classes of all commands, and `fail`, which ends a command with an error message."""

import inspect
import re
import sys
from typing import Any, NoReturn

import click

# Exit codes. BAD: the result is bad. USAGE: the command was called wrongly or couldn't run.
BAD, USAGE = 1, 2

# What is shown instead of characters that a terminal would obey: control characters, and characters that
# change the writing direction of what follows. Line breaks and tabs are kept.
CONTROL = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"
) | {ord("\r"): ""}

_NEGATIVE = re.compile(r"-[.\d]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Command(click.Command):
    """A command whose help ends with the examples in its docstring.

    An example is a paragraph that starts with `Example: `.
    """

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        paragraphs = inspect.cleandoc(self.help or "").split("\n\n")
        self.examples = [each.removeprefix("Example: ") for each in paragraphs if _is_example(each)]
        self.help = "\n\n".join(each for each in paragraphs if not _is_example(each))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `-1` or `-1d` as an argument, so that the command can say what is wrong with the value."""
        unsigned = [arg[1:] if _NEGATIVE.match(arg) else arg for arg in args]
        if unsigned != args:
            self.make_parser(ctx).parse_args(unsigned)  # still refuses any other unknown option
            ctx.ignore_unknown_options = True
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("Example: ")


class Group(click.Group):
    """A group of subcommands.

    `default` is the name of the subcommand that runs if the user doesn't name one, or None.
    """

    command_class = Command

    def __init__(self, *arguments: Any, default: str | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, in the order in which they were declared."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_without = not args or (args[0].startswith("-") and args[0] != "--help")
        # During shell completion, the subcommand may not be typed yet.
        if self.default and is_without and not ctx.resilient_parsing:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def clean(text: str) -> str:
    """Return the text without characters that a terminal would obey.

    Hooks, answers and error messages may contain anything.
    """
    return text.translate(CONTROL)


def fail(why: str, code: int) -> NoReturn:
    """Print the error message `why` to stderr, and exit with the exit code `code`."""
    sys.stderr.write(f"tallyhook: {clean(why)}\n")
    sys.exit(code)
