"""What is on sale: products, and the coupons that make them cheaper."""

from decimal import Decimal

from tallyhook_mock.engine.record import Record

__all__ = ["Coupon", "Product"]


class Product(Record, frozen=True):
    """`price` is net, for one unit and one interval."""

    id: int
    name: str
    price: Decimal


class Coupon(Record, frozen=True):
    """`percent` off an item's price, from the update that brings it, for good (inferred)."""

    code: str
    percent: Decimal
