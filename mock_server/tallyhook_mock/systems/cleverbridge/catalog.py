"""The section `[cleverbridge]` of a catalogue: users, products, coupons and subscriptions."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from tallyhook_mock.catalog.table import (
    MASK,
    Amount,
    Listener,
    Password,
    Required,
    Table,
    Text,
    one_of,
)
from tallyhook_mock.core.money import amount_text, currency_problem, quantity_text
from tallyhook_mock.systems.cleverbridge.hooks import POLICY
from tallyhook_mock.systems.cleverbridge.model import Coupon, Mode, Product, Terms
from tallyhook_mock.systems.cleverbridge.rules import LONGEST_REMINDER, NewSubscription, subscribe
from tallyhook_mock.systems.cleverbridge.state import State
from tallyhook_mock.systems.cleverbridge.updates import MOST

__all__ = ["Section", "SubscriptionTable", "dump", "read", "read_subscription"]

_ID = re.compile("S[0-9]{1,18}")
_LONGEST_INTERVAL = 120  # months
_Whole: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
_Days: TypeAlias = Annotated[int, Meta(ge=0, le=LONGEST_REMINDER)]


class UserTable(Table):
    name: Required
    password: Password


class ProductTable(Table):
    id: _Whole
    name: Required
    price: Amount
    billing_mode: Mode = Mode.ADVANCE


class CouponTable(Table):
    code: Required
    percent: Amount


class ItemTable(Table):
    product_id: _Whole
    quantity: _Whole | None = None
    billing_mode: Mode | None = None
    unit_price: Amount | None = None
    coupon_code: Required | None = None


class SubscriptionTable(Table):
    """A subscription in a catalogue.

    If `customerId` is a number, it is the one that Cleverbridge assigns (documented). Otherwise, it is the
    merchant's own reference.
    """

    id: Required | None = None
    customer_id: _Whole | Text | None = None
    customer_reference_id: Text = ""
    customer_email: Text = ""
    currency: Text = "EUR"
    interval_length_months: Annotated[int, Meta(ge=0, le=_LONGEST_INTERVAL)] = 1
    start_date: datetime | None = None
    vat_percent: Amount | None = None
    reminder_days: _Days | None = None
    items: tuple[ItemTable, ...] = ()


class NotificationListener(Listener):
    events: tuple[Annotated[str, one_of(POLICY.types)], ...] = ()


class Section(Table):
    vat_percent: Amount | None = None
    reminder_days: _Days | None = None
    accepts_quantity_zero: bool | None = None
    always_priced: bool | None = None
    users: tuple[UserTable, ...] = ()
    products: tuple[ProductTable, ...] = ()
    coupons: tuple[CouponTable, ...] = ()
    subscriptions: tuple[SubscriptionTable, ...] = ()
    listeners: tuple[NotificationListener, ...] = ()


def read(table: Section, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` already has. Returns a function that installs the section.

    A product or coupon that already exists is replaced, but existing subscriptions keep their prices. Raises
    CatalogError for the first mistake. The error says where the mistake is.
    """
    _check_percent(table, "vatPercent", table.vat_percent)
    products, coupons = dict(state.products), dict(state.coupons)
    for product in table.products:
        products[product.id] = Product(product.id, product.name, product.price, product.billing_mode)
    for coupon in table.coupons:
        _check_percent(coupon, "percent", coupon.percent)
        coupons[coupon.code] = Coupon(coupon.code, coupon.percent)
    subscriptions = _read_subscriptions(table, state, products, coupons, at)

    def install() -> None:
        state.users.update({user.name: user.password for user in table.users})
        state.products.update(products)
        state.coupons.update(coupons)
        if table.accepts_quantity_zero is not None:
            state.accepts_zero = table.accepts_quantity_zero
        if table.always_priced is not None:
            state.always_priced = table.always_priced
        if table.vat_percent is not None:
            state.vat_percent = table.vat_percent
        if table.reminder_days is not None:
            state.reminder_days = table.reminder_days
        state.actor = "operator"
        for new in subscriptions:
            subscribe(state, new, at)

    return install


