"""docs/chargemonk.md: its commands are run as they stand, in order, against a mock with its catalogue."""

import json
import re
import subprocess
import tomllib
from decimal import Decimal
from pathlib import Path

from tallyhook_mock import serve
from tallyhook_mock.systems.chargemonk.control import COMMANDS

from .test_cleverbridge_docs import ADDRESS, CURL, is_as_shown, last

PAGE = Path(__file__).parents[2] / "docs" / "chargemonk.md"
TEXT = PAGE.read_text("utf-8")
# All but the command that starts the mock.
BLOCKS = re.findall(r"^```(\w+)\n(?!tallyhook mock)(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_every_command_answers_as_the_page_says() -> None:
    (kind, catalog), *examples = BLOCKS
    assert kind == "toml"
    assert [kind for kind, _ in examples] == ["sh", "json"] * (len(examples) // 2)
    with serve(tomllib.loads(catalog, parse_float=Decimal), start="2026-01-01T00:00:00Z") as server:
        for (_, command), (_, shown) in zip(examples[::2], examples[1::2], strict=True):
            script = CURL + command.replace(ADDRESS, server.url)
            done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, timeout=60, check=True)
            answer = done.stdout.decode()
            assert is_as_shown(json.loads(shown, parse_float=Decimal), last(answer)), f"{command}{answer}"


def test_every_command_of_the_control_stands_on_the_page() -> None:
    called = set(re.findall(rf"{ADDRESS}/_mock/chargemonk/subscriptions/\w+/([a-z-]+)", TEXT))
    assert called == {*COMMANDS, "timeline"}
    assert set(re.findall(r"`POST /ID/([a-z-]+)`", TEXT)) == set(COMMANDS)
