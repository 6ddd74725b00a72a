"""What is written about the commands: the page is the code's, and every command has its help."""

import runpy
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tallyhook_mock.cli.app import app, commands

from .command import run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "commands.py"))


COMMANDS = dict(commands())


def test_the_page_of_commands_is_current(page: dict[str, Any]) -> None:
    assert (DOCS / "commands.md").read_text("utf-8") == page["document"](), "run python docs/commands.py"


def test_every_command_has_an_example_that_names_it() -> None:
    without = {
        name
        for name, command in COMMANDS.items()
        if not any(each.startswith(name) for each in command.examples)
    }
    assert without == {"tallyhook demo"}  # which takes nothing


def test_every_command_has_something_to_say_to_programs() -> None:
    without = {
        name for name, command in COMMANDS.items() if "as_json" not in {each.name for each in command.params}
    }
    # A story for people, servers, what is JSON or a script anyway, and what says that it is done.
    silent = {"demo", "mock", "record", "schema", "completion", "conform clean"}
    assert without == {f"tallyhook {name}" for name in silent}


def test_every_option_and_argument_has_its_help() -> None:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)


def test_every_command_of_the_page_is_one_of_the_installed() -> None:
    told = run("--help").stdout
    assert {name.split()[1] for name in COMMANDS} <= set(told.split())
    shown = run("hooks", "replay", "--help").stdout
    assert shown.startswith("Usage: tallyhook hooks replay")
    assert "\n  tallyhook hooks replay 1e39d028\n" in shown


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_help_shows_the_names_of_options_and_the_examples_whole(columns: int) -> None:
    for name, command in COMMANDS.items():
        shown = CliRunner().invoke(app, [*name.split()[1:], "--help"], terminal_width=columns).output
        options = [each for each in command.params if isinstance(each, click.Option)]
        for name in (name for option in options for name in (*option.opts, *option.secondary_opts)):
            assert name in shown
        for example in command.examples:
            assert f"  {example}\n" in shown
