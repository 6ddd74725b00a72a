"""The section `[fusebill]` of a catalogue: API keys, plans, products and customers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from tallyhook_mock.catalog.table import (
    MASK,
    Amount,
    KeyedListener,
    Password,
    Places6,
    Required,
    Table,
    Text,
    one_of,
)
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import amount_text, cents, currency_problem, quantity_text
from tallyhook_mock.systems.fusebill.dates import MOST_INTERVALS, Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.hooks import POLICY
from tallyhook_mock.systems.fusebill.model import Change, Frequency, PlanProduct, Reset, Timing
from tallyhook_mock.systems.fusebill.refusal import Refusal
from tallyhook_mock.systems.fusebill.rules import NewCustomer, NewSubscription, activate, new_customer
from tallyhook_mock.systems.fusebill.state import State

__all__ = [
    "MOST",
    "CustomerTable",
    "Day",
    "Id",
    "Month",
    "Section",
    "SubscriptionTable",
    "dump",
    "read",
    "read_customer",
    "read_subscription",
]

MOST = 2**31 - 1  # the largest id
_FIRST_YEAR = 2000
_FIRST_FREQUENCY = 9001
_FIRST_PRODUCT = 7001

Id: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
Day: TypeAlias = Annotated[int, Meta(ge=0, le=31)]
Month: TypeAlias = Annotated[int, Meta(ge=0, le=12)]
_Intervals: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_INTERVALS)]


class ProductTable(Table):
    code: Required
    price: Amount
    id: Id | None = None
    name: Text | None = None
    quantity: Places6 | None = None
    max_quantity: Places6 | None = None
    charge_timing: Timing = Timing.START
    mid_period_change: Change = Change.IMMEDIATE
    quantity_reset: Reset = Reset.NEVER
    prorate: bool = True
    track_items: bool = False


class PlanTable(Table):
    code: Required
    name: Text | None = None
    interval: Cycle = Cycle.MONTHLY
    number_of_intervals: _Intervals = 1
    frequency_id: Id | None = None
    products: tuple[ProductTable, ...] = ()


class SubscriptionTable(Table):
    """A subscription to a plan of the catalogue, or if `amount` is given, to a new plan with this price."""

    plan_code: Required
    id: Id | None = None
    plan_name: Text | None = None
    interval: Cycle | None = None
    number_of_intervals: _Intervals | None = None
    amount: Amount | None = None
    charge_timing: Timing = Timing.START
    products: tuple[ProductTable, ...] = ()
    invoice_day: Day | None = None
    invoice_month: Month | None = None
    prorate: bool = True


class CustomerTable(Table):
    name: Required
    id: Id | None = None
    currency: Text = "USD"
    auto_post: bool | None = None


class SeedTable(CustomerTable):
    start_date: datetime | None = None
    subscriptions: tuple[SubscriptionTable, ...] = ()


class WebhookListener(KeyedListener):
    events: tuple[Annotated[str, one_of(POLICY.types)], ...] = ()


class Section(Table):
    api_keys: tuple[Password, ...] | None = None
    auto_post: bool | None = None
    post_ready_drafts_at_renewal: bool | None = None
    charge_units_again: bool | None = None
    plans: tuple[PlanTable, ...] = ()
    products: tuple[ProductTable, ...] = ()
    customers: tuple[SeedTable, ...] = ()
    listeners: tuple[WebhookListener, ...] = ()


class _Seed(Value, frozen=True):
    """A customer to create, with subscriptions that begin on the same day."""

    customer: NewCustomer
    start: datetime
    subscriptions: tuple[NewSubscription, ...]


def read(table: Section, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` already has. Returns a function that installs the section.

    A customer whose start date is in the past is billed for the time since then. Raises CatalogError for the
    first mistake. The error says where the mistake is.
    """
    if table.api_keys == ():
        raise table.wrong("apiKeys", "at least one is needed")
    frequencies, products = dict(state.frequencies), dict(state.catalog_products)
    for given in table.products:
        product = _read_product(given, _FIRST_PRODUCT + len(products))
        products[product.id] = product
    for plan in table.plans:
        frequency = _read_plan(plan, _FIRST_FREQUENCY + len(frequencies))
        frequencies[frequency.id] = frequency
    seeds = [_read_seed(seed, at, frequencies) for seed in table.customers]
    customers = [seed.customer.id for seed in seeds if seed.customer.id]
    subscriptions = [new.id for seed in seeds for new in seed.subscriptions if new.id]
    for is_taken, numbers in ((state.has_customer, customers), (state.has_subscription, subscriptions)):
        for number in numbers:
            if is_taken(number) or numbers.count(number) > 1:
                raise table.wrong("customers", f"the id {number} is taken")

    def install() -> None:
        state.api_keys = table.api_keys or state.api_keys
        if table.auto_post is not None:
            state.auto_post = table.auto_post
        if table.post_ready_drafts_at_renewal is not None:
            state.posts_at_renewal = table.post_ready_drafts_at_renewal
        if table.charge_units_again is not None:
            state.charges_units_again = table.charge_units_again
        state.frequencies, state.catalog_products = frequencies, products
        # Generated ids must not collide with ids that the section gives.
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
    """Return the current state as a section of a catalogue, without customers."""
    return {
        **({"apiKeys": [MASK for _ in state.api_keys]} if state.api_keys else {}),
        "autoPost": state.auto_post,
        "postReadyDraftsAtRenewal": state.posts_at_renewal,
        "chargeUnitsAgain": state.charges_units_again,
        "plans": [
            {
                "code": frequency.plan_code,
                "name": frequency.plan_name,
                "interval": frequency.cycle,
                "numberOfIntervals": frequency.intervals,
                "frequencyId": frequency.id,
                "products": [_product(product) for product in frequency.products],
            }
            for frequency in state.frequencies.values()
        ],
        "products": [_product(product) for product in state.catalog_products.values()],
    }


