"""Writes commands.md from the command line itself: `python docs/commands.py`."""

from pathlib import Path

import click

from tallyhook_mock.cli.app import commands
from tallyhook_receiver.cli.command import Command

HEAD = """\
# Commands

Look up any `tallyhook` command here: what it does, its parameters, its defaults.

`pip install 'tallyhook[mock]'` installs all of them. `pip install 'tallyhook[receiver]'` installs `verify`, `doctor` and
`inbox`, so these are available wherever a receiver runs.

**Which mock.** Commands that inspect or control a running mock connect to `--mock URL`, else to the URL in the variable
`TALLYHOOK_MOCK`, else to `http://127.0.0.1:8421`. They use its [control API](catalog.md#the-control-api), which answers
requests from the same machine only.

**Output.** Tables on a terminal, tab-separated columns in a pipe, JSON with `--json`. Errors go to stderr, one line each.

**Exit status.** 0: all is well. 1: what you asked about is bad, for example an unknown customer or a wrong signature.
2: the command was called wrongly, or nothing answers.

**Short forms.** `clock`, `customers`, `hooks`, `listeners`, `faults`, `snapshot` and `inbox` without a subcommand do the
same as `show` or `list`.

**Completion.** `tallyhook completion bash >> ~/.bashrc` (or `zsh`, `fish`) lets the shell complete commands, options,
hook types, and the customers, products, hooks and listeners of a running mock.

[commands.py](commands.py) writes this page from the code.
"""


def document() -> str:
    return HEAD + "".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Command) -> str:
    context = click.Context(command, info_name=name)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    usage = [name, *(each.make_metavar(context) for each in arguments), *(["[OPTIONS]"] if options else [])]
    parts = ["", f"## {name}", "", "```text", " ".join(usage), "```", "", command.help or "", ""]
    if command.examples:
        parts += ["For example:", "", "```sh", *command.examples, "```", ""]
    rows = [(each.make_metavar(context).replace("|", "\\|"), each.help or "") for each in arguments]
    rows += [(_option(each, context), _about(each)) for each in options]
    if rows:
        table = [f"| `{left}` | {right} |" for left, right in rows]
        parts += ["| parameter | what it does |", "|---|---|", *table, ""]
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