def dump(state: State) -> dict[str, Any]:
    """Return the current state as a section of a catalogue, without subscriptions."""
    return {
        "vatPercent": quantity_text(state.vat_percent),
        "reminderDays": state.reminder_days,
        "acceptsQuantityZero": state.accepts_zero,
        "alwaysPriced": state.always_priced,
        "users": [{"name": name, "password": MASK} for name in state.users],
        "products": [
            {
                "id": product.id,
                "name": product.name,
                "price": amount_text(product.price),
                "billingMode": product.mode,
            }
            for product in state.products.values()
        ],
        "coupons": [
            {"code": coupon.code, "percent": quantity_text(coupon.percent)}
            for coupon in state.coupons.values()
        ],
    }


def read_subscription(
    table: SubscriptionTable,
    ids: Callable[[], str],
    products: Mapping[int, Product],
    coupons: Mapping[str, Coupon],
    at: datetime,
) -> NewSubscription:
    """Read a subscription. Its items can only name products and coupons in `products` and `coupons`.

    If the table has no id, `ids` is called for a new one. Raises CatalogError if a value is not valid.
    """
    if table.start_date is not None and table.start_date > at:
        raise table.wrong("startDate", f"not later than now, which is {at.isoformat()}")
    if (problem := currency_problem(table.currency)) is not None:
        raise table.wrong("currency", problem)
    if not table.interval_length_months:
        raise table.wrong("intervalLengthMonths", "at least 1")
    if not table.items:
        raise table.wrong("items", "at least one is needed")
    _check_percent(table, "vatPercent", table.vat_percent)
    if table.id is not None and not _ID.fullmatch(table.id):
        raise table.wrong("id", f"{table.id!r} is not an S and a number, such as S1001")
    customer_id, reference = _customer(table)
    return NewSubscription(
        id=table.id or ids(),
        items=tuple(_read_item(item, products, coupons) for item in table.items),
        customer_id=customer_id,
        reference=reference,
        email=table.customer_email,
        currency=table.currency,
        months=table.interval_length_months,
        start=table.start_date,
        vat_percent=table.vat_percent,
        reminder_days=table.reminder_days,
    )


def _read_subscriptions(
    section: Section,
    state: State,
    products: Mapping[int, Product],
    coupons: Mapping[str, Coupon],
    at: datetime,
) -> list[NewSubscription]:
    taken: set[str] = set()
    for given in section.subscriptions:
        if given.id is not None:
            if given.id in taken or (_ID.fullmatch(given.id) and state.has_subscription(given.id)):
                raise given.wrong("id", f"another subscription has the id {given.id!r}")
            taken.add(given.id)
    free = (each for each in state.free_ids() if each not in taken)
    return [
        read_subscription(given, lambda: next(free), products, coupons, at) for given in section.subscriptions
    ]


def _read_item(
    table: ItemTable, products: Mapping[int, Product], coupons: Mapping[str, Coupon]
) -> tuple[Mode, Terms]:
    product = products.get(table.product_id)
    if product is None:
        raise table.wrong("productId", f"there is no product {table.product_id}")
    mode, quantity = table.billing_mode or product.mode, table.quantity
    if quantity is None:
        quantity = 1 if mode is Mode.ADVANCE else 0
    coupon = None if table.coupon_code is None else coupons.get(table.coupon_code)
    if coupon is None and table.coupon_code is not None:
        raise table.wrong("couponCode", f"there is no coupon {table.coupon_code!r}")
    price = product.price if table.unit_price is None else table.unit_price
    return mode, Terms(product.id, product.name, quantity, price, coupon)


def _customer(table: SubscriptionTable) -> tuple[int | None, str]:
    """Return the customer's number and reference. A `customerId` that isn't a number is the reference."""
    given, reference = table.customer_id, table.customer_reference_id
    if not isinstance(given, str):
        return given, reference
    if reference and reference != given:
        raise table.wrong("customerId", f"{given!r} is not a number, and there is already another reference")
    return None, given


def _check_percent(table: Table, name: str, percent: Decimal | None) -> None:
    if percent is not None and percent > 100:
        raise table.wrong(name, f"{percent} is more than 100")
