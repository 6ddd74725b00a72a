"""Environment variables: each one that is mentioned is read, and each one that is read is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

from tallyhook_mock.cli.app import commands
from tallyhook_receiver.settings import PREFIX, SETTINGS, read

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ROOMS = ("docs", "examples", "sdk", "receiver", "mock_server")
FILES = {".py", ".md", ".yaml", ".service", ".env", ".toml", ".html", ""}

SETTING = {f"{PREFIX}{setting.name}" for setting in SETTINGS}
# Only developers of this project set these.
OWN = re.compile(r"""os\.environ(?:\.get\(|\[)"(TALLYHOOK_\w+)"|"(TALLYHOOK_\w+)" in os\.environ""")


def options() -> set[str]:
    """The variables of the commands' options."""
    found = (each.envvar for _, command in commands() for each in command.params)
    return {name for name in found if isinstance(name, str)}


def own() -> set[str]:
    files = [file for room in ("tests", "benchmarks") for file in (ROOT / room).rglob("*.py")]
    return {one or other for file in files for one, other in OWN.findall(file.read_text("utf-8"))}


def texts() -> Iterator[Path]:
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile"))
    for room in ROOMS:
        yield from (file for file in (ROOT / room).rglob("*") if file.is_file() and file.suffix in FILES)


def named(text: str) -> set[str]:
    return {name.rstrip("_") for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*", text)}


def test_what_is_named_is_read() -> None:
    known = SETTING | {f"{name}_FILE" for name in SETTING} | options() | own()
    unread = {file.name: named(file.read_text("utf-8")) - known for file in texts()}
    assert len(unread) > 100
    assert {name: names for name, names in unread.items() if names} == {}


def test_what_is_read_is_documented() -> None:
    read_by_commands = options()
    assert len(read_by_commands) >= 2
    assert read_by_commands <= named((DOCS / "commands.md").read_text("utf-8"))
    assert named((DOCS / "operations.md").read_text("utf-8")) >= SETTING


def test_a_receiver_takes_none_of_them_for_a_mistake() -> None:
    assert read(dict.fromkeys(options() | SETTING, "")).unknown == {}
