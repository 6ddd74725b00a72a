"""Reads a catalogue. The whole catalogue is checked before any of it is installed."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, defstruct, field
from msgspec.json import schema as json_schema
from msgspec.structs import asdict, fields

from tallyhook import signing
from tallyhook_mock.catalog.table import (
    CatalogError,
    KeyedListener,
    Listener,
    Password,
    Rate,
    Required,
    Table,
    Text,
    known,
    one_of,
    read,
)
from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Entity
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.systems import SYSTEMS, Systems, parts, policies
from tallyhook_mock.systems.cheddar.catalog import (
    CustomerTable,
    PlanTable,
    PromotionTable,
    Seed,
    read_customer,
    read_plan,
    read_promotion,
)
from tallyhook_mock.systems.cheddar.products import Item, Plan, Product, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Rules
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, State

__all__ = ["Catalog", "catalog_schema", "catalog_table", "default_catalog", "load_catalog", "read_catalog"]


class UserTable(Table):
    """A user who may call Cheddar's API."""

    email: Required
    password: Password
    timezone: Required | None = None


class CheddarListener(Listener):
    events: tuple[Annotated[str, one_of(HOOK_TYPES)], ...] = ()


class ProductTable(Table):
    """A product. If the product already exists, only its `secret` and its lists can be changed."""

    code: Required
    id: Required | None = None
    name: Text | None = None
    subdomain: Text | None = None
    secret: Required | None = None
    signature: Annotated[str, one_of(signing.SCHEMES)] | None = None
    currency_symbol: Text | None = None
    cc_card_code_is_required: bool | None = None
    cc_zip_is_required: bool | None = None
    cc_zip_declines: Text | None = None
    bill_reminder_days: tuple[Annotated[int, Meta(ge=0, le=365)], ...] | None = None
    tax_rate: Rate | None = None
    is_tax_exempt: bool | None = None
    plans: tuple[PlanTable, ...] = ()
    promotions: tuple[PromotionTable, ...] = ()
    customers: tuple[CustomerTable, ...] = ()
    listeners: tuple[CheddarListener, ...] = ()


# A product's settings. Except `secret`, they can't be changed once the product exists.
_SETTINGS = known(ProductTable)[1:-4]

# The settings of Cheddar's rules, by their Python names.
RulesTable = defstruct(
    "RulesTable",
    [
        (
            name,
            (list[Required] if name == "dunning" else Annotated[str, one_of(setting.alternatives)]) | None,
            None,
        )
        for name, setting in SETTINGS.items()
    ],
    bases=(Table,),
    rename={},
)


class _CatalogTable(Table):
    """The keys of a catalogue, except the sections of billing systems other than Cheddar."""

    schema_: Text = field(default="", name="$schema")
    hook_retry_pauses: list[Required] | None = None
    rules: RulesTable | None = None  # type: ignore[valid-type]  # made of the settings
    product: ProductTable | None = None
    products: tuple[ProductTable, ...] = ()
    users: tuple[UserTable, ...] = ()


_OTHERS = [system for system in SYSTEMS if system != "cheddar"]


@cache
def catalog_table() -> type[Table]:
    """Return the type of a catalogue, with the sections of all billing systems."""
    others = {name: module for name, module in parts("catalog").items() if name in _OTHERS}
    sections = [(name, module.Section | None, None) for name, module in others.items()]
    made = defstruct("Catalog", sections, bases=(_CatalogTable,))
    assert issubclass(made, Table)
    return made


class _Entry(Entity, eq=False):
    """A product in a catalogue. The product may already exist in the mock."""

    product: Product
    secret: str
    items: dict[str, Item]
    plans: dict[str, Plan]
    promotions: dict[str, Promotion]
    customers: list[Seed] = field(default_factory=list)
    listeners: list[tuple[str, frozenset[str]]] = field(default_factory=list)


class Catalog:
    """A catalogue that was read, and checked against the billing systems' current state."""

    def __init__(
        self,
        users: Mapping[str, str],
        time_zones: Mapping[str, str],
        rules: Rules | None,
        entries: Iterable[_Entry],
        pauses: tuple[timedelta, ...] | None,
        sections: Sequence[Callable[[], object]],
    ) -> None:
        self._users = users
        self._time_zones = time_zones
        self._rules = rules
        self._pauses = pauses
        self._entries = tuple(entries)
        self._sections = sections

    def install(self, systems: Systems, at: datetime) -> None:
        """Install the catalogue in the mock. Plans and promotions that already exist are replaced.

        Listeners are registered last, so that they get no hooks about the catalogue's customers.
        Raises CatalogError if a customer is refused.
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
) -> Catalog:
    """Read a catalogue, and check it against the billing systems' state.

    The state doesn't change, except that ids are used up. `at` becomes the creation date of everything new.
    `check_url` must raise ValueError for a URL that a listener can't have. Raises CatalogError for the first
    mistake. The error says where the mistake is.
    """
    top: Any = read(catalog_table(), catalog)
    state = systems.cheddar
    users: dict[str, str] = {}
    for user in top.users:
        if user.email in users:
            raise user.wrong("email", f"{user.email!r} is listed twice")
        users[user.email] = user.password
    time_zones = {user.email: _time_zone(user) for user in top.users if user.timezone}
    entries: dict[str, _Entry] = {}
    for table in (*([top.product] if top.product else ()), *top.products):
        entry = _read_product(table, state, at, check_url)
        if entry.product.code in entries:
            raise table.wrong("code", f"{entry.product.code!r} is listed twice")
        entries[entry.product.code] = entry
    sections = [*_sections(top, systems, at, check_url)]
    # A catalogue may contain only sections of systems other than Cheddar.
    for name, given, there in (("users", users, state.users), ("products", entries, state.products)):
        if not given and not there and not sections:
            raise CatalogError(f"{name}: at least one is needed")
    return Catalog(users, time_zones, _rules(top), entries.values(), _pauses(top), sections)


def _time_zone(user: UserTable) -> str:
    name = user.timezone or ""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise user.wrong("timezone", f"{name!r} is not a time zone such as Europe/Paris") from None
    return name


def _rules(top: Any) -> Rules | None:
    """Return the settings of Cheddar's rules, or None if the catalogue has none."""
    if top.rules is None:
        return None
    chosen = {name: value for name, value in asdict(top.rules).items() if value is not None}
    if "dunning" in chosen:
        chosen["dunning"] = _durations(chosen["dunning"], top.rules, "dunning")
    return Rules(**chosen)


