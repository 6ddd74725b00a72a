"""What is written about the commands: the page is the code's, and every command has its help."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .command import run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "commands.py"))


@pytest.fixture(scope="module")
def commands(page: dict[str, Any]) -> dict[str, Callable[..., None]]:
    return dict(page["_commands"](page["app"], "tallyhook"))


def test_the_page_of_commands_is_current(page: dict[str, Any]) -> None:
    assert (DOCS / "commands.md").read_text("utf-8") == page["document"](), "run python docs/commands.py"


def test_every_command_has_an_example_that_names_it(commands: dict[str, Callable[..., None]]) -> None:
    without = {name for name, does in commands.items() if f"Example: {name}" not in (does.__doc__ or "")}
    assert without == {"tallyhook demo"}  # which takes nothing


def test_every_command_has_something_to_say_to_programs(
    page: dict[str, Any], commands: dict[str, Callable[..., None]]
) -> None:
    without = {
        name
        for name, does in commands.items()
        if "as_json" not in {each.name for each in page["_parameters"](does)}
    }
    # A story for people, servers, what is JSON anyway, and what says that it is done.
    silent = {"demo", "mock", "record", "schema", "conform clean"}
    assert without == {f"tallyhook {name}" for name in silent}


def test_every_command_of_the_page_is_one_of_the_installed(commands: dict[str, Callable[..., None]]) -> None:
    told = run("--help").stdout
    assert {name.split()[1] for name in commands} <= set(told.replace("│", " ").split())
    shown = run("hooks", "replay", "--help").stdout
    assert "Usage: tallyhook hooks replay" in shown
    assert "Example: tallyhook hooks replay 1e39d028" in shown
