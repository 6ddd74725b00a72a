"""Models back into documents, with the keys of their sources in their order: what was read lost nothing."""

from typing import Any

from lxml import etree

from tallyhook import _lenient
from tallyhook._model import Model, Reader, fields_of
from tallyhook.cheddar.models import Customer, Plan, Promotion
from tallyhook.cheddar.parameters import plain
from tallyhook.cheddar.xml import SINGULAR

ROOTS: dict[type[Model], str] = {Customer: "customers", Plan: "plans", Promotion: "promotions"}


def document(*models: Customer | Plan | Promotion) -> bytes:
    """The document of these customers, plans or promotions."""
    name = ROOTS[type(models[0])]
    root = etree.Element(name)
    written = [node_of(model) for model in models]
    embedded = [node.pop("errors") for node in written if "errors" in node]
    if embedded:
        append(root, "errors", embedded[0])
    for node in written:
        append(root, SINGULAR[name], node)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def node_of(model: Model) -> dict[str, Any]:
    """The node of a model: its typed values, under the keys and in the order of its source.

    What the source lacked stays absent, and what it left empty stays empty unless the field has been given a
    value. A key without a field is written as it was.
    """
    fields = fields_of(type(model))
    written: dict[str, Any] = {}
    taken: set[str] = set()
    for key, source in model.raw.items():
        name, read = fields.get(key, ("", None))
        if read is None or name in taken:
            written[key] = source
        else:
            taken.add(name)
            written[key] = _written(getattr(model, name), source, read)
    return written


def _written(value: Any, source: Any, read: Reader) -> Any:
    match value:
        case tuple() if isinstance(source, dict) and len(value) == 1:
            return node_of(value[0])
        case tuple():
            return [node_of(each) for each in value]
        case Model() if value.raw or not _lenient.is_blank(source):
            return [node_of(value)] if isinstance(source, list) else node_of(value)
        case Model():
            return source
    # One value has several spellings; the source's own stays as long as it says the same.
    return source if not isinstance(source, dict | list) and read(source) == value else plain(value)


def append(parent: etree._Element, tag: str, node: Any) -> None:
    """Write a node as an element, the last of its parent."""
    if isinstance(node, list) and tag not in SINGULAR:
        for entry in node:
            append(parent, tag, entry)
        return
    element = etree.SubElement(parent, tag)
    if isinstance(node, list):
        for entry in node:
            append(element, SINGULAR[tag], entry)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "#text":
                element.text = value
            elif key.startswith("@"):
                element.set(key[1:], value)
            else:
                append(element, key, value)
    else:
        element.text = _lenient.text(node) or None
