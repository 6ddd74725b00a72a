"""docs/fusebill.md: every command on the page is run as it stands, in order, against a mock of its own."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallyhook_mock import serve
from tallyhook_mock.systems.fusebill.api import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "fusebill.md"
ADDRESS = "http://127.0.0.1:8421"
FAILED = 22  # how curl ends when it is to fail by the status
CURL = 'curl() { command curl --silent --show-error --fail-with-body --max-time 20 "$@"; }\n'


@dataclass(frozen=True)
class Example:
    """A command of the page and what of its answer is shown; None if it answers nothing."""

    line: int
    command: str
    shown: Any

    @property
    def is_refused(self) -> bool:
        return isinstance(self.shown, dict) and "Errors" in self.shown


def blocks() -> list[re.Match[str]]:
    """Those of the page, but for the command that starts the mock."""
    block = re.compile(r"^```(\w+)\n(?!tallyhook mock)(.*?)^```$", re.DOTALL | re.MULTILINE)
    return list(block.finditer(PAGE.read_text("utf-8")))


def examples() -> Iterator[Example]:
    found = [block for block in blocks() if block[1] != "toml"]
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block[1] == "sh":
            has_answer = following is not None and following[1] == "json"
            line = block.string.count("\n", 0, block.start()) + 2
            yield Example(line, block[2], json.loads(following[2]) if following and has_answer else None)


def test_every_command_answers_as_the_page_says() -> None:
    (catalog,) = (tomllib.loads(block[2]) for block in blocks() if block[1] == "toml")
    with serve(catalog, start="2026-11-01T00:00:00Z") as server:
        for example in examples():
            command = CURL + example.command.replace(ADDRESS, server.url)
            done = subprocess.run(["sh", "-e", "-c", command], capture_output=True, timeout=60)
            place = f"{PAGE.name}:{example.line}: {done.stderr.decode()}{done.stdout.decode()}"
            assert done.returncode == (FAILED if example.is_refused else 0), place
            assert is_as_shown(example.shown, json.loads(done.stdout or "null")), place


def test_every_call_stands_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    listed = re.findall(r"^\| `([A-Z]+) /v1/(\S+)` \| `(\S+)` \|", text, re.MULTILINE)
    shown = sorted((method, path.lower().replace("/id", "/{id}"), name) for method, path, name in listed)
    assert shown == sorted((method, path, name) for method, path, name, _ in ROUTES)


@pytest.mark.parametrize(
    ("shown", "is_so"),
    [
        ({"a": 1}, True),
        ({"b": [{"c": 2}]}, True),
        ({"a": 2}, False),
        ({"d": 1}, False),
        ({"b": []}, False),
        ([], False),
        (None, False),
    ],
)
def test_names_that_are_left_out_are_the_only_freedom(shown: Any, is_so: bool) -> None:
    assert is_as_shown(shown, {"a": 1, "b": [{"c": 2, "d": 3}]}) is is_so


def is_as_shown(shown: Any, found: Any) -> bool:
    """Whether an answer is what is shown of it: objects may have more names than are shown."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return all(name in found and is_as_shown(value, found[name]) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(found, list):
        return len(shown) == len(found) and all(map(is_as_shown, shown, found))
    return bool(shown == found)
