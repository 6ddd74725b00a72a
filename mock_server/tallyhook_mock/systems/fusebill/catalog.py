"""The section `[fusebill]` of a catalogue: who may call, and who has subscribed."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tallyhook_mock.catalog.table import MASK, Table
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.fusebill.model import (
    MOST_INTERVALS,
    Change,
    Cycle,
    Frequency,
    InvoiceDate,
    PlanProduct,
    Refusal,
    Reset,
    State,
    Timing,
)
from tallyhook_mock.systems.fusebill.rules import (
    NewCustomer,
    NewSubscription,
    activate,
    new_customer,
)

__all__ = [
    "CUSTOMER",
    "NAMES",
    "SUBSCRIPTION",
    "read",
    "read_customer",
    "read_subscription",
]

_SWITCHES = ("autoPost", "postReadyDraftsAtRenewal")
NAMES = ("apiKeys", *_SWITCHES, "plans", "products", "customers")
CUSTOMER = ("id", "name", "currency", "autoPost")
SUBSCRIPTION = (
    "id",
    "planCode",
    "planName",
    "interval",
    "numberOfIntervals",
    "amount",
    "chargeTiming",
    "products",
    "invoiceDay",
    "invoiceMonth",
    "prorate",
)
_PLAN = ("code", "name", "interval", "numberOfIntervals", "frequencyId", "products")
_PRODUCT = (
    "id",
    "code",
    "name",
    "price",
    "quantity",
    "maxQuantity",
    "chargeTiming",
    "midPeriodChange",
    "quantityReset",
    "prorate",
)
_SEED = (*CUSTOMER, "startDate", "subscriptions")
_CURRENCY = re.compile("[A-Z]{3}")
_MOST = 2**31 - 1  # of an id
_FIRST_YEAR = 2000
_FIRST_FREQUENCY = 9001
_FIRST_PRODUCT = 7001


class _Seed(Value, frozen=True):
    """A customer to be created, with subscriptions that begin on the same day."""

    customer: NewCustomer
    start: datetime
    subscriptions: tuple[NewSubscription, ...]


def read(table: Table, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` has already; what is returned puts it in place.

    Who has been a customer for some time is billed for it. CatalogError, with the place, for the first thing
    that is wrong.
    """
    keys = table.passwords("apiKeys")
    if "apiKeys" in table and not keys:
        raise table.wrong("apiKeys", "at least one is needed")
    auto_post = table.flag("autoPost", state.auto_post)
    at_renewal = table.flag("postReadyDraftsAtRenewal", state.posts_at_renewal)
    frequencies, products = dict(state.frequencies), dict(state.catalog_products)
    for given in table.tables("products", _PRODUCT):
        product = _read_product(given, _FIRST_PRODUCT + len(products))
        products[product.id] = product
    for given in table.tables("plans", _PLAN):
        frequency = _read_plan(given, _FIRST_FREQUENCY + len(frequencies))
        frequencies[frequency.id] = frequency
    seeds = [_read_seed(given, at, frequencies) for given in table.tables("customers", _SEED)]
    customers = [seed.customer.id for seed in seeds if seed.customer.id]
    subscriptions = [new.id for seed in seeds for new in seed.subscriptions if new.id]
    for is_taken, numbers in ((state.has_customer, customers), (state.has_subscription, subscriptions)):
        for number in numbers:
            if is_taken(number) or numbers.count(number) > 1:
                raise table.wrong("customers", f"the id {number} is taken")

    def install() -> None:
        if keys:
            state.api_keys = keys
        state.auto_post, state.posts_at_renewal = auto_post, at_renewal
        state.frequencies, state.catalog_products = frequencies, products
        # Ids that are counted must not take one that is given further below.
        state.ids.last = max([state.ids.last, *customers, *subscriptions])
        for seed in sorted(seeds, key=lambda seed: seed.start):
            state.catch_up(seed.start)
            state.actor = "operator"
            customer = new_customer(state, seed.customer, seed.start)
            for new in seed.subscriptions:
                activate(state, customer, new, seed.start)
        state.catch_up(at)

    return install


def dump(state: State) -> dict[str, Any]:
    """Who may call, what is on offer, and what holds for accounts to come, in the same words; no accounts."""
    return {"apiKeys": [MASK for _ in state.api_keys]} if state.has_own_keys else {}


