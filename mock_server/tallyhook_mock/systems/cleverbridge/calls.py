"""The API's calls. Each function reads its parameters, carries out a command, and returns the answer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from tallyhook_mock.systems.cleverbridge import rules, updates
from tallyhook_mock.systems.cleverbridge.documents import (
    item_answer,
    renewal_answer,
    subscription_document,
)
from tallyhook_mock.systems.cleverbridge.model import CODES, Manner, Status, UpdateAction, malformed
from tallyhook_mock.systems.cleverbridge.request import Fields
from tallyhook_mock.systems.cleverbridge.state import State
from tallyhook_mock.systems.cleverbridge.updates import NewPrice, Outcome, Target

__all__ = ["ROOT", "ROUTES", "Handler"]

ROOT = "/subscription/"

Handler: TypeAlias = Callable[[State, Fields, datetime], dict[str, Any]]

# The parameters that name a customer, and the fields of the model that they are compared with.
_CUSTOMERS = {"customerId": "id", "customerReferenceId": "reference", "customerEmail": "email"}
_OK: dict[str, Any] = {"ResultMessage": "OK"}


# -- reading


def get_subscription(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    wanted = fields.text("subscriptionId")
    fields.nothing_else()
    state.catch_up(at)  # while the clock runs, work that is due now may still be pending
    return {**_OK, "Subscription": subscription_document(state.subscription(wanted))}


def get_subscriptions_for_customer(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """List a customer's subscriptions. Exactly one parameter must name the customer (documented)."""
    given = [name for name in _CUSTOMERS if name in fields]
    status = _status(fields) if "subscriptionstatus" in fields else None
    only_current = fields.flag("isCurrent", False)
    if len(given) != 1:
        raise malformed("Exactly one of customerId, customerReferenceId and customerEmail is required")
    (name,) = given
    wanted = fields.id(name) if name == "customerId" else fields.text(name)
    fields.nothing_else()
    state.catch_up(at)
    customer = state.customer(_CUSTOMERS[name], wanted)
    found = [
        subscription_document(each, only_current=only_current)
        for each in state.subscriptions
        if each.customer.id == customer.id and status in (None, each.status)
    ]
    return {**_OK, "Subscriptions": found}


