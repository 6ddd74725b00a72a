"""The public names: nothing in their signatures is `Any`, so that a checker follows values through them."""

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tallyhook.method import Method

MODULES = (
    "tallyhook",
    "tallyhook.calls",
    "tallyhook.events",
    "tallyhook.models",
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
        yield name, found.__wrapped__
    elif isinstance(found, types.FunctionType):
        yield name, found


def has_any(hint: Any) -> bool:
    return hint is Any or any(has_any(part) for part in typing.get_args(hint) if not isinstance(part, list))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_public_is_any(module: str) -> None:
    loose = []
    checked = 0
    for name, found in public(module):
        for place, function in functions(name, found):
            hints = typing.get_type_hints(function)
            checked += 1
            loose += [f"{place}({argument})" for argument, hint in hints.items() if has_any(hint)]
    assert checked
    assert loose == []
