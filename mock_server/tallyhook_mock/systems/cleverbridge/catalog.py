"""The section `[cleverbridge]` of a catalogue: what is on sale there, and who has subscribed."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tallyhook_mock.catalog.table import MASK, CatalogError, Table
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cleverbridge.model import Coupon, Mode, Product, State, Terms
from tallyhook_mock.systems.cleverbridge.rules import LONGEST_REMINDER, MOST, NewSubscription, subscribe

__all__ = ["NAMES", "SUBSCRIPTION", "read", "read_subscription"]

_SETTINGS = ("vatPercent", "reminderDays")
_SWITCHES = ("acceptsQuantityZero", "alwaysPriced")
NAMES = (*_SETTINGS, *_SWITCHES, "users", "products", "coupons", "subscriptions")
SUBSCRIPTION = (
    "id",
    "customerId",
    "customerReferenceId",
    "customerEmail",
    "currency",
    "intervalLengthMonths",
    "startDate",
    *_SETTINGS,
    "items",
)
_USER = ("name", "password")
_PRODUCT = ("id", "name", "price", "billingMode")
_COUPON = ("code", "percent")
_ITEM = ("productId", "quantity", "billingMode", "unitPrice", "couponCode")
_ID = re.compile("S[0-9]{1,18}")
_CURRENCY = re.compile("[A-Z]{3}")
_LONGEST_INTERVAL = 120  # months


def read(table: Table, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` has already; what is returned puts it in place.

    A product or coupon that is there already is replaced for what comes; its subscriptions keep their prices.
    CatalogError, with the place, for the first thing that is wrong.
    """
    users = {user.text("name"): user.password("password") for user in table.tables("users", _USER)}
    vat_percent, reminder_days = _vat_percent(table), _reminder_days(table)
    products = dict(state.products)
    for given in table.tables("products", _PRODUCT):
        mode = Mode(given.choice("billingMode", tuple(Mode), Mode.ADVANCE))
        product = Product(_product_id(given, "id"), given.text("name"), given.amount("price"), mode)
        products[product.id] = product
    coupons = dict(state.coupons)
    for given in table.tables("coupons", _COUPON):
        coupon = Coupon(given.text("code"), _percent(given, "percent"))
        coupons[coupon.code] = coupon
    accepts_zero = table.flag("acceptsQuantityZero", state.accepts_zero)
    always_priced = table.flag("alwaysPriced", state.always_priced)
    subscriptions = _read_subscriptions(table, state, products, coupons, at)

    def install() -> None:
        state.users.update(users)
        state.products.update(products)
        state.coupons.update(coupons)
        state.accepts_zero, state.always_priced = accepts_zero, always_priced
        if vat_percent is not None:
            state.vat_percent = vat_percent
        if reminder_days is not None:
            state.reminder_days = reminder_days
        state.actor = "operator"
        for new in subscriptions:
            subscribe(state, new, at)

    return install


def dump(state: State) -> dict[str, Any]:
    """Who may call, what is on offer, and what holds for accounts to come, in the same words; no accounts."""
    return {
        "vatPercent": quantity_text(state.vat_percent),
        "reminderDays": state.reminder_days,
        "users": [{"name": name, "password": MASK} for name in state.users],
        "products": [
            {"id": product.id, "name": product.name, "price": amount_text(product.price)}
            for product in state.products.values()
        ],
        "coupons": [
            {"code": coupon.code, "percent": quantity_text(coupon.percent)}
            for coupon in state.coupons.values()
        ],
    }


def read_subscription(
    table: Table,
    ids: Callable[[], str],
    products: Mapping[int, Product],
    coupons: Mapping[str, Coupon],
    at: datetime,
) -> NewSubscription:
    """A subscription to some of `products` from `at` on; `ids` names it if it doesn't do so itself."""
    start = table.moment("startDate")
    if start is not None and start > at:
        raise table.wrong("startDate", f"not later than now, which is {at.isoformat()}")
    currency = table.text("currency", "EUR")
    if not _CURRENCY.fullmatch(currency):
        raise table.wrong("currency", f"{currency!r} is not the code of a currency, such as EUR")
    months = table.whole("intervalLengthMonths", 1, most=_LONGEST_INTERVAL)
    if not months:
        raise table.wrong("intervalLengthMonths", "at least 1")
    items = tuple(_read_item(item, products, coupons) for item in table.tables("items", _ITEM))
    if not items:
        raise table.wrong("items", "at least one is needed")
    customer_id, reference = _customer(table)
    return NewSubscription(
        id=_subscription_id(table) if "id" in table else ids(),
        items=items,
        customer_id=customer_id,
        reference=reference,
        email=table.text("customerEmail", ""),
        currency=currency,
        months=months,
        start=start,
        vat_percent=_vat_percent(table),
        reminder_days=_reminder_days(table),
    )


def _read_subscriptions(
    table: Table,
    state: State,
    products: Mapping[int, Product],
    coupons: Mapping[str, Coupon],
    at: datetime,
) -> list[NewSubscription]:
    tables = list(table.tables("subscriptions", SUBSCRIPTION))
    taken: set[str] = set()
    for given in tables:
        if "id" in given:
            wanted = _subscription_id(given)
            if wanted in taken or state.has_subscription(wanted):
                raise given.wrong("id", f"another subscription has the id {wanted!r}")
            taken.add(wanted)
    free = (each for each in state.free_ids() if each not in taken)
    return [read_subscription(given, lambda: next(free), products, coupons, at) for given in tables]


def _read_item(
    table: Table, products: Mapping[int, Product], coupons: Mapping[str, Coupon]
) -> tuple[Mode, Terms]:
    product = products.get(_product_id(table, "productId"))
    if product is None:
        raise table.wrong("productId", f"there is no product {_product_id(table, 'productId')}")
    mode = Mode(table.choice("billingMode", tuple(Mode), product.mode))
    quantity = table.whole("quantity", 1 if mode is Mode.ADVANCE else 0, most=MOST)
    coupon = None
    if "couponCode" in table:
        code = table.text("couponCode")
        coupon = coupons.get(code)
        if coupon is None:
            raise table.wrong("couponCode", f"there is no coupon {code!r}")
    price = table.amount("unitPrice") if "unitPrice" in table else product.price
    return mode, Terms(product.id, product.name, quantity or 0, price, coupon)


def _subscription_id(table: Table) -> str:
    written = table.text("id")
    if not _ID.fullmatch(written):
        raise table.wrong("id", f"{written!r} is not an S and a number, such as S1001")
    return written


def _customer(table: Table) -> tuple[int | None, str]:
    """Cleverbridge's number of a customer (documented), and the merchant's own word for one, the reference.

    A `customerId` that is no number is taken for the reference.
    """
    reference = table.text("customerReferenceId", "")
    try:
        return table.whole("customerId", None, most=MOST), reference
    except CatalogError:
        word = table.text("customerId")
        if reference and reference != word:
            raise table.wrong(
                "customerId", f"{word!r} is not a number, and another reference is given"
            ) from None
        return None, word


def _product_id(table: Table, name: str) -> int:
    number = table.whole(name, None, most=MOST)
    if number is None:
        raise table.wrong(name, "a value is required")
    return number


def _vat_percent(table: Table) -> Decimal | None:
    return _percent(table, "vatPercent") if "vatPercent" in table else None


def _reminder_days(table: Table) -> int | None:
    return table.whole("reminderDays", None, most=LONGEST_REMINDER)


def _percent(table: Table, name: str) -> Decimal:
    percent = table.amount(name)
    if percent > 100:
        raise table.wrong(name, f"{percent} is more than 100")
    return percent
