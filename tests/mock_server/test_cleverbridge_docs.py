"""docs/cleverbridge.md: its commands are run as they stand, in order, against a mock with its catalogue."""

import json
import re
import subprocess
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallyhook_mock import serve
from tallyhook_mock.systems.cleverbridge.calls import ROUTES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cleverbridge.md"
ADDRESS = "http://127.0.0.1:8421"
MORE = "…"
CURL = 'curl() { command curl --silent --show-error --max-time 20 "$@"; }\n'

TEXT = PAGE.read_text("utf-8")
# All but the command that starts the mock.
BLOCKS = re.findall(r"^```(\w+)\n(?!tallyhook mock)(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_every_command_answers_as_the_page_says() -> None:
    (kind, catalog), *examples = BLOCKS
    assert kind == "toml"
    assert [kind for kind, _ in examples] == ["sh", "json"] * (len(examples) // 2)
    with serve(tomllib.loads(catalog, parse_float=Decimal), start="2026-03-17T00:00:00Z") as server:
        for (_, command), (_, shown) in zip(examples[::2], examples[1::2], strict=True):
            script = CURL + command.replace(ADDRESS, server.url)
            done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, timeout=60, check=True)
            answer = done.stdout.decode()
            assert is_as_shown(json.loads(shown, parse_float=Decimal), last(answer)), f"{command}{answer}"


def test_every_call_stands_on_the_page() -> None:
    assert set(re.findall(rf"{ADDRESS}/subscription/([a-z]+)", TEXT)) == set(ROUTES)


@pytest.mark.parametrize(
    ("shown", "is_so"),
    [
        ({"a": 1, "b": [1, 2]}, True),
        ({"b": ["…", 2], "…": "…"}, True),
        ({"b": ["…"], "…": "…"}, True),
        ({"b": [2, "…"], "…": "…"}, False),
        ({"b": [1, "…"], "…": "…"}, True),
        ({"b": "…", "a": 1}, True),
        ({"a": 1}, False),
        ({"a": 2, "…": "…"}, False),
        ({"c": 1, "…": "…"}, False),
        ({"b": [1], "…": "…"}, False),
    ],
)
def test_what_is_left_out_is_the_only_freedom(shown: Any, is_so: bool) -> None:
    assert is_as_shown(shown, {"a": 1, "b": [1, 2]}) is is_so


def last(answer: str) -> Any:
    """The last of the documents that a few commands wrote one after the other."""
    decoder, document = json.JSONDecoder(parse_float=Decimal), None
    while answer:
        document, end = decoder.raw_decode(answer)
        answer = answer[end:]
    return document


def is_as_shown(shown: Any, found: Any) -> bool:
    """Whether a value is the one that is shown, where `…` is any value, and at the end any number of them."""
    if isinstance(shown, dict) and isinstance(found, dict):
        names = shown.keys() - {MORE}
        is_whole = MORE in shown or names == found.keys()
        return is_whole and all(name in found and is_as_shown(shown[name], found[name]) for name in names)
    if isinstance(shown, list) and isinstance(found, list):
        if shown[-1:] == [MORE]:
            shown, found = shown[:-1], found[: len(shown) - 1]
        return len(shown) == len(found) and all(map(is_as_shown, shown, found))
    return shown in (found, MORE)
