"""docs/tutorial.md: whoever does what it says gets what it shows."""

import sys
from pathlib import Path

import pytest

from .reader import Reader, files


def test_a_tested_listener_in_less_than_forty_lines() -> None:
    written = files()
    assert {*written} == {"shop.py", "test_shop.py", "serve.py"}
    assert (written["shop.py"] + written["test_shop.py"]).count("\n") < 40


@pytest.mark.timeout(600)
def test_every_block_does_what_the_page_says(tmp_path: Path) -> None:
    installed: list[str] = []
    Reader(tmp_path, Path(sys.executable).parent, installed.extend).follow()
    assert installed == ["tallyhook[receiver,mock]", "fastapi", "pytest"]
    assert {path.name for path in tmp_path.glob("*.py")} == {*files()}
