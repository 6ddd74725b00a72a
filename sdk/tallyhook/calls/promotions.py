"""Promotions."""

from tallyhook import documents
from tallyhook.calls.call import Call, identity
from tallyhook.models import Promotion


def get_promotions() -> Call[tuple[Promotion, ...]]:
    """All promotions of the product."""
    return Call("promotions/get", documents.promotions, repeatable=True)


def get_promotion(coupon_code: str) -> Call[Promotion]:
    """The promotion that a coupon's code belongs to."""
    return Call("promotions/get", documents.promotion, identity(coupon_code, "coupon"), repeatable=True)
