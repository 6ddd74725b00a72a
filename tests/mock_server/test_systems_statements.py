"""Each collected statement about the other systems has its test, or a word that says why it has none."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
# How many statements there are of each, and what its page calls the files of tests.
PAGES = {
    "cleverbridge": (
        47,
        {
            "calls": "mock_server/test_cleverbridge_calls.py",
            "refusals": "mock_server/test_cleverbridge_refusals.py",
            "rules": "mock_server/test_cleverbridge_rules.py",
            "hooks": "mock_server/test_systems_hooks.py",
            "sdk": "sdk/test_cleverbridge.py",
        },
    ),
    "fusebill": (
        41,
        {
            "calls": "mock_server/test_fusebill_calls.py",
            "drafts": "mock_server/test_fusebill_drafts.py",
            "refusals": "mock_server/test_fusebill_refusals.py",
            "limits": "mock_server/test_fusebill_limits.py",
            "hooks": "mock_server/test_systems_hooks.py",
            "sdk": "sdk/test_fusebill.py",
        },
    ),
    "chargemonk": (
        14,
        {
            "api": "mock_server/test_chargemonk_api.py",
            "rules": "mock_server/test_chargemonk_rules.py",
            "hooks": "mock_server/test_systems_hooks.py",
            "browser": "browser/test_product_catalog.py",
        },
    ),
}
REASONS = (" not ", "no ", "nothing", "needs no")


def rows(system: str) -> list[tuple[set[int], str]]:
    """The numbers and the last cell of each line of a page's table."""
    text = (ROOT / "docs" / f"{system}.md").read_text("utf-8").partition("## Statement by statement")[2]
    found = re.findall(r"^\| ([\d–, ]+) \| [^|]+ \| ([^|]*) \|$", text, re.MULTILINE)
    return [(numbers(written), told.strip()) for written, told in found]


def numbers(written: str) -> set[int]:
    found: set[int] = set()
    for part in written.split(","):
        first, _, last = part.strip().partition("–")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize("system", PAGES)
def test_no_statement_is_left_out(system: str) -> None:
    count, _ = PAGES[system]
    assert set().union(*(each for each, _ in rows(system))) == set(range(1, count + 1))


@pytest.mark.parametrize("system", PAGES)
def test_every_line_names_tests_that_there_are_or_says_why_not(system: str) -> None:
    _, files = PAGES[system]
    last: set[str] = set()
    for about, told in rows(system):
        named = re.findall(r"`([^`]+)`", told)
        tests = [name for name in named if name.split(".")[0] in files or name.startswith("tests/")]
        if told.startswith("the same"):
            assert last, about
        else:
            assert tests or any(word in f" {told}" for word in REASONS), f"{sorted(about)}: {told!r}"
        for name in tests:
            check(name, files)
            last.add(name)


def check(name: str, files: dict[str, str]) -> None:
    file, _, test = name.partition(".test_") if not name.startswith("tests/") else (name, "", "")
    path = ROOT / file if file.startswith("tests/") else TESTS / files[file]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}
    assert not test or f"test_{test}" in functions, name
