"""What is on sale: products, and the coupons that make them cheaper."""

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Coupon", "Product"]


@dataclass(frozen=True, slots=True)
class Product:
    """`price` is net, for one unit and one interval."""

    id: int
    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Coupon:
    """`percent` off an item's price, from the update that brings it, for good (inferred)."""

    code: str
    percent: Decimal