def read_customer(table: Table) -> NewCustomer:
    currency = table.text("currency", "USD")
    if not _CURRENCY.fullmatch(currency):
        raise table.wrong("currency", f"{currency!r} is not the code of a currency, such as USD")
    auto_post = table.flag("autoPost", False) if "autoPost" in table else None
    return NewCustomer(table.text("name"), currency, _id(table), auto_post)


def read_subscription(table: Table, frequencies: Mapping[int, Frequency]) -> NewSubscription:
    """A subscription to a plan of the catalogue; or, with an `amount`, to one that is made up for it.

    Its first product is then what the amount is for, and `products` come beside it.
    """
    code = table.text("planCode")
    interval = Cycle(table.choice("interval", tuple(Cycle), Cycle.MONTHLY))
    intervals = _intervals(table)
    if "amount" in table:
        timing = Timing(table.choice("chargeTiming", tuple(Timing), Timing.START))
        name = table.text("planName", code)
        base = PlanProduct(0, code, name, cents(table.amount("amount")), timing=timing)
        more = tuple(_read_product(given, 0) for given in table.tables("products", _PRODUCT))
        frequency = Frequency(0, code, name, interval, intervals, (base, *more))
    else:
        found = [each for each in frequencies.values() if each.plan_code == code]
        if "interval" in table or "numberOfIntervals" in table:
            found = [each for each in found if (each.cycle, each.intervals) == (interval, intervals)]
        if not found:
            raise table.wrong("amount", f"a value is required, since there is no such plan {code!r}")
        frequency = found[0]
    day, month = table.whole("invoiceDay", None, most=31), table.whole("invoiceMonth", None, most=12)
    if month is not None and day is None:
        raise table.wrong("invoiceMonth", "goes with invoiceDay")
    try:
        date = None if day is None else InvoiceDate(frequency.cycle, day, month, frequency.intervals)
    except Refusal as refusal:
        raise table.wrong(refusal.key, refusal.message) from None
    return NewSubscription(frequency, date, table.flag("prorate", True), _id(table))


def _read_plan(table: Table, number: int) -> Frequency:
    code = table.text("code")
    products = tuple(_read_product(given, 0) for given in table.tables("products", _PRODUCT))
    if not products:
        raise table.wrong("products", "at least one is needed")
    return Frequency(
        table.whole("frequencyId", number, most=_MOST) or number,
        code,
        table.text("name", code),
        Cycle(table.choice("interval", tuple(Cycle), Cycle.MONTHLY)),
        _intervals(table),
        products,
    )


def _read_product(table: Table, number: int) -> PlanProduct:
    timing = Timing(table.choice("chargeTiming", tuple(Timing), Timing.START))
    return PlanProduct(
        table.whole("id", number, most=_MOST) or number,
        table.text("code"),
        table.text("name", table.text("code")),
        table.amount("price"),
        table.amount("quantity", "1" if timing is Timing.START else "0", places=6),
        timing,
        Change(table.choice("midPeriodChange", tuple(Change), Change.IMMEDIATE)),
        Reset(table.choice("quantityReset", tuple(Reset), Reset.NEVER)),
        table.flag("prorate", True),
        table.amount("maxQuantity", places=6) if "maxQuantity" in table else None,
    )


def _intervals(table: Table) -> int:
    intervals = table.whole("numberOfIntervals", 1, most=MOST_INTERVALS)
    if not intervals:
        raise table.wrong("numberOfIntervals", "at least 1")
    return intervals


def _id(table: Table) -> int | None:
    given = table.whole("id", None, most=_MOST)
    if given == 0:
        raise table.wrong("id", "from 1 up")
    return given


def _read_seed(table: Table, at: datetime, frequencies: Mapping[int, Frequency]) -> _Seed:
    start = table.moment("startDate") or at
    if start > at:
        raise table.wrong("startDate", f"not later than now, which is {at.isoformat()}")
    if start.year < _FIRST_YEAR:
        raise table.wrong("startDate", f"not before {_FIRST_YEAR}")
    subscriptions = tuple(
        read_subscription(given, frequencies) for given in table.tables("subscriptions", SUBSCRIPTION)
    )
    return _Seed(read_customer(table), start, subscriptions)
