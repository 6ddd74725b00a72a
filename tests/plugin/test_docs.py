"""docs/testing.md: a project made of its blocks, in a pytest run of its own."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_page(pytester: pytest.Pytester) -> None:
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == text.count("```python")
    for name, code in blocks:
        pytester.path.joinpath(f"{name}.py").write_text(code, "utf-8")
    pytester.makefile(
        ".ini", pytest="[pytest]\nfilterwarnings = error\nanyio_mode = auto\naddopts = -p no:asyncio\n"
    )
    pytester.syspathinsert()

    run = pytester.runpytest()
    tests = sum(code.count("def test_") for _, code in blocks)
    run.assert_outcomes(passed=tests - 1, failed=1)  # the one whose failure is shown
    (shown,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    said = "\n".join(line.removeprefix("E").strip() for line in run.outlines if line.startswith("E"))
    assert "\n".join(line.strip() for line in shown.splitlines()) in said
