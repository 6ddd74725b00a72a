"""The threat model and the proof of a review name a test for each line, and each of these exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "security.md").read_text("utf-8")
REVIEW = (ROOT / "docs" / "review.md").read_text("utf-8")
PROOFS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT + REVIEW)))


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_the_proof_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    tree = ast.parse(path.read_text("utf-8"))
    assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name.startswith("test_")


def test_every_threat_has_a_proof() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ")]
    head, *threats = rows
    assert head == "| threat | defence | proof |"
    assert len(threats) > 20
    for threat in threats:
        assert re.search(r"`tests/[\w/]+\.py::test_\w+` \|$", threat), threat
