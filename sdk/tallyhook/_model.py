"""Plain nodes and models: one reading for XML and JSON, and the way back.

A node is what both sources are turned into first: an object is a dict, a list a list, anything else a leaf.
An attribute of an XML element is a key that begins with `@`, and text beside attributes stands under `#text`.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, ClassVar, NamedTuple, TypeVar, cast, get_args, get_origin

import msgspec

from tallyhook import _lenient
from tallyhook.errors import DecodeError

M = TypeVar("M", bound="Model")

# The number of a value and its key, the place of its field, the values of texts there, unless texts are taken
# as they are, and how anything else is read.
_Way = tuple[int, str, int, _lenient.Remembered | None, Callable[[Any], Any]]


# Immutable values over a plain tree can't be part of a cycle, so the garbage collector need not look at them.
# No subclass may be `kw_only`: what is read makes models with arguments by place, in the order of the fields.
class Model(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What all models share: they are immutable, each field has a default, and they keep their source.

    `raw` is that source as it came, keyed by Cheddar's words; it is not to be changed.
    """

    _aliases: ClassVar[Mapping[str, str]] = {}
    _shown: ClassVar[tuple[str, ...]] = ("id", "code")

    raw: Mapping[str, object] = msgspec.field(default_factory=dict)

    @property
    def extra(self) -> dict[str, object]:
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

    `place` is the field's among all of the model's. `texts` are the values of texts; None where they are
    taken as they are. `model` is what the field holds one or, with `is_list`, many of; a leaf has none.
    """

    name: str
    place: int
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]
    texts: _lenient.Remembered | None
    model: "type[Model] | None" = None
    is_list: bool = False


@cache
def slots_of(model: type[Model]) -> dict[str, Slot]:
    """The slot of every key that a model knows, worked out once from its annotations."""
    slots: dict[str, Slot] = {}
    names: dict[str, str] = {}
    for place, field in enumerate(msgspec.structs.fields(model)):
        if field.name == "raw":
            continue
        names[field.name] = field.encode_name
        slot = _slot(field.name, place, field.type)
        slots[field.encode_name] = slots["@" + field.encode_name] = slot
    for key, name in model._aliases.items():
        slots[key] = slots[names[name]]
    return slots


def _slot(name: str, place: int, annotation: Any) -> Slot:
    if annotation in _lenient.READERS:
        read = _lenient.READERS[annotation]
        return Slot(name, place, read, _leaf_writer(read), _lenient.TEXTS.get(read))
    if get_origin(annotation) is tuple:
        model = get_args(annotation)[0]
        many = _many(model)
        return Slot(name, place, many, _write_many, _lenient.Remembered(many), model, is_list=True)
    if isinstance(annotation, UnionType):
        (model,) = (part for part in get_args(annotation) if part is not NoneType)
        one = _one(model, None)
    else:
        model, one = annotation, _one(annotation, annotation())
    return Slot(name, place, one, _write_one, _lenient.Remembered(one), model)


@cache
def defaults_of(model: type[Model]) -> tuple[Any, ...]:
    """What the fields of an empty model hold, in their order, but for `raw`, which is the first."""
    return msgspec.structs.astuple(model())[1:]


def read(model: type[M], node: dict[str, Any]) -> M:
    """A model out of an object's node.

    Raises:
        DecodeError: with the path of the value that makes no sense where it stands.
    """
    return cast(M, _reader(model)(node))


@cache
def _reader(model: type[Model]) -> Callable[[dict[str, Any]], Model]:
    defaults = defaults_of(model)

    def read_object(node: dict[str, Any]) -> Model:
        # Arguments by place are a good deal faster than by name.
        values: list[Any] = [node, *defaults]
        found = [*node.values()]
        for number, key, place, texts, take in _ways(model, tuple(node)):
            value = found[number]
            try:
                if type(value) is not str:
                    values[place] = take(value)
                elif value:
                    values[place] = value if texts is None else texts[value]
                # An empty text reads as the default of any field.
            except DecodeError as error:
                raise error.under(key.removeprefix("@")) from None
        return model(*values)

    return read_object


# Objects of one kind have the same keys in the same order, almost always.
@lru_cache(maxsize=256)
def _ways(model: type[Model], keys: tuple[str, ...]) -> list[_Way]:
    """How the values of an object with these keys are read."""
    slots = slots_of(model)
    ways: dict[str, _Way] = {}
    for number, key in enumerate(keys):
        slot = slots.get(key)
        # Two keys may mean one field; the first counts, the other stays in `extra`.
        if slot is not None and slot.name not in ways:
            ways[slot.name] = number, key, slot.place, slot.texts, slot.read
    return list(ways.values())


def _one(model: type[Model], empty: Model | None) -> Callable[[Any], Model | None]:
    read_object = _reader(model)

    def one(node: Any) -> Model | None:
        if type(node) is dict and node:
            return read_object(node)
        if type(node) is list and len(node) == 1 and type(node[0]) is dict:
            return one(node[0])
        if _lenient.is_blank(node):
            return empty
        raise DecodeError("one object was expected")

    return one


def _many(model: type[Model]) -> Callable[[Any], tuple[Model, ...]]:
    read_object = _reader(model)

    def many(node: Any) -> tuple[Model, ...]:
        if type(node) is not list:
            if type(node) is dict and node:
                return (read_object(node),)
            if _lenient.is_blank(node):
                return ()
            raise DecodeError("a list was expected")
        found: list[Model] = []
        try:
            for entry in node:
                if type(entry) is dict:
                    found.append(read_object(entry))
                elif _lenient.is_blank(entry):
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
        return node if not isinstance(node, dict | list) and read(node) == value else _lenient.written(value)

    return leaf


def _write_one(value: Model | None, node: Any) -> Any:
    if value is None or (not value.raw and _lenient.is_blank(node)):
        return node if _lenient.is_blank(node) else ""
    return [write(value)] if type(node) is list else write(value)


def _write_many(values: tuple[Model, ...], node: Any) -> Any:
    if type(node) is dict and len(values) == 1:
        return write(values[0])
    return [write(value) for value in values]
