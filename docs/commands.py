"""Writes commands.md from the command line itself: `python docs/commands.py`."""

import inspect
import types
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from tallyhook_mock.cli.app import everything

app = everything()

HEAD = """\
# Commands

`pip install 'tallyhook[mock]'` brings the command `tallyhook`; for `verify`, `doctor` and `inbox` the extra
`[receiver]` is enough, so they are there wherever a receiver runs. Those that look at a running mock, or have
it do something, find it by `--mock URL` or the variable `TALLYHOOK_MOCK`, else at `http://127.0.0.1:8421`;
they talk to its [control API](catalog.md#the-control-api), which answers on the same machine only.

On a terminal there are tables, with `--json` there is JSON. A command ends with 0 if all is well, with 1 if
what it was asked about is bad (no such customer, a signature that does not fit), and with 2 if it was called
wrongly or nothing answers. What went wrong is one line on the error stream.
`tallyhook --install-completion` has the shell complete commands, options, types of hooks, and what a
running mock has: customers, products, hooks, listeners.

[commands.py](commands.py) writes this page from the code.
"""


class Parameter(NamedTuple):
    """One parameter of a command: its Python name and type, what typer is told, and its default."""

    name: str
    type: Any
    info: ArgumentInfo | OptionInfo
    default: Any


def document() -> str:
    return HEAD + "".join(_section(name, command) for name, command in _commands(app, "tallyhook"))


def _commands(group: typer.Typer, above: str) -> Iterator[tuple[str, Callable[..., None]]]:
    """Every command by its full name, in the order of `--help`."""
    for each in group.registered_commands:
        assert each.callback is not None
        yield f"{above} {each.name or each.callback.__name__.replace('_', '-')}", each.callback
    for below in group.registered_groups:
        assert below.typer_instance is not None
        yield from _commands(below.typer_instance, f"{above} {below.name}")


def _parameters(command: Callable[..., None]) -> Iterator[Parameter]:
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        yield Parameter(name, *get_args(hints[name]), parameter.default)


def _section(name: str, command: Callable[..., None]) -> str:
    parameters = list(_parameters(command))
    arguments = [each for each in parameters if isinstance(each.info, ArgumentInfo)]
    options = [each for each in parameters if isinstance(each.info, OptionInfo)]
    usage = [name, *(_argument(each) for each in arguments), *(["[OPTIONS]"] if options else [])]
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    text = [each for each in paragraphs if not each.startswith("Example: ")]
    examples = [each.removeprefix("Example: ") for each in paragraphs if each.startswith("Example: ")]
    parts = ["", f"## {name}", "", "```text", " ".join(usage), "```", "", "\n\n".join(text), ""]
    if examples:
        parts += ["For example:", "", "```sh", *examples, "```", ""]
    rows = [(_argument(each), each.info.help or "") for each in arguments]
    rows += [(_option(each), _about(each)) for each in options]
    if rows:
        parts += [
            "| parameter | what it does |",
            "|---|---|",
            *(f"| `{left}` | {right} |" for left, right in rows),
            "",
        ]
    return "\n".join(parts)


def _argument(each: Parameter) -> str:
    return str(each.info.metavar or each.name.upper())


def _option(each: Parameter) -> str:
    # Where the type is annotated, typer takes the first declaration for a default until the command runs.
    first = [each.info.default] if isinstance(each.info.default, str) else []
    names = ", ".join([*first, *(each.info.param_decls or ())] or [f"--{each.name.replace('_', '-')}"])
    if each.type is bool:
        return names
    return f"{names} {each.info.metavar or _value(each.type)}".replace("|", "\\|")


def _value(wanted: Any) -> str:
    """What stands for a value of this type."""
    if get_origin(wanted) in (types.UnionType, list):
        (wanted,) = (_bare(inner) for inner in get_args(wanted) if inner is not type(None))
        return _value(wanted)
    if issubclass(wanted, Enum):
        return "|".join(str(member.value) for member in wanted)
    return {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}[wanted]


def _bare(wanted: Any) -> Any:
    return get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted


def _about(each: Parameter) -> str:
    notes = []
    if isinstance(each.info.show_default, str):
        notes.append(each.info.show_default)
    elif each.default is inspect.Parameter.empty:
        notes.append("required")
    elif each.default not in (None, "", False):
        notes.append(f"`{each.default}`")
    if each.info.envvar:
        notes.append(f"or the variable `{each.info.envvar}`")
    return " ".join([each.info.help or "", *([f"({', '.join(notes)})"] if notes else [])])


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(document(), "utf-8")
