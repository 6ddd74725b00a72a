"""Nothing of a source is lost: every value is reachable from the model, through a field or through `extra`.

Runs over our own fixtures, and over recorded hooks and documents where a folder of them is at hand: named by
TALLYHOOK_RECORDED, or beside the repository.
"""

import os
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree
from tests import writing

from tallyhook import documents, events
from tallyhook._model import Model

ROOT = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("TALLYHOOK_RECORDED") or ROOT.parent / "shared" / "recorded")
FILES = sorted(
    path
    for folder in (ROOT / "tests" / "fixtures", RECORDED)
    for path in folder.rglob("*")
    if path.suffix in (".json", ".xml")
)


def leaves_of(node: Any) -> Iterator[str]:
    """Every value of a JSON source that isn't blank."""
    if isinstance(node, dict):
        for value in node.values():
            yield from leaves_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from leaves_of(value)
    elif node not in ("", None):
        yield str(node)


def leaves_of_xml(element: Any) -> Iterator[str]:
    """Every value of an XML source that isn't blank."""
    yield from (value for value in element.attrib.values() if value)
    if len(element) == 0 and element.text:
        yield element.text
    for child in element:
        yield from leaves_of_xml(child)


def values_of(model: Any) -> Iterator[Any]:
    """Every value that a user can reach without `raw`."""
    if isinstance(model, Model):
        for name in model.__struct_fields__:
            if name != "raw":
                yield from values_of(getattr(model, name))
        yield from values_of(model.extra)
    elif isinstance(model, dict):
        for value in model.values():
            yield from values_of(value)
    elif isinstance(model, tuple | list):
        for value in model:
            yield from values_of(value)
    else:
        yield model


def spellings(value: Any) -> set[str]:
    """The possible spellings of a typed value in a source."""
    match value:
        case bool():
            return {"1", "True"} if value else {"0", "False"}
        case datetime():
            return {value.isoformat(), value.isoformat().replace("+00:00", "Z")}
        case date():
            return {value.isoformat(), f"{value.isoformat()}T00:00:00+00:00"}
        case Decimal():
            return {str(value)}
        case _:
            return {str(value)}


def read(path: Path) -> tuple[Any, list[str]]:
    body = path.read_bytes()
    if path.suffix == ".json":
        node = msgspec.json.Decoder(float_hook=Decimal).decode(body)
        return events.decode(body), list(leaves_of(node))
    root = etree.fromstring(body)
    reader = {"customers": documents.customers, "plans": documents.plans, "promotions": documents.promotions}[
        root.tag
    ]
    return reader(body), list(leaves_of_xml(root))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_lost(path: Path) -> None:
    model, leaves = read(path)
    reachable: list[set[str]] = [spellings(value) for value in values_of(model)]
    assert leaves
    for leaf in leaves:
        # Each value of the source uses up one of the model's values, so duplicates need duplicates.
        place = next((index for index, texts in enumerate(reachable) if leaf in texts), None)
        assert place is not None, leaf
        reachable.pop(place)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".xml"], ids=lambda path: path.name
)
def test_written_again_it_is_the_same_document(path: Path) -> None:
    models, _ = read(path)
    source, again = (
        etree.fromstring(body, etree.XMLParser(remove_blank_text=True))
        for body in (path.read_bytes(), writing.document(*models))
    )
    assert etree.tostring(again, method="c14n") == etree.tostring(source, method="c14n")
