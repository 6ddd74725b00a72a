"""Plain nodes and models: one reading for XML and JSON, and the way back.

A node is what both sources are turned into first: an object is a dict, a list a list, anything else a leaf.
An attribute of an XML element is a key that begins with `@`, and text beside attributes stands under `#text`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, NamedTuple, TypeVar, cast, get_args, get_origin

import msgspec

from tallyhook import loose
from tallyhook.errors import DecodeError

M = TypeVar("M", bound="Model")


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all models share: they are immutable, each field has a default, and they keep their source.

    `raw` is that source as it came, keyed by Cheddar's words; it is not to be changed.
    """

    _aliases: ClassVar[Mapping[str, str]] = {}
    _shown: ClassVar[tuple[str, ...]] = ("id", "code")

    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def extra(self) -> dict[str, Any]:
        """What the source held and no field has."""
        slots, taken, left = slots_of(type(self)), set(), {}
        for key, node in self.raw.items():
            slot = slots.get(key)
            if slot is None or slot.name in taken:
                left[key] = node
            else:
                taken.add(slot.name)
        return left

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
        )

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [(name, getattr(self, name)) for name in self._shown]
        return [(name, value) for name, value in shown if value is not None and value != ""]


class Slot(NamedTuple):
    """Where a key of the source goes: the field's name, how its node is read and how its value is written.

    `model` is what the field holds one or, with `is_list`, many of; a leaf has none.
    """

    name: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]
    model: "type[Model] | None" = None
    is_list: bool = False


@cache
def slots_of(model: type[Model]) -> dict[str, Slot]:
    """The slot of every key that a model knows, worked out once from its annotations."""
    slots: dict[str, Slot] = {}
    names: dict[str, str] = {}
    for field in msgspec.structs.fields(model):
        if field.name == "raw":
            continue
        names[field.name] = field.encode_name
        slots[field.encode_name] = slots["@" + field.encode_name] = _slot(field.name, field.type)
    for key, name in model._aliases.items():
        slots[key] = slots[names[name]]
    return slots


def _slot(name: str, annotation: Any) -> Slot:
    if annotation in loose.READERS:
        read = loose.READERS[annotation]
        return Slot(name, read, _leaf_writer(read))
    if get_origin(annotation) is tuple:
        model = get_args(annotation)[0]
        return Slot(name, _many(model), _write_many, model, is_list=True)
    if isinstance(annotation, UnionType):
        (model,) = (part for part in get_args(annotation) if part is not NoneType)
        return Slot(name, _one(model, None), _write_one, model)
    return Slot(name, _one(annotation, annotation()), _write_one, annotation)


def read(model: type[M], node: dict[str, Any]) -> M:
    """A model out of an object's node.

    Raises:
        DecodeError: with the path of the value that makes no sense where it stands.
    """
    return cast(M, _reader(model)(node))


@cache
def _reader(model: type[Model]) -> Callable[[dict[str, Any]], Model]:
    leaf_text = loose.text
    # Most values are texts as they should be; calling a reader for each would take longer than all the rest.
    ways = {
        key: (slot.name, None if slot.read is leaf_text else slot.read)
        for key, slot in slots_of(model).items()
    }

    def read_object(node: dict[str, Any]) -> Model:
        values: dict[str, Any] = {"raw": node}
        try:
            for key, value in node.items():
                try:
                    name, take = ways[key]
                except KeyError:
                    continue
                # Two keys may mean one field; the first counts, the other stays in `extra`.
                if name not in values:
                    if take is not None:
                        values[name] = take(value)
                    else:
                        values[name] = value if type(value) is str else leaf_text(value)
        except DecodeError as error:
            raise error.under(key.removeprefix("@")) from None
        return model(**values)

    return read_object


def _one(model: type[Model], empty: Model | None) -> Callable[[Any], Model | None]:
    read_object = _reader(model)

    def one(node: Any) -> Model | None:
        if type(node) is dict and node:
            return read_object(node)
        if type(node) is list and len(node) == 1 and type(node[0]) is dict:
            return one(node[0])
        if loose.is_blank(node):
            return empty
        raise DecodeError("one object was expected")

    return one


def _many(model: type[Model]) -> Callable[[Any], tuple[Model, ...]]:
    read_object = _reader(model)

    def many(node: Any) -> tuple[Model, ...]:
        if type(node) is not list:
            if type(node) is dict and node:
                return (read_object(node),)
            if loose.is_blank(node):
                return ()
            raise DecodeError("a list was expected")
        found: list[Model] = []
        try:
            for entry in node:
                if type(entry) is dict:
                    found.append(read_object(entry))
                elif loose.is_blank(entry):
                    found.append(model())
                else:
                    raise DecodeError("an object was expected")
        except DecodeError as error:
            raise error.under(f"[{len(found)}]") from None
        return tuple(found)

    return many


def write(model: Model) -> dict[str, Any]:
    """The node of a model: its typed values, under the keys and in the order of its source.

    What the source lacked stays absent, and what it left empty stays empty unless the field has been given a
    value. A key without a field is written as it was.
    """
    slots = slots_of(type(model))
    written: dict[str, Any] = {}
    taken: set[str] = set()
    for key, node in model.raw.items():
        slot = slots.get(key)
        if slot is None or slot.name in taken:
            written[key] = node
        else:
            taken.add(slot.name)
            written[key] = slot.write(getattr(model, slot.name), node)
    return written


def _leaf_writer(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def leaf(value: Any, node: Any) -> Any:
        # One value has several spellings; the source's own stays as long as it says the same.
        return node if not isinstance(node, dict | list) and read(node) == value else loose.written(value)

    return leaf


def _write_one(value: Model | None, node: Any) -> Any:
    if value is None or (not value.raw and loose.is_blank(node)):
        return node if loose.is_blank(node) else ""
    return [write(value)] if type(node) is list else write(value)


def _write_many(values: tuple[Model, ...], node: Any) -> Any:
    if type(node) is dict and len(values) == 1:
        return write(values[0])
    return [write(value) for value in values]
