"""Reading a catalogue: everything is checked before anything is put into the engine."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import field

from tallyhook import signing
from tallyhook_mock.catalog.table import CatalogError, Table
from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Entity
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.systems import SYSTEMS, Systems, parts
from tallyhook_mock.systems.cheddar.catalog import (
    CUSTOMER,
    PLAN,
    PROMOTION,
    Seed,
    read_customer,
    read_plan,
    read_promotion,
)
from tallyhook_mock.systems.cheddar.products import Item, Plan, Product, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Rules
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, State

__all__ = ["Catalog", "default_catalog", "load_catalog", "read_catalog"]

_CATALOG = (
    "hookRetryPauses",
    "rules",
    "product",
    "products",
    "users",
    *(system for system in SYSTEMS if system != "cheddar"),
)
_USER = ("email", "password", "timezone")
_LISTENER = ("url", "events")
_SETTINGS = (
    "id",
    "name",
    "subdomain",
    "secret",
    "signature",
    "currencySymbol",
    "ccCardCodeIsRequired",
    "ccZipIsRequired",
    "billReminderDays",
    "taxRate",
    "isTaxExempt",
)
_PRODUCT = ("code", *_SETTINGS, "plans", "promotions", "customers", "listeners")


class _Entry(Entity, eq=False):
    """What a catalogue says of one product, which may be there already."""

    product: Product
    secret: str
    items: dict[str, Item]
    plans: dict[str, Plan]
    promotions: dict[str, Promotion]
    customers: list[Seed] = field(default_factory=list)
    listeners: list[tuple[str, frozenset[str]]] = field(default_factory=list)


class Catalog:
    """A catalogue that has been read and found in order, for the systems as they are."""

    def __init__(
        self,
        users: Mapping[str, str],
        time_zones: Mapping[str, str],
        rules: Rules | None,
        entries: Iterable[_Entry],
        pauses: tuple[timedelta, ...] | None,
        sections: Sequence[Callable[[], None]],
    ) -> None:
        self._users = users
        self._time_zones = time_zones
        self._rules = rules
        self._pauses = pauses
        self._entries = tuple(entries)
        self._sections = sections

    def install(self, systems: Systems, at: datetime) -> None:
        """Put it in place; a plan or promotion that is there already is replaced for what comes.

        Listeners are registered last: no hook tells of the customers that a catalogue brings. CatalogError if
        the engine refuses such a customer.
        """
        state = systems.cheddar
        state.users.update(self._users)
        state.time_zones.update(self._time_zones)
        if self._pauses is not None:
            state.hooks.pauses = self._pauses
        for entry in self._entries:
            product = entry.product
            state.products[product.code] = product
            if self._rules is not None:
                product.rules = self._rules
            product.secret = entry.secret
            product.items.update(entry.items)
            for plan in entry.plans.values():
                state.put_plan(product, plan)
            product.promotions.update(entry.promotions)
        for entry in self._entries:
            for seed in entry.customers:
                try:
                    seed.create(state, entry.product, at)
                except Refusal as refusal:
                    raise CatalogError(f"{seed.place}: {refusal.message}") from None
        for entry in self._entries:
            for url, events in entry.listeners:
                state.hooks.listen(entry.product.code, url, events)
        for install in self._sections:
            install()


def load_catalog(path: Path) -> Mapping[str, Any]:
    """The content of a catalogue file, TOML or `.json`; CatalogError if it can't be read."""
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix == ".json":
            content = json.loads(text, parse_float=Decimal)
        else:
            import tomllib  # a mock without such a file is up sooner

            content = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise CatalogError(f"{path}: a table is expected")
    return content


def default_catalog() -> Mapping[str, Any]:
    """A small product to play with: what `tallyhook mock` offers when it is given no catalogue."""
    return load_catalog(Path(__file__).with_name("default.json"))


def read_catalog(
    catalog: Mapping[str, object], systems: Systems, at: datetime, check_url: Callable[[str], None]
) -> Catalog:
    """Check a catalogue against what the systems have already; nothing but ids is touched.

    `at` becomes the date of what is new; `check_url` raises a ValueError for a listener that can't be had.
    CatalogError, with the place, for the first thing that is wrong.
    """
    top, state = Table(catalog, "", _CATALOG), systems.cheddar
    users, time_zones = {}, {}
    for user in top.tables("users", _USER):
        email = user.text("email")
        if email in users:
            raise user.wrong("email", f"{email!r} stands here twice")
        users[email] = user.password("password")
        if "timezone" in user:
            time_zones[email] = _time_zone(user)
    tables = [*top.tables("products", _PRODUCT)]
    if "product" in top:
        tables.insert(0, Table(catalog["product"], "product", _PRODUCT))
    entries: dict[str, _Entry] = {}
    for table in tables:
        entry = _read_product(table, state, at, check_url)
        if entry.product.code in entries:
            raise table.wrong("code", f"{entry.product.code!r} stands here twice")
        entries[entry.product.code] = entry
    sections = [*_sections(top, systems, at)]
    # A catalogue may be for another system alone.
    for name, given, known in (("users", users, state.users), ("products", entries, state.products)):
        if not given and not known and not sections:
            raise CatalogError(f"{name}: at least one is needed")
    return Catalog(users, time_zones, _rules(top), entries.values(), _pauses(top), sections)


