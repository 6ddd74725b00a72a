"""The base class of all models, and functions that make models from documents.

XML and JSON are first parsed into a tree. In the tree an object is a dict, a list is a list, and any other
value is a leaf. An XML attribute is a key that begins with `@`. If an element has attributes, its text is
under the key `#text`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin

import msgspec

from tallyhook import _lenient
from tallyhook.errors import DecodeError

M = TypeVar("M", bound="Model")

Reader = Callable[[Any], Any]


class Model(msgspec.Struct, frozen=True, kw_only=True, eq=False, rename="camel"):
    """The base of all models. Models are immutable, and each field has a default.

    `raw` is the part of the document from which the model was made, with names spelled as in the document.
    Don't change `raw`. Two models are equal if their fields are equal, even if `raw` differs.
    """

    _aliases: ClassVar[Mapping[str, str]] = {}
    _shown: ClassVar[tuple[str, ...]] = ("id", "code")

    raw: Mapping[str, object] = msgspec.field(default_factory=dict)

    @property
    def extra(self) -> dict[str, object]:
        """The parts of `raw` that have no field in the model."""
        fields, taken, left = fields_of(type(self)), set(), {}
        for key, node in self.raw.items():
            name, _ = fields.get(key, (None, None))
            if name is None or (name in taken and node != ""):
                left[key] = node
            elif node != "":
                taken.add(name)
        return left

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name != "raw")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __ne__(self, other: object) -> bool:  # msgspec's `__ne__` would compare identities
        return not self == other

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [(name, getattr(self, name)) for name in self._shown]
        return [(name, value) for name, value in shown if value is not None and value != ""]


def read(model: type[M], node: Mapping[str, Any]) -> M:
    """Return a model with the values of an object in a parsed document.

    An invalid date is read as None. Any other invalid value is an error: the bill would be wrong if, for
    example, an invalid number were read as zero.

    Raises:
        DecodeError: a value is invalid; the error's `path` says where.
    """
    fields = fields_of(model)
    values: dict[str, Any] = {"raw": node}
    for key, value in node.items():
        field = fields.get(key)
        if field is None or (not value and value == ""):  # empty text means the field's default
            continue
        name, read_value = field
        if name not in values:  # if two keys name the same field, the first is used
            try:
                values[name] = read_value(value)
            except DecodeError as error:
                raise error.under(key.removeprefix("@")) from None
    return model(**values)


@cache
def fields_of(model: type[Model]) -> dict[str, tuple[str, Reader]]:
    """Return a dict that maps each key of a model to its field's name and reader."""
    fields: dict[str, tuple[str, Reader]] = {}
    keys: dict[str, str] = {}
    for field in msgspec.structs.fields(model):
        if field.name != "raw":
            keys[field.name] = field.encode_name
            fields[field.encode_name] = fields["@" + field.encode_name] = field.name, _reader(field.type)
    for key, name in model._aliases.items():
        fields[key] = fields[keys[name]]
    return fields


def _reader(annotation: Any) -> Reader:
    if annotation in _lenient.READERS:
        return _lenient.READERS[annotation]
    if get_origin(annotation) is tuple:
        return _many(get_args(annotation)[0])
    if isinstance(annotation, UnionType):
        (model,) = (part for part in get_args(annotation) if part is not NoneType)
        return _one(model, None)
    return _one(annotation, annotation())


def _one(model: type[Model], empty: Model | None) -> Reader:
    def one(node: Any) -> Model | None:
        if _lenient.is_blank(node):
            return empty
        if isinstance(node, list) and len(node) == 1:
            node = node[0]
        if not isinstance(node, dict):
            raise DecodeError("one object was expected")
        return read(model, node)

    return one


def _many(model: type[Model]) -> Reader:
    def many(node: Any) -> tuple[Model, ...]:
        if isinstance(node, list):
            return read_list(model, node)
        if _lenient.is_blank(node):
            return ()
        if isinstance(node, dict) and not is_list(node):
            return (read(model, node),)
        raise DecodeError("a list was expected")

    def is_list(node: dict[str, Any]) -> bool:
        """Return whether an object is the list in an unknown form, and not its only entry."""
        return node.keys().isdisjoint(fields_of(model)) and any(
            isinstance(value, dict | list) for value in node.values()
        )

    return many


def read_list(model: type[M], nodes: list[Any], where: str = "") -> tuple[M, ...]:
    """Return a list of models. A blank node becomes a model in which every field has its default.

    Raises DecodeError as `read` does. The error's path begins with `where`.
    """
    found: list[M] = []
    try:
        for node in nodes:
            if isinstance(node, dict):
                found.append(read(model, node))
            elif _lenient.is_blank(node):
                found.append(model())
            else:
                raise DecodeError("an object was expected")
    except DecodeError as error:
        raise error.under(f"{where}[{len(found)}]") from None
    return tuple(found)
