"""What stands beside the examples, and what all of them have in common."""

import os
import re
import runpy
import tomllib
from pathlib import Path

import pytest

from .conftest import EXAMPLES


def test_every_example_is_listed() -> None:
    links = re.findall(r"^\| \[(\S+)\]\((\S+)\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(links) == [(file.name, file.name) for file in sorted(EXAMPLES.glob("*.py"))]


def test_the_environment_is_that_of_the_catalogues() -> None:
    lines = (EXAMPLES / "mock.env").read_text().splitlines()[1:]
    environment = dict(line.split("=", 1) for line in lines)
    assert environment.pop("CHEDDAR_URL") == "http://127.0.0.1:8421/xml"  # where `tallyhook mock` listens
    for name in ("catalog.toml", "metered.toml"):
        catalog = tomllib.loads((EXAMPLES / name).read_text())
        (user,), (product,) = catalog["users"], catalog["products"]
        assert environment == {
            "CHEDDAR_USER": user["email"],
            "CHEDDAR_PASSWORD": user["password"],
            "CHEDDAR_SECRET": product["secret"],
        }
        assert [listener["url"] for listener in product["listeners"]] == ["http://127.0.0.1:8000/hooks"]


@pytest.mark.parametrize(
    "name",
    [
        "approval",
        "django_app",
        "fastapi_app",
        "flask_app",
        "lambda_handler",
        "minimum_amount",
        "replicas",
        "sql_usage",
        "starlette_app",
        "tiered_pricing",
    ],
)
def test_what_is_missing_in_the_environment_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = EXAMPLES / f"{name}.py"
    _, documentation, code = example.read_text().split('"""', 2)
    needed = set(re.findall(r'env\["(\w+)"\]', code))
    assert needed <= set(re.findall(r"\w+", documentation))
    for variable in needed & os.environ.keys():
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyError) as missing:
        runpy.run_path(str(example))
    assert missing.value.args[0] in needed
