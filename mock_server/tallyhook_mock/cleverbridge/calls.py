"""The calls: each reads its fields, has the engine work, and shows what came of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from tallyhook_mock.cleverbridge.documents import outcome_document, subscription_document
from tallyhook_mock.cleverbridge.reading import Fields
from tallyhook_mock.engine.cleverbridge import updates
from tallyhook_mock.engine.cleverbridge.state import State
from tallyhook_mock.engine.cleverbridge.subscription import Manner, UpdateAction
from tallyhook_mock.engine.cleverbridge.updates import NewPrice, Target

__all__ = ["ROOT", "ROUTES", "Handler"]

ROOT = "/subscription/"

Handler: TypeAlias = Callable[[State, Fields, datetime], dict[str, Any]]


def get_subscription(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    state.catch_up(at)  # when the clock runs by itself, what is due now may not have been done yet
    return subscription_document(state.subscription(fields.text("subscriptionId")))


def update_item(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    target, quantity = _target(fields), fields.whole("Quantity")
    return outcome_document(updates.update(state, target, quantity, _manner(fields), at))


def increase_quantity(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """`Quantity` is what is added (inferred)."""
    target, quantity = _target(fields), fields.whole("Quantity")
    return outcome_document(updates.increase_quantity(state, target, quantity, _manner(fields), at))


def update_price(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """`CustomerPrice`, its fields, and that `ProductId` may be left out are inferred."""
    target = _target(fields, needs_product=False)
    price = fields.below("CustomerPrice")
    new = NewPrice(price.text("Currency"), price.amount("Value"), price.flag("IsGross", False))
    return outcome_document(updates.set_price(state, target, new, _manner(fields), at))


def _target(fields: Fields, *, needs_product: bool = True) -> Target:
    return Target(
        fields.text("SubscriptionId"),
        fields.whole("RunningNumber"),
        fields.whole("ProductId") if needs_product or "ProductId" in fields else None,
        fields.text("ProductName", ""),
        fields.text("CouponCode", ""),
    )


def _manner(fields: Fields) -> Manner:
    alignment = fields.below("AlignmentSettings")
    return Manner(
        is_aligned=alignment.flag("AlignToCurrentInterval", False),
        is_extended=alignment.flag("ExtendInterval", False),
        is_preview=alignment.flag("GetCustomerPricePreviewOnly", False),
        action=fields.choice("UpdateAction", UpdateAction, UpdateAction.UPDATE),
        mails=fields.flag("GenerateMail", True),
    )


# By the name of the call in lower case, since names are read in any: the method, and what carries it out.
ROUTES: Mapping[str, tuple[str, Handler]] = {
    "getsubscription": ("GET", get_subscription),
    "updatesubscriptionitem": ("POST", update_item),
    "increasesubscriptionitemquantity": ("POST", increase_quantity),
    "updatesubscriptionitemprice": ("POST", update_price),
}
