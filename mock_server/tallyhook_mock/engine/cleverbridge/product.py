"""What is on sale: products, and the coupons that make them cheaper."""

from decimal import Decimal
from enum import StrEnum

from tallyhook_mock.engine.record import Record

__all__ = ["Coupon", "Mode", "Product"]


class Mode(StrEnum):
    """When an item is billed (documented; the words are inferred, and no answer of the API has them)."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for the interval to come
    ARREARS = "ARREARS"  # at its end, by the quantity as of the end


class Product(Record, frozen=True):
    """`price` is net, for one unit and one interval. `mode` is that of items which are added by API."""

    id: int
    name: str
    price: Decimal
    mode: Mode = Mode.ADVANCE


class Coupon(Record, frozen=True):
    """`percent` off an item's price, from the update that brings it, for good (inferred)."""

    code: str
    percent: Decimal
