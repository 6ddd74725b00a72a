"""Words: documents, docstrings, help and messages keep to plain English, and are spelled right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "examples",
    "sdk",
    "receiver",
    "mock_server",
)
STYLE = ROOT / "tests" / "words.txt"


def texts() -> list[Path]:
    found = [ROOT / place for place in PLACES]
    found += [path for place in found for path in place.rglob("*")]
    return [path for path in found if path.suffix in (".md", ".py", ".html", ".toml")]


def unwanted() -> dict[str, str]:
    """Each pattern of words.txt, with what to write in its place."""
    lines = [line for line in STYLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in lines)


@pytest.mark.parametrize(("pattern", "instead"), unwanted().items(), ids=unwanted())
def test_words_that_are_not_ours(pattern: str, instead: str) -> None:
    word = re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if word.search(line)
    ]
    assert found == [], f"write: {instead}"


def test_words_are_spelled_right() -> None:
    command = [sys.executable, "-m", "codespell_lib", *PLACES]  # pyproject.toml has its settings
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_vocabulary_has_a_line_for_each_term() -> None:
    rows = re.findall(
        r"^\| ([a-z ]+) \| (.+) \|$", (ROOT / "docs" / "vocabulary.md").read_text("utf-8"), re.M
    )
    terms = [term for term, meaning in rows if term != "term"]
    assert 15 < len(terms) < 30
    assert terms == sorted(terms)
    assert all(len(meaning) < 130 for term, meaning in rows)
