"""The public names: nothing in their signatures is `Any`, so that a checker follows values through them."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tallyhook._client import Method

MODULES = (
    "tallyhook",
    "tallyhook.audit",
    "tallyhook.chargemonk",
    "tallyhook.cheddar.calls",
    "tallyhook.cheddar.hooks",
    "tallyhook.cheddar.models",
    "tallyhook.review",
    "tallyhook.signing",
    "tallyhook.cleverbridge",
    "tallyhook.fusebill",
    "tallyhook_receiver",
    "tallyhook_mock",
    "tallyhook_mock.testing",
)


def public(module: str) -> Iterator[tuple[str, Any]]:
    """The names that a module offers, with what they stand for."""
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", None) or [name for name in vars(loaded) if not name.startswith("_")]
    for name in names:
        found = getattr(loaded, name)
        if getattr(found, "__module__", module).startswith("tallyhook"):
            yield f"{module}.{name}", found


def functions(name: str, found: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    if inspect.isclass(found):
        for kind in found.__mro__:
            if kind.__module__.startswith("tallyhook"):
                for attribute, member in vars(kind).items():
                    if attribute == "__init__" or not attribute.startswith("_"):
                        yield from functions(f"{name}.{attribute}", member)
    elif isinstance(found, staticmethod | classmethod):
        yield name, found.__func__
    elif isinstance(found, property) and found.fget is not None:
        yield name, found.fget
    elif isinstance(found, Method):
        yield name, inspect.unwrap(found)
    elif isinstance(found, types.FunctionType):
        yield name, found


def has_any(hint: Any) -> bool:
    """Whether `Any` is a part of an annotation; those of names that only checkers import are texts."""
    if isinstance(hint, str):  # what a coroutine yields and is sent is nobody's business
        return re.search(r"\bAny\b", hint.replace("Coroutine[Any, Any, ", "[")) is not None
    parts = typing.get_args(hint)
    parts = parts[2:] if typing.get_origin(hint) is Coroutine else parts
    return hint is Any or any(has_any(part) for part in parts if not isinstance(part, list))


def annotations(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    if inspect.isclass(found):
        for kind in found.__mro__:
            if kind.__module__.startswith("tallyhook"):
                fields = inspect.get_annotations(kind).items()
                yield from ((f"{name}.{field}", hint) for field, hint in fields if not field.startswith("_"))
    for place, function in functions(name, found):
        for argument, hint in inspect.get_annotations(function).items():
            yield f"{place}({argument})", hint


@pytest.mark.parametrize("module", MODULES)
def test_nothing_public_is_any(module: str) -> None:
    checked = [each for name, found in public(module) for each in annotations(name, found)]
    assert checked
    assert sorted({place for place, hint in checked if has_any(hint)}) == []
