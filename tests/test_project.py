"""What pyproject.toml promises to those who install and those who run the tests."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT: dict[str, Any] = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

# The first version without the hole, by the library's own advisory.
FIXED = {
    "httpcore": "1.0.9",  # earlier ones allow h11 0.14: CVE-2025-43859, request smuggling
    "jinja2": "3.1.6",  # CVE-2025-27516, out of the sandbox
    "cryptography": "44.0.1",  # CVE-2024-12797, in its OpenSSL
}


def required() -> Iterator[Requirement]:
    project = PROJECT["project"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        yield from map(Requirement, lines)


@pytest.mark.parametrize(("name", "fixed"), FIXED.items())
def test_no_version_with_a_known_hole_is_good_enough(name: str, fixed: str) -> None:
    bounds = [
        Version(bound.version)
        for requirement in required()
        if requirement.name == name
        for bound in requirement.specifier
        if bound.operator == ">="
    ]
    assert bounds
    assert min(bounds) >= Version(fixed)


def test_every_requirement_says_which_version_is_the_first() -> None:
    for requirement in required():
        if requirement.name != "tallyhook":
            assert ">=" in str(requirement.specifier), requirement


def test_no_test_can_hang(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("timeout")) > 0
