"""The section `[fusebill]` of a catalogue: who may call, and who has subscribed."""

import re
from collections.abc import Callable
from datetime import datetime

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.fusebill.model import Cycle, InvoiceDate, Refusal, State
from tallyhook_mock.systems.fusebill.rules import NewCustomer, NewSubscription, activate, new_customer

__all__ = [
    "CUSTOMER",
    "NAMES",
    "SUBSCRIPTION",
    "read_customer",
    "read_fusebill",
    "read_subscription",
]

NAMES = ("apiKeys", "customers")
CUSTOMER = ("id", "name", "currency")
SUBSCRIPTION = ("id", "planCode", "planName", "interval", "amount", "invoiceDay", "invoiceMonth", "prorate")
_SEED = (*CUSTOMER, "startDate", "subscriptions")
_CURRENCY = re.compile("[A-Z]{3}")
_MOST = 2**31 - 1  # of an id
_FIRST_YEAR = 2000


class _Seed(Value, frozen=True):
    """A customer to be created, with subscriptions that begin on the same day."""

    customer: NewCustomer
    start: datetime
    subscriptions: tuple[NewSubscription, ...]


def read_fusebill(table: Table, state: State, at: datetime) -> Callable[[State], None]:
    """Check a section against what `state` has already; what is returned puts it in place.

    Who has been a customer for some time is billed for it. CatalogError, with the place, for the first thing
    that is wrong.
    """
    keys = table.passwords("apiKeys")
    if "apiKeys" in table and not keys:
        raise table.wrong("apiKeys", "at least one is needed")
    seeds = [_read_seed(given, at) for given in table.tables("customers", _SEED)]
    customers = [seed.customer.id for seed in seeds if seed.customer.id]
    subscriptions = [new.id for seed in seeds for new in seed.subscriptions if new.id]
    for is_taken, given in ((state.has_customer, customers), (state.has_subscription, subscriptions)):
        for number in given:
            if is_taken(number) or given.count(number) > 1:
                raise table.wrong("customers", f"the id {number} is taken")

    def install(state: State) -> None:
        if keys:
            state.api_keys = keys
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


def read_customer(table: Table) -> NewCustomer:
    currency = table.text("currency", "USD")
    if not _CURRENCY.fullmatch(currency):
        raise table.wrong("currency", f"{currency!r} is not the code of a currency, such as USD")
    return NewCustomer(table.text("name"), currency, _id(table))


def read_subscription(table: Table) -> NewSubscription:
    plan = table.text("planCode")
    interval = Cycle(table.choice("interval", tuple(Cycle), Cycle.MONTHLY))
    day, month = table.whole("invoiceDay", None, most=31), table.whole("invoiceMonth", None, most=12)
    if month is not None and day is None:
        raise table.wrong("invoiceMonth", "goes with invoiceDay")
    try:
        date = None if day is None else InvoiceDate(interval, day, month)
    except Refusal as refusal:
        raise table.wrong(refusal.key, refusal.message) from None
    return NewSubscription(
        plan,
        table.text("planName", plan),
        interval,
        cents(table.amount("amount")),
        date,
        table.flag("prorate", True),
        _id(table),
    )


def _id(table: Table) -> int | None:
    given = table.whole("id", None, most=_MOST)
    if given == 0:
        raise table.wrong("id", "from 1 up")
    return given


def _read_seed(table: Table, at: datetime) -> _Seed:
    start = table.moment("startDate") or at
    if start > at:
        raise table.wrong("startDate", f"not later than now, which is {at.isoformat()}")
    if start.year < _FIRST_YEAR:
        raise table.wrong("startDate", f"not before {_FIRST_YEAR}")
    subscriptions = tuple(read_subscription(given) for given in table.tables("subscriptions", SUBSCRIPTION))
    return _Seed(read_customer(table), start, subscriptions)
