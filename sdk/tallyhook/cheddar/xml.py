"""Elements of Cheddar's XML: read into models and nodes, and written from _model."""

from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast

from lxml import etree

from tallyhook import _lenient, _model
from tallyhook._model import Model, defaults_of, slots_of
from tallyhook.errors import DecodeError

M = TypeVar("M", bound=Model)

Element = etree._Element

_count_attributes = cast(Callable[[Element], float], etree.XPath("count(descendant-or-self::*/@*)"))

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
    try:
        return cast(M, _Pass(element).whole(model))
    except (_Irregular, DecodeError):
        return _model.read(model, node_of(element))


def node_of(element: Element) -> dict[str, Any]:
    """The node of an object's element; see `tallyhook._model` for what it looks like."""
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
    if not len(element) and not _lenient.is_blank(element.text):
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
        element.text = _lenient.text(node) or None


def _value(element: Element) -> Any:
    singular = SINGULAR.get(element.tag)
    return _entry(element) if singular is None else list_of(element, singular)


def _entry(element: Element) -> Any:
    return node_of(element) if len(element) or element.keys() else element.text or ""


class _Irregular(Exception):
    """Something that only its node tells how to read."""


class _Part(NamedTuple):
    """A list or an object within an object: what is there if there is nothing, and the entries."""

    empty: Any
    read: "_Read"
    singular: str | None
    is_list: bool


# Reads an object in the course of a pass.
_Read = Callable[["_Pass", Element], Model]

# A key, the place of its field, and either the values of its texts, unless they are taken as they are, or its
# part.
_Way = tuple[str, int, _lenient.Remembered | None, _Part | None]


@cache
def _reader(model: type[Model]) -> _Read:
    """How a regular element of this model is read."""
    slots, aliases, defaults = slots_of(model), model._aliases, defaults_of(model)
    of_attributes: dict[str, _Way] = {}
    of_children: dict[str, _Way] = {}
    # Keys that mean one field.
    doubles = [
        (key, alias) for key in slots for alias in aliases if key != alias and slots[key] is slots[alias]
    ]
    for key, slot in slots.items():
        singular = SINGULAR.get(key)
        if slot.model is not None:
            if not key.startswith("@") and (singular or not slot.is_list):
                part = _Part(slot.read(None), _reader(slot.model), singular, slot.is_list)
                of_children[key] = key, slot.place, None, part
        elif key.startswith("@"):
            of_attributes[key[1:]] = key, slot.place, slot.texts, None
        elif not key.startswith("#"):
            of_children[key] = key, slot.place, slot.texts, None

    def read_object(course: "_Pass", element: Element) -> Model:
        node: dict[str, Any] = {}
        # Arguments by place are a good deal faster than by name.
        values: list[Any] = [node, *defaults]
        size = len(element)
        if not size:
            raise _Irregular
        attributes: Any = element.items()
        if attributes:
            course.attributes += len(attributes)
            for name, text in attributes:
                try:
                    key, place, texts, _ = of_attributes[name]
                except KeyError:
                    if f"@{name}" in slots:
                        raise _Irregular from None
                    node[f"@{name}"] = text
                    continue
                node[key] = text
                values[place] = text if texts is None else texts[text]
        for child in islice(course.walk, size):
            tag = child.tag
            try:
                key, place, texts, part = of_children[tag]
            except KeyError:
                if tag in slots:
                    raise _Irregular from None
                node[tag] = course.unknown(child)
                continue
            if part is not None:
                node[key], values[place] = course.part(part, child)
                continue
            found = child.text
            if found is None:
                # Nothing reads as the default of any field.
                node[key] = ""
            else:
                node[key] = found
                values[place] = found if texts is None else texts[found]
        if len(node) != len(attributes) + size:
            raise _Irregular
        for name, _ in attributes:
            if name in node:
                raise _Irregular
        for key, alias in doubles:
            if key in node and alias in node:
                raise _Irregular
        return model(*values)

    return read_object


class _Pass:
    """Reads an object as Cheddar writes it day by day, touching each element once.

    What is read as a text is not asked for attributes or elements of its own: it had none if the pass has met
    every element and every attribute in the end.
    """

    def __init__(self, element: Element) -> None:
        self._element = element
        self.walk = element.iter()
        self.attributes = 0

    def whole(self, model: type[Model]) -> Model:
        found = _reader(model)(self, next(self.walk))
        if next(self.walk, None) is not None or self.attributes != _count_attributes(self._element):
            raise _Irregular
        return found

    def part(self, part: _Part, element: Element) -> tuple[Any, Any]:
        """The node and the value of a list or an object within an object."""
        empty, read, singular, is_list = part
        size = len(element)
        if not size:
            if element.text:
                raise _Irregular
            return ([] if singular else ""), empty
        if singular is None:
            one = read(self, element)
            return one.raw, one
        raws: list[Any] = []
        entries: list[Model] = []
        for entry in islice(self.walk, size):
            if entry.tag != singular:
                raise _Irregular
            one = read(self, entry)
            raws.append(one.raw)
            entries.append(one)
        if is_list:
            return raws, tuple(entries)
        if size > 1:
            raise _Irregular
        return raws, one

    def unknown(self, element: Element) -> Any:
        """The node of an element that no field is for, whatever it is."""
        self.attributes += len(element.keys())
        if len(element):
            for each in element.iterdescendants():
                next(self.walk)
                self.attributes += len(each.keys())
        return _value(element)