def _product(product: PlanProduct) -> dict[str, Any]:
    return {
        "code": product.code,
        "name": product.name,
        "price": amount_text(product.price),
        **({"id": product.id} if product.id else {}),
        **({} if product.is_tracked else {"quantity": quantity_text(product.quantity)}),
        **({} if product.most is None else {"maxQuantity": quantity_text(product.most)}),
        "chargeTiming": product.timing,
        "midPeriodChange": product.change,
        "quantityReset": product.reset,
        "prorate": product.prorates,
        "trackItems": product.is_tracked,
    }


def read_customer(table: CustomerTable) -> NewCustomer:
    if (problem := currency_problem(table.currency)) is not None:
        raise table.wrong("currency", problem)
    return NewCustomer(table.name, table.currency, _id(table, table.id), table.auto_post)


def read_subscription(table: SubscriptionTable, frequencies: Mapping[int, Frequency]) -> NewSubscription:
    """Read a subscription to a plan of the catalogue, or if `amount` is given, to a new plan.

    The price of the new plan's first product is `amount`. The plan's other products are `products`.
    """
    code, interval, intervals = table.plan_code, table.interval or Cycle.MONTHLY, _intervals(table)
    if table.amount is not None:
        name = code if table.plan_name is None else table.plan_name
        base = PlanProduct(0, code, name, cents(table.amount), timing=table.charge_timing)
        more = tuple(_read_product(given, 0) for given in table.products)
        frequency = Frequency(0, code, name, interval, intervals, (base, *more))
    else:
        found = [each for each in frequencies.values() if each.plan_code == code]
        if table.interval is not None or table.number_of_intervals is not None:
            found = [each for each in found if (each.cycle, each.intervals) == (interval, intervals)]
        if not found:
            raise table.wrong("amount", f"a value is required, since there is no plan {code!r}")
        frequency = found[0]
    day, month = table.invoice_day, table.invoice_month
    if month is not None and day is None:
        raise table.wrong("invoiceMonth", "only allowed with invoiceDay")
    try:
        date = None if day is None else InvoiceDate(frequency.cycle, day, month, frequency.intervals)
    except Refusal as refusal:
        raise table.wrong(refusal.key, refusal.message) from None
    return NewSubscription(frequency, date, table.prorate, _id(table, table.id))


def _read_plan(table: PlanTable, number: int) -> Frequency:
    if not table.products:
        raise table.wrong("products", "at least one is needed")
    return Frequency(
        table.frequency_id or number,
        table.code,
        table.code if table.name is None else table.name,
        table.interval,
        _intervals(table),
        tuple(_read_product(given, 0) for given in table.products),
    )


def _read_product(table: ProductTable, number: int) -> PlanProduct:
    quantity = table.quantity
    if table.track_items:
        if quantity is not None:
            raise table.wrong("quantity", "a tracked product begins without items")
        if table.quantity_reset is Reset.START:
            raise table.wrong("quantityReset", "a tracked product can't be reset at the start")
        quantity = Decimal(0)
    if quantity is None:
        quantity = Decimal(1 if table.charge_timing is Timing.START else 0)
    return PlanProduct(
        table.id or number,
        table.code,
        table.code if table.name is None else table.name,
        table.price,
        quantity,
        table.charge_timing,
        table.mid_period_change,
        table.quantity_reset,
        table.prorate,
        table.max_quantity,
        table.track_items,
    )


def _intervals(table: PlanTable | SubscriptionTable) -> int:
    intervals = 1 if table.number_of_intervals is None else table.number_of_intervals
    if not intervals:
        raise table.wrong("numberOfIntervals", "at least 1")
    return intervals


def _id(table: Table, given: int | None) -> int | None:
    if given == 0:
        raise table.wrong("id", "at least 1")
    return given


def _read_seed(table: SeedTable, at: datetime, frequencies: Mapping[int, Frequency]) -> _Seed:
    start = table.start_date or at
    if start > at:
        raise table.wrong("startDate", f"not later than now, which is {at.isoformat()}")
    if start.year < _FIRST_YEAR:
        raise table.wrong("startDate", f"not before {_FIRST_YEAR}")
    subscriptions = tuple(read_subscription(given, frequencies) for given in table.subscriptions)
    return _Seed(read_customer(table), start, subscriptions)
