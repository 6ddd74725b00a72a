"""Each rule that a page places in a definition is marked there, by what it is known."""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent / "mock_server" / "tallyhook_mock"
PAGES = ("cleverbridge", "fusebill", "chargemonk")
_MARK = re.compile(r"documented|recorded|client|inferred|staff(?: (?:20\d\d(?:, | and | to )?)+)?")


def marks(text: str) -> set[str]:
    """`documented`, `recorded`, `client`, `inferred`, and the years of the staff."""
    found = set()
    for mark in _MARK.findall(text):
        if mark.startswith("staff"):
            found |= {f"staff {year}" for year in re.findall(r"20\d\d", mark)} or {"staff"}
        else:
            found.add(mark)
    return found


def cheddar() -> Iterator[tuple[str, str, str]]:
    """Name, standing and docstring of each home of a rule, once for each rule."""
    spec = importlib.util.spec_from_file_location("cheddar_page", DOCS / "cheddar.py")
    assert spec is not None
    assert spec.loader is not None
    page: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    for rules in page.FIXED.values():
        for rule in rules:
            name = getattr(rule.home, "__qualname__", None) or rule.home.__name__
            yield (
                f"{getattr(rule.home, '__module__', '')}.{name}",
                rule.standing,
                inspect.getdoc(rule.home) or "",
            )


def others() -> Iterator[tuple[str, str, str]]:
    """The same for the pages of the other systems, which link to the files."""
    row = re.compile(
        r"^\| .* \| ([^|]+) \| \[`([\w.]+)`\]\(\.\./mock_server/tallyhook_mock/([\w/]+\.py)\) \|$"
    )
    for page in PAGES:
        for line in (DOCS / f"{page}.md").read_text("utf-8").splitlines():
            found = row.match(line)
            if found is not None:
                standing, name, file = found.groups()
                yield f"{file}:{name}", standing, docstring(ROOT / file, name)


def docstring(file: Path, name: str) -> str:
    """Of a definition, `module.function` or `Class.method`; of the module for a constant."""
    tree: ast.AST = ast.parse(file.read_text("utf-8"))
    node: ast.AST = tree
    for part in name.split("."):
        below = {
            each.name: each
            for each in ast.iter_child_nodes(node)
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        node = below.get(part, node)
    assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return ast.get_docstring(node) or ""


@pytest.mark.parametrize(("home", "standing", "written"), [*cheddar(), *others()])
def test_a_rule_is_marked_where_it_lives(home: str, standing: str, written: str) -> None:
    missing = marks(standing) - marks(written)
    assert not missing, f"{home} is to say: {', '.join(sorted(missing))}"


def test_every_page_places_rules() -> None:
    assert len([*cheddar()]) > 40
    places = [home for home, _, _ in others()]
    assert all(sum(f"/{page}/" in place for place in places) > 10 for page in PAGES)
