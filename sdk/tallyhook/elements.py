"""Elements of Cheddar's XML: read into models and nodes, and written from nodes."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast

from lxml import etree

from tallyhook import loose, nodes
from tallyhook.errors import DecodeError
from tallyhook.nodes import Model, slots_of

M = TypeVar("M", bound=Model)

Element = etree._Element

SINGULAR = {
    "charges": "charge",
    "coupons": "coupon",
    "customers": "customer",
    "errors": "error",
    "incentives": "incentive",
    "invoices": "invoice",
    "items": "item",
    "metaData": "metaDatum",
    "plans": "plan",
    "promotions": "promotion",
    "subscriptions": "subscription",
    "transactions": "transaction",
}
"""The elements that are lists, and what each of their entries is called."""


def read(model: type[M], element: Element) -> M:
    """A model out of an object's element: the same as out of its node, in half the time.

    Raises:
        DecodeError: with the path of the value that makes no sense where it stands.
    """
    # An element's descendants are the next ones of the walk. Lists and objects take theirs; what is read as a
    # leaf is not even asked whether it has any. If none are left over, every leaf was one.
    walk = element.iter()
    try:
        found = _regular(model, next(walk), walk)
        if next(walk, None) is None:
            return cast(M, found)
    except (_Irregular, DecodeError):
        pass
    return nodes.read(model, node_of(element))


def node_of(element: Element) -> dict[str, Any]:
    """The node of an object's element; see `tallyhook.nodes` for what it looks like."""
    node: dict[str, Any] = {f"@{name!s}": value for name, value in element.items()}
    for child in element:
        tag = child.tag
        value = _value(child)
        if tag not in node:
            node[tag] = value
        elif tag in SINGULAR:
            raise DecodeError("one list was expected", tag)
        else:
            before = node[tag]
            node[tag] = [*before, value] if isinstance(before, list) else [before, value]
    if not len(element) and element.text:
        node["#text"] = element.text
    return node


def list_of(element: Element, singular: str) -> Any:
    """The node of a list's element; that of an object if it holds anything but such entries."""
    if element.keys() or any(child.tag != singular for child in element):
        return node_of(element)
    if not len(element) and not loose.is_blank(element.text):
        return element.text
    return [_entry(child) for child in element]


def append(parent: Element, tag: str, node: Any) -> None:
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
        element.text = loose.text(node) or None


def _value(element: Element) -> Any:
    singular = SINGULAR.get(element.tag)
    return _entry(element) if singular is None else list_of(element, singular)


def _entry(element: Element) -> Any:
    return node_of(element) if len(element) or element.keys() else element.text or ""


class _Irregular(Exception):
    """Something that only its node tells how to read."""


class _Part(NamedTuple):
    """A list or an object within an object: its field, what is there if there is nothing, and its entries."""

    field: str
    empty: Any
    model: type[Model]
    singular: str | None
    is_list: bool


# The field of a text, and how the text is read unless it is taken as it is.
_Leaf = tuple[str, Callable[[str], Any] | None]


@cache
def _ways(model: type[Model]) -> tuple[Callable[[str], _Leaf | None], dict[str, _Part]]:
    """Where the texts of a regular element go, and where its lists and objects go."""
    leaves: dict[str, _Leaf] = {}
    parts: dict[str, _Part] = {}
    for key, slot in slots_of(model).items():
        singular = SINGULAR.get(key)
        if slot.model is None:
            if key not in model._aliases:
                leaves[key] = slot.name, None if slot.read is loose.text else slot.read
        elif not key.startswith("@") and (singular or not slot.is_list):
            parts[key] = _Part(slot.name, slot.read(None), slot.model, singular, slot.is_list)
    return leaves.get, parts


def _regular(model: type[Model], element: Element, walk: Iterator[Element]) -> Model:
    """An object as Cheddar writes it day by day, in one pass."""
    find_leaf, parts = _ways(model)
    node: dict[str, Any] = {}
    values: dict[str, Any] = {"raw": node}
    attributes = element.items()
    size = len(element)
    if not size and (not attributes or element.text):
        raise _Irregular
    for name, value in attributes:
        key = "@" + cast(str, name)
        node[key] = value
        leaf = find_leaf(key)
        if leaf is not None:
            field, take = leaf
            values[field] = value if take is None else take(cast(str, value))
        elif key in slots_of(model):
            raise _Irregular
    for child in islice(walk, size):
        tag = child.tag
        leaf = find_leaf(tag)
        if leaf is not None:
            text = child.text
            if child.keys():
                raise _Irregular
            if text is None:
                # Nothing reads as the default of any field.
                node[tag] = ""
            else:
                node[tag] = text
                field, take = leaf
                values[field] = text if take is None else take(text)
        elif tag in parts:
            part = parts[tag]
            if part.field in values:
                raise _Irregular
            node[tag], values[part.field] = _regular_part(part, child, walk)
        elif tag in slots_of(model):
            raise _Irregular
        else:
            node[tag] = _value(child)
            for _ in child.iterdescendants():
                next(walk)
    if len(node) != len(attributes) + size:
        raise _Irregular
    for name, _ in attributes:
        if name in node:
            raise _Irregular
    return model(**values)


def _regular_part(part: _Part, element: Element, walk: Iterator[Element]) -> tuple[Any, Any]:
    """The node and the value of a list or an object within an object."""
    size = len(element)
    named = element.keys()
    if not size and not named:
        if element.text:
            raise _Irregular
        return ([] if part.singular else ""), part.empty
    if part.singular is None:
        one = _regular(part.model, element, walk)
        return one.raw, one
    if named:
        raise _Irregular
    entries: list[Model] = []
    for entry in islice(walk, size):
        if entry.tag != part.singular:
            raise _Irregular
        entries.append(_regular(part.model, entry, walk))
    raws = [entry.raw for entry in entries]
    if part.is_list:
        return raws, tuple(entries)
    if size > 1:
        raise _Irregular
    return raws, entries[0]