def _time_zone(user: Table) -> str:
    name = user.text("timezone")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise user.wrong("timezone", f"{name!r} is not a time zone such as Europe/Paris") from None
    return name


def _rules(top: Table) -> Rules | None:
    """The settings of Cheddar's rules; None if nothing is said of them."""
    if "rules" not in top:
        return None
    table = top.table("rules", tuple(SETTINGS))
    chosen: dict[str, Any] = {}
    for name in table.names():
        if name == "dunning":
            chosen[name] = _durations(table, name)
        else:
            chosen[name] = table.choice(name, SETTINGS[name].alternatives, "")
    return Rules(**chosen)


def _sections(top: Table, systems: Systems, at: datetime) -> Iterator[Callable[[], None]]:
    """What puts in place what is said of the systems beside Cheddar."""
    for name, module in parts("catalog").items():
        if name in systems.others and name in top:
            yield module.read(top.table(name, module.NAMES), systems.others[name], at)


def _pauses(top: Table) -> tuple[timedelta, ...] | None:
    """How long is waited after each attempt; None if nothing is said of it."""
    name = "hookRetryPauses"
    if name not in top:
        return None
    pauses = _durations(top, name)
    if not pauses:
        raise top.wrong(name, "at least one is needed")
    return pauses


def _durations(table: Table, name: str) -> tuple[timedelta, ...]:
    pauses = []
    for written in table.texts(name):
        try:
            duration = parse_duration(written)
        except ValueError as error:
            raise table.wrong(name, str(error)) from None
        if duration.months or duration.rest < timedelta(seconds=1):
            raise table.wrong(name, f"{written!r}: from a second up, in days at the most")
        pauses.append(duration.rest)
    return tuple(pauses)


def _read_product(table: Table, state: State, at: datetime, check_url: Callable[[str], None]) -> _Entry:
    code = table.text("code")
    product = state.products.get(code)
    if product is None:
        product = _new_product(table, code, state, at)
    elif settled := [name for name in _SETTINGS if name in table and name != "secret"]:
        raise table.wrong(settled[0], f"the product {code!r} is there already and keeps its settings")
    secret = _secret(table, product.signature, at) if "secret" in table else product.secret
    entry = _Entry(product, secret, dict(product.items), dict(product.plans), dict(product.promotions))
    for plan_table in table.tables("plans", PLAN):
        plan = read_plan(plan_table, entry.items, product.plans, state.ids, at)
        entry.plans[plan.code] = plan
    for promotion_table in table.tables("promotions", PROMOTION):
        promotion = read_promotion(promotion_table, entry.plans, state.ids, at)
        entry.promotions[promotion.name] = promotion
    codes = {customer.code for customer in state.customers(product)}
    for customer_table in table.tables("customers", CUSTOMER):
        seed = read_customer(customer_table, entry.plans)
        if seed.code in codes:
            raise customer_table.wrong("code", f"another customer has the code {seed.code!r}")
        codes.add(seed.code)
        entry.customers.append(seed)
    for listener in table.tables("listeners", _LISTENER):
        entry.listeners.append(_read_listener(listener, check_url))
    return entry


def _new_product(table: Table, code: str, state: State, at: datetime) -> Product:
    scheme = signing.SCHEMES[table.choice("signature", signing.SCHEMES, signing.CHEDDAR.name)]
    secret = _secret(table, scheme.name, at)
    return Product(
        _product_id(table, state),
        code,
        table.text("name", code),
        table.text("subdomain", code.lower()),
        secret,
        table.text("currencySymbol", "$"),
        table.flag("ccCardCodeIsRequired", False),
        table.flag("ccZipIsRequired", False),
        table.wholes("billReminderDays", most=365),
        signature=scheme.name,
        tax_rate=table.amount("taxRate", places=8) if "taxRate" in table else None,
        is_tax_exempt=table.flag("isTaxExempt", False),
    )


def _secret(table: Table, scheme: str, at: datetime) -> str:
    secret = table.text("secret")
    try:
        signing.SCHEMES[scheme].sign(b"", secret, id="trial", at=at)
    except ValueError as error:
        raise table.wrong("secret", f"it can't sign by {scheme}: {error}") from None
    return secret


def _product_id(table: Table, state: State) -> int:
    if "id" not in table:
        return state.ids.next()
    given = ids.parse(table.text("id"))
    if given is None:
        raise table.wrong("id", f"an id of this server is needed, such as {ids.text(state.ids.next())}")
    state.ids.reserve(given)
    return given


def _read_listener(table: Table, check_url: Callable[[str], None]) -> tuple[str, frozenset[str]]:
    url = table.text("url")
    try:
        check_url(url)
    except ValueError as error:
        raise table.wrong("url", str(error)) from None
    events = table.texts("events")
    for event in events:
        Table({"events": event}, table.place, ("events",)).choice("events", HOOK_TYPES, event)
    return url, frozenset(events)
