"""The JSON Schema of a catalogue, and the OpenAPI document of the control API."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount

from tallyhook_mock import Mock, Server, serve
from tallyhook_mock.catalog.reading import catalog_schema, default_catalog
from tallyhook_mock.control.app import control_app
from tallyhook_mock.systems import SYSTEMS

from .command import Command

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalog.toml"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def fits(value: object, schema: dict[str, Any], root: dict[str, Any]) -> str:
    """What does not fit, empty if all does: of JSON Schema, as much as is used here."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [fits(value, each, root) for each in schema["anyOf"]]
        return "" if "" in found else max(found, key=len)
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is none of {schema['enum']}"
    match schema.get("type"):
        case "object" if isinstance(value, dict):
            if missing := set(schema.get("required", ())) - value.keys():
                return f"{missing} is missing"
            known, more = schema.get("properties", {}), schema.get("additionalProperties", False)
            if more is False and (unknown := value.keys() - known.keys()):
                return f"{unknown} is unknown"
            return next(filter(None, (fits(v, known.get(k, more), root) for k, v in value.items())), "")
        case "array" if isinstance(value, list):
            return next(filter(None, (fits(each, schema["items"], root) for each in value)), "")
        case "object" | "array":
            return f"{value!r} is no {schema['type']}"
        case "null" if value is not None:
            return f"{value!r} is not null"
        case "integer" if not isinstance(value, int):
            return f"{value!r} is no integer"
        case "boolean" if not isinstance(value, bool):
            return f"{value!r} is no boolean"
    return ""


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def test_catalogues_that_work_fit_the_schema() -> None:
    schema = catalog_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    for catalogue in (default_catalog(), tomllib.loads(EXAMPLE.read_text("utf-8"))):
        assert fits(plain(catalogue), schema, schema) == ""
        Mock({"$schema": "catalog.schema.json", **catalogue})


@pytest.mark.parametrize(
    "wrong",
    [
        {"product": {"code": "A", "plan": []}},
        {"products": [{"plans": []}]},
        {"products": [{"code": "A", "plans": [{"code": "P", "billingFrequency": "monthy"}]}]},
        {"rules": {"month_end": "last"}},
        {"fusebill": {"apiKey": "x"}},
        {"chargemonk": {"plans": [{"code": "P", "price": "1", "termMonths": "soon"}]}},
    ],
)
def test_what_is_refused_does_not_fit(wrong: dict[str, Any]) -> None:
    schema = catalog_schema()
    assert fits(wrong, schema, schema)
    with pytest.raises(ValueError, match=r"unknown|required|not one of|not a whole"):
        Mock(wrong)


def test_every_system_has_its_section() -> None:
    schema = catalog_schema()
    top = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert {system for system in SYSTEMS if system != "cheddar"} <= top["properties"].keys()


def test_the_command_writes_what_the_mock_answers(server: Server) -> None:
    schema = json.loads(Command(server.url).says("schema"))
    assert schema == httpx.get(f"{server.url}/_mock/catalog/schema.json").json() == plain(catalog_schema())


def test_every_route_is_in_the_document(server: Server) -> None:
    document = httpx.get(f"{server.url}/_mock/openapi.json").json()
    (mounted,) = (route for route in control_app(Mock()).routes if isinstance(route, Mount))
    described = {(path, method.upper()) for path, calls in document["paths"].items() for method in calls}
    routes: Any = mounted.routes
    assert described == {
        (f"/_mock{route.path_format}", method) for route in routes for method in route.methods - {"HEAD"}
    }
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            named = {each["name"] for each in call["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert method == "get" or call["operationId"].startswith(method)
    ids = [call["operationId"] for calls in document["paths"].values() for call in calls.values()]
    assert len(ids) == len(set(ids))
    references = set(re.findall(r"#/components/schemas/([^\"]+)", json.dumps(document)))
    assert references <= document["components"]["schemas"].keys()


def test_a_body_is_described_by_what_reads_it(server: Server) -> None:
    document = httpx.get(f"{server.url}/_mock/openapi.json").json()
    body = document["paths"]["/_mock/declines"]["post"]["requestBody"]["content"]["application/json"]
    table = document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
    assert table["required"] == ["customer"]
    assert table["additionalProperties"] is False
    answer = httpx.post(f"{server.url}/_mock/declines", json={"custommer": "ada"})
    assert answer.json()["error"] == "custommer: unknown; did you mean 'customer'?"
