"""docs/tutorial.md: whoever does what it says gets what it shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .reader import Reader, files


def test_a_tested_listener_in_less_than_forty_lines() -> None:
    written = files()
    assert {*written} == {"shop.py", "test_shop.py", "serve.py"}
    code = (written["shop.py"] + written["test_shop.py"]).splitlines()
    assert len([line for line in code if not line.startswith("#")]) < 40  # the comments name the files


@pytest.mark.timeout(600)
def test_every_block_does_what_the_page_says(tmp_path: Path) -> None:
    installed: list[str] = []
    Reader(tmp_path, Path(sys.executable).parent, installed.extend).follow()
    assert installed == ["tallyhook[receiver,mock]", "fastapi", "pytest"]
    assert {path.name for path in tmp_path.glob("*.py")} == {*files()}


def test_it_is_typed_as_printed(tmp_path: Path) -> None:
    for name, content in files().items():
        (tmp_path / name).write_text(content, "utf-8")
    programs = Path(sys.executable).parent
    settings = {
        "typeCheckingMode": "strict",
        "venvPath": str(programs.parents[1]),
        "venv": programs.parent.name,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    for command in (["mypy", "--strict", *files()], ["pyright"]):
        done = subprocess.run(
            [programs / command[0], *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
