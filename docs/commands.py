"""Writes commands.md from the command line itself: `python docs/commands.py`."""

from pathlib import Path

import click

from tallyhook_mock.cli.app import commands
from tallyhook_receiver.cli.command import Command

HEAD = """\
# Commands

`pip install 'tallyhook[mock]'` brings the command `tallyhook`; for `verify`, `doctor` and `inbox` the extra
`[receiver]` is enough, so they are there wherever a receiver runs. Those that look at a running mock, or have
it do something, find it by `--mock URL` or the variable `TALLYHOOK_MOCK`, else at `http://127.0.0.1:8421`;
they talk to its [control API](catalog.md#the-control-api), which answers on the same machine only.

On a terminal there are tables, with `--json` there is JSON, in a pipe the columns are separated by tabs. A
command ends with 0 if all is well, with 1 if what it was asked about is bad (no such customer, a signature
that does not fit), and with 2 if it was called wrongly or nothing answers. What went wrong is one line on the
error stream. `tallyhook completion bash >> ~/.bashrc` (or `zsh`, `fish`) has the shell complete commands,
options, types of hooks, and what a running mock has: customers, products, hooks, listeners.

`clock`, `customers`, `hooks`, `listeners`, `faults`, `snapshot` and `inbox` alone show what there is, as with
`show` or `list`.

[commands.py](commands.py) writes this page from the code.
"""


def document() -> str:
    return HEAD + "".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Command) -> str:
    context = click.Context(command, info_name=name)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    usage = [name, *(each.make_metavar(context) for each in arguments), *(["[OPTIONS]"] if options else [])]
    parts = ["", f"## {name}", "", "```", " ".join(usage), "```", "", command.help or "", ""]
    if command.examples:
        parts += ["For example:", "", "```", *command.examples, "```", ""]
    rows = [(each.make_metavar(context), each.help or "") for each in arguments]
    rows += [(_option(each, context), _about(each)) for each in options]
    if rows:
        parts += ["| | |", "|---|---|", *(f"| `{left}` | {right} |" for left, right in rows), ""]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(option.opts) + "".join(f"/{each}" for each in option.secondary_opts)
    if option.is_flag:
        return names
    return f"{names} {_value(option, context)}".replace("|", "\\|")


def _value(option: click.Option, context: click.Context) -> str:
    """What stands for a value of this type."""
    named = {"integer": "N", "integer range": "N", "float": "NUMBER", "float range": "NUMBER"}
    written = option.metavar or named.get(option.type.name) or option.make_metavar(context)
    return written.strip("[]")


def _about(option: click.Option) -> str:
    notes = []
    if isinstance(option.show_default, str):
        notes.append(option.show_default)
    elif option.required:
        notes.append("required")
    elif option.to_info_dict()["default"] not in (None, "", False):
        notes.append(f"`{option.default}`")
    if option.envvar:
        notes.append(f"or the variable `{option.envvar}`")
    return " ".join([option.help or "", *([f"({', '.join(notes)})"] if notes else [])])


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(document(), "utf-8")