def get_subscriptions_by_purchase(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """Return a purchase's subscription. The call's path and parameter are only known from a client."""
    purchase = fields.id("purchaseId")
    fields.nothing_else()
    state.catch_up(at)
    return {**_OK, "Subscriptions": [subscription_document(state.bought(purchase))]}


def _status(fields: Fields) -> Status:
    """Return the status in the parameter `subscriptionstatus`: a number, or three letters (inferred)."""
    written = fields.text("subscriptionstatus").upper()
    if written in CODES:
        return Status(CODES.index(written) + 1)
    number = fields.whole("subscriptionstatus")
    if number not in tuple(Status):
        raise malformed(f"subscriptionstatus: a number from 1 to {len(Status)} is expected, not {number}")
    return Status(number)


# -- changing an item


def update_item(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    target = Target(
        fields.text("SubscriptionId"),
        fields.whole("RunningNumber"),
        fields.id("ProductId"),
        coupon=fields.text("CouponCode", ""),
        price=_price(fields) if "CustomerPrice" in fields else None,
        **_product_names(fields),
    )
    quantity, resets = fields.whole("Quantity"), fields.flag("ResetBillingInterval", False)
    manner = _manner(fields, resets=resets)
    fields.nothing_else()
    return _answer(state, updates.update(state, target, quantity, manner, at), manner)


def increase_quantity(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """Increase an item's quantity. The parameter `Quantity` is how much to add (documented)."""
    target = Target(fields.text("SubscriptionId"), fields.whole("RunningNumber"))
    quantity, manner = fields.whole("Quantity"), _manner(fields, has_action=False)
    fields.nothing_else()
    return _answer(state, updates.increase_quantity(state, target, quantity, manner, at), manner)


def update_price(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """Set an item's price. The parameters `UpdateAction` and `CustomerPrice` are required (documented)."""
    target = Target(fields.text("SubscriptionId"), fields.whole("RunningNumber"), price=_price(fields))
    quantity = fields.whole("Quantity") if "Quantity" in fields else None
    if "UpdateAction" not in fields:
        raise malformed("UpdateAction is required")
    manner = _manner(fields)
    fields.nothing_else()
    return _answer(state, updates.set_price(state, target, quantity, manner, at), manner)


def add_item(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """Add an item. The parameter `AffiliateId` is accepted but has no effect."""
    target = Target(
        fields.text("SubscriptionId"),
        0,
        fields.id("ProductId"),
        coupon=fields.text("CouponCode", ""),
        price=_price(fields) if "CustomerPrice" in fields else None,
        **_product_names(fields),
    )
    if "AffiliateId" in fields:
        fields.id("AffiliateId")
    quantity, manner = fields.whole("Quantity"), _manner(fields, has_action=False)
    fields.nothing_else()
    return _answer(state, updates.add(state, target, quantity, manner, at), manner)


def _product_names(fields: Fields) -> dict[str, str]:
    return {
        "product_name": fields.text("ProductName", ""),
        "english": fields.text("ProductNameEn", ""),
        "extension": fields.text("ProductNameExtension", ""),
    }


def _price(fields: Fields) -> NewPrice:
    """Return the new price in `CustomerPrice`. All three of its fields are required (documented)."""
    price = fields.below("CustomerPrice")
    return NewPrice(price.text("Currency"), price.amount("Value"), price.flag("IsGross"))


def _manner(fields: Fields, *, has_action: bool = True, resets: bool = False) -> Manner:
    alignment = fields.below("AlignmentSettings")
    action = UpdateAction.UPDATE
    if has_action:
        action = fields.choice("UpdateAction", UpdateAction, action)
    return Manner(
        is_aligned=alignment.flag("AlignToCurrentInterval", False),
        is_extended=alignment.flag("ExtendInterval", False),
        is_preview=alignment.flag("GetCustomerPricePreviewOnly", False),
        action=action,
        mails=fields.flag("GenerateMail", True),
        resets=resets,
    )


def _answer(state: State, outcome: Outcome, manner: Manner) -> dict[str, Any]:
    return item_answer(outcome, is_priced=manner.is_preview or state.always_priced)


# -- deactivating, reinstating, moving and renewing


def deactivate_items(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """Deactivate items. The parameter `AllowReinstate` is true by default (inferred)."""
    wanted, numbers = fields.text("SubscriptionId"), fields.wholes("Items")
    mails, may_reinstate = fields.flag("GenerateMail", True), fields.flag("AllowReinstate", True)
    fields.nothing_else()
    rules.deactivate_items(state, wanted, numbers, at, mails=mails, may_reinstate=may_reinstate)
    return _OK


def reinstate_items(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    wanted, numbers = fields.text("SubscriptionId"), fields.wholes("Items")
    mails = fields.flag("GenerateMail", True)
    fields.nothing_else()
    rules.reinstate_items(state, wanted, numbers, at, mails=mails)
    return _OK


def update_next_billing_date(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    wanted, date = fields.text("SubscriptionId"), fields.moment("NextBillingDate")
    fields.nothing_else()
    subscription = rules.move_next_billing(state, wanted, date, at)
    return {**_OK, "NextBillingDate": subscription.next_billing}


def renew(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    wanted, resets = fields.text("SubscriptionId"), fields.flag("ResetBillingInterval", False)
    fields.nothing_else()
    return renewal_answer(rules.renew(state, wanted, at, resets=resets))


# The method and the handler of each call. Paths are case-insensitive, so these names are in lower case.
ROUTES: Mapping[str, tuple[str, Handler]] = {
    "getsubscription": ("GET", get_subscription),
    "getsubscriptionsforcustomer": ("GET", get_subscriptions_for_customer),
    "getsubscriptionsbypurchase": ("GET", get_subscriptions_by_purchase),
    "updatesubscriptionitem": ("POST", update_item),
    "increasesubscriptionitemquantity": ("POST", increase_quantity),
    "updatesubscriptionitemprice": ("POST", update_price),
    "addsubscriptionitem": ("POST", add_item),
    "deactivatesubscriptionitems": ("POST", deactivate_items),
    "reinstatesubscriptionitems": ("POST", reinstate_items),
    "updatenextbillingdate": ("POST", update_next_billing_date),
    "renewsubscription": ("POST", renew),
}