def _sections(
    top: Table, systems: Systems, at: datetime, check_url: Callable[[str], None]
) -> Iterator[Callable[[], object]]:
    """Yield functions that install the sections of billing systems other than Cheddar."""
    for name, module in parts("catalog").items():
        table = getattr(top, name, None)
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
        _check_url(table, check_url)
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


def _pauses(top: Any) -> tuple[timedelta, ...] | None:
    """Return the pauses after each attempt to deliver a hook, or None if the catalogue has none."""
    if top.hook_retry_pauses is None:
        return None
    pauses = _durations(top.hook_retry_pauses, top, "hookRetryPauses")
    if not pauses:
        raise top.wrong("hookRetryPauses", "at least one is needed")
    return pauses


def _durations(given: Iterable[str], table: Table, name: str) -> tuple[timedelta, ...]:
    pauses = []
    for written in given:
        try:
            duration = parse_duration(written)
        except ValueError as error:
            raise table.wrong(name, str(error)) from None
        if duration.months or duration.rest < timedelta(seconds=1):
            raise table.wrong(name, f"{written!r}: at least a second, and no months")
        pauses.append(duration.rest)
    return tuple(pauses)


def _read_product(
    table: ProductTable, state: State, at: datetime, check_url: Callable[[str], None]
) -> _Entry:
    code = table.code
    product = state.products.get(code)
    if product is None:
        product = _new_product(table, state, at)
    elif settled := [name for name in _SETTINGS if name != "secret" and _given(table, name)]:
        raise table.wrong(settled[0], f"the product {code!r} already exists and keeps its settings")
    secret = product.secret if table.secret is None else _secret(table, product.signature, at)
    entry = _Entry(product, secret, dict(product.items), dict(product.plans), dict(product.promotions))
    for plan_table in table.plans:
        plan = read_plan(plan_table, entry.items, product.plans, state.ids, at)
        entry.plans[plan.code] = plan
    for promotion_table in table.promotions:
        promotion = read_promotion(promotion_table, entry.plans, state.ids, at)
        entry.promotions[promotion.name] = promotion
    codes = {customer.code for customer in state.customers(product)}
    for customer in table.customers:
        if customer.code in codes:
            raise customer.wrong("code", f"another customer has the code {customer.code!r}")
        codes.add(customer.code)
        entry.customers.append(read_customer(customer, entry.plans))
    for listener in table.listeners:
        _check_url(listener, check_url)
        entry.listeners.append((listener.url, frozenset(listener.events)))
    return entry


def _given(table: Table, key: str) -> bool:
    """Return whether the table has a value for this key."""
    found = next(field for field in fields(table) if field.encode_name == key)
    return getattr(table, found.name) is not None


def _new_product(table: ProductTable, state: State, at: datetime) -> Product:
    scheme = table.signature or signing.CHEDDAR.name
    secret = _secret(table, scheme, at)
    return Product(
        _product_id(table, state),
        table.code,
        table.code if table.name is None else table.name,
        table.code.lower() if table.subdomain is None else table.subdomain,
        secret,
        "$" if table.currency_symbol is None else table.currency_symbol,
        bool(table.cc_card_code_is_required),
        bool(table.cc_zip_is_required),
        table.bill_reminder_days or (),
        signature=scheme,
        tax_rate=table.tax_rate,
        is_tax_exempt=bool(table.is_tax_exempt),
        declining_zip=table.cc_zip_declines or "",
    )


def _secret(table: ProductTable, scheme: str, at: datetime) -> str:
    if table.secret is None:
        raise table.wrong("secret", "a value is required")
    try:
        signing.SCHEMES[scheme].sign(b"", table.secret, id="trial", at=at)
    except ValueError as error:
        raise table.wrong("secret", f"can't sign with {scheme}: {error}") from None
    return table.secret


def _product_id(table: ProductTable, state: State) -> int:
    if table.id is None:
        return state.ids.next()
    given = ids.parse(table.id)
    if given is None:
        raise table.wrong("id", f"not an id of this server, such as {ids.text(state.ids.next())}")
    state.ids.reserve(given)
    return given


def _check_url(table: Listener, check_url: Callable[[str], None]) -> None:
    try:
        check_url(table.url)
    except ValueError as error:
        raise table.wrong("url", str(error)) from None
