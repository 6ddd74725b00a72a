"""Reads a catalogue. The whole catalogue is checked before any of it is installed."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import defstruct
from msgspec.json import schema as json_schema

from tallyhook_mock.catalog.table import CatalogError, KeyedListener, Listener, Table, read
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.systems import Systems, parts, policies
from tallyhook_mock.systems.cheddar import catalog as cheddar

__all__ = ["catalog_schema", "catalog_table", "default_catalog", "load_catalog", "read_catalog"]


def _others() -> dict[str, ModuleType]:
    """Import and return the catalogue modules of all billing systems other than Cheddar."""
    return {system: module for system, module in parts("catalog").items() if system != "cheddar"}


@cache
def catalog_table() -> type[Table]:
    """Return the type of a catalogue, with the sections of all billing systems."""
    sections = [(name, module.Section | None, None) for name, module in _others().items()]
    made = defstruct("Catalog", sections, bases=(cheddar.Section,))
    assert issubclass(made, Table)
    return made


def catalog_schema() -> dict[str, Any]:
    """Return the JSON Schema of a catalogue, for completion in editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(catalog_table())}


def load_catalog(path: Path) -> Mapping[str, Any]:
    """Return the content of a TOML or `.json` catalogue file. Raises CatalogError if it can't be read."""
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix == ".json":
            content = json.loads(text, parse_float=Decimal)
        else:
            import tomllib  # imported only if needed, so that other mocks start faster

            content = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise CatalogError(f"{path}: a table is expected")
    return content


def default_catalog() -> Mapping[str, Any]:
    """Return the small catalogue that `tallyhook mock` uses by default."""
    return load_catalog(Path(__file__).with_name("default.json"))


def read_catalog(
    catalog: Mapping[str, object], systems: Systems, at: datetime, check_url: Callable[[str], None]
) -> Callable[[], None]:
    """Read a catalogue, and check it against the billing systems' state.

    Returns a function that installs the catalogue. Until that function is called, the state doesn't change,
    except that some ids are used up.
    `at` becomes the creation date of everything new. `check_url` must raise ValueError for a URL that a
    listener can't have. Raises CatalogError for the first mistake. The error says where the mistake is.
    The function that installs the catalogue raises CatalogError if a customer is refused.
    """
    top: Any = read(catalog_table(), catalog)
    is_alone = all(getattr(top, name) is None for name in _others())
    installs = [
        cheddar.read(top, systems.cheddar, at, check_url, is_alone=is_alone),
        *_sections(top, systems, at, check_url),
    ]

    def install() -> None:
        for each in installs:
            each()

    return install


def _sections(
    top: Table, systems: Systems, at: datetime, check_url: Callable[[str], None]
) -> Iterator[Callable[[], object]]:
    """Yield functions that install the sections of billing systems other than Cheddar."""
    for name, module in _others().items():
        table = getattr(top, name)
        if table is not None:
            yield module.read(table, systems.others[name], at)
            policy = policies().get(name)
            if policy is not None:
                yield from _listeners(table.listeners, systems, policy, check_url)


def _listeners(
    tables: Iterable[Listener], systems: Systems, policy: Policy, check_url: Callable[[str], None]
) -> Iterator[Callable[[], object]]:
    """Yield functions that register the listeners of a billing system other than Cheddar."""
    for table in tables:
        table.check(check_url)
        header, key = "", ""
        if isinstance(table, KeyedListener):
            header, key = policy.header if table.header is None else table.header, table.key
        try:
            policy.check(table.events, header, key)
        except ValueError as error:
            raise table.wrong("header", str(error)) from None
        yield partial(
            systems.cheddar.hooks.listen,
            "",
            table.url,
            frozenset(table.events),
            system=policy.system,
            header=header,
            key=key,
        )
