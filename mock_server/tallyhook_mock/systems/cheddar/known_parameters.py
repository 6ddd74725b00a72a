"""The parameters that each call understands."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tallyhook_mock.systems.cheddar.request import Parameters
from tallyhook_mock.systems.cheddar.xml_documents import CARD_DETAILS

__all__ = ["unknown_parameters"]

# The names allowed at a level, each with the names below it. None stands for a value, `*` for any name.
Names: TypeAlias = "Mapping[str, Names | None]"


def _values(*names: str) -> dict[str, "Names | None"]:
    return dict.fromkeys(names)


_COMMON = _values("productCode", "productId", "remoteAddress")
_WHO = _values("code", "id")
_ANYTHING: dict[str, "Names | None"] = {}
_ANYTHING["*"] = _ANYTHING
_NOTHING: dict[str, "Names | None"] = {}
_LIST: dict[str, "Names | None"] = {"*": None}
_CUSTOMER = _values(
    "firstName", "lastName", "email", "company", "taxRate", "isTaxExempt", "isVatExempt", "taxNumber"
) | _values("vatNumber", "notes", "firstContactDatetime", "referer", "gatewayToken")
_CUSTOMER |= _values("campaignTerm", "campaignName", "campaignSource", "campaignMedium", "campaignContent")
_CUSTOMER["metaData"] = _ANYTHING
_SUBSCRIPTION = _values(
    "planCode", "couponCode", "method", "ccNumber", "ccExpiration", "ccExpMonth", "ccExpYear", "ccCardCode"
) | _values(*CARD_DETAILS, "ccEmail", "gatewayToken", "ccType", "ccLastFour", "returnUrl", "cancelUrl")
_CHARGE = _values("chargeCode", "quantity", "eachAmount", "description")
_SIGN_UP: dict[str, "Names | None"] = {
    **_CUSTOMER,
    "code": None,
    "subscription": {**_SUBSCRIPTION, "initialBillDate": None},
    "charges": {"*": _CHARGE},
    "items": {"*": _values("itemCode", "quantity")},
}
_CHANGE: dict[str, "Names | None"] = {**_SUBSCRIPTION, "changeBillDate": None}
_PERIOD = _values("invoicePeriod")
_QUANTITY = {**_WHO, **_PERIOD, **_values("itemCode", "itemId", "quantity")}
_PLAN = _values(
    "code", "id", "name", "description", "isActive", "isFree", "paymentMethodIsRequired", "trialDays"
) | _values("initialBillCount", "initialBillCountUnit", "billingFrequency", "setupChargeCode")
_PLAN |= _values("setupChargeAmount", "recurringChargeCode", "recurringChargeAmount")
_PLAN |= _values("onChangeInitialBillHandler", "setupChargeBillHandler", "onChangeSetupChargeBillHandler")
_PLAN["items"] = {"*": _values("code", "name", "quantityIncluded", "isPeriodic", "overageAmount")}
_FILTERS: dict[str, "Names | None"] = {
    **_values("subscriptionStatus", "orderBy", "orderByDirection", "search", "page", "perPage"),
    **_values(
        *(
            f"{what}{side}Date"
            for what in ("created", "canceled", "transacted")
            for side in ("After", "Before")
        )
    ),
    "planCode": _LIST,
}
_INVOICE = _values("number", "id")

_NAMES: Mapping[str, Names] = {
    "plans/get": _WHO,
    "plans/new": _PLAN,
    "plans/edit": _PLAN,
    "plans/delete": _WHO,
    "customers/get": {**_WHO, **_FILTERS, "invoiceNumber": None},
    "customers/get-all": _FILTERS,
    "customers/list": _FILTERS,
    "customers/search": _FILTERS,
    "customers/new": _SIGN_UP,
    "customers/import": {**_SIGN_UP, "customers": {"*": _SIGN_UP}, "*": _SIGN_UP},
    "customers/edit": {**_WHO, **_CUSTOMER, "subscription": _CHANGE},
    "customers/edit-customer": {**_WHO, **_CUSTOMER},
    "customers/edit-subscription": {**_WHO, **_CHANGE, "subscription": _CHANGE},
    "customers/cancel": _WHO,
    "customers/delete": _WHO,
    "customers/delete-all": _values("confirm"),
    "customers/add-item-quantity": _QUANTITY,
    "customers/remove-item-quantity": _QUANTITY,
    "customers/set-item-quantity": _QUANTITY,
    "customers/add-charge": {**_WHO, **_PERIOD, **_CHARGE},
    "customers/delete-charge": {**_WHO, **_PERIOD, "chargeId": None},
    # The official PHP client sends `bogus`, so that its request is a POST.
    "customers/run-outstanding": {**_WHO, "ccCardCode": None, "bogus": None},
    "customers/paypal-revert": _WHO,
    "invoices/new": {**_WHO, "charges": {"*": _CHARGE}},
    "invoices/refund": {**_INVOICE, "amount": None},
    "invoices/void": {**_INVOICE, "amount": None},
    "invoices/void-or-refund": _INVOICE,
    "invoices/waive": _INVOICE,
    "invoices/run": _INVOICE,
    "invoices/send-email": _INVOICE,
    "promotions/get": _WHO,
}


def unknown_parameters(action: str, parameters: Parameters) -> list[str]:
    """Return the full names of the parameters that a call doesn't understand, in the order of the call.

    Standing: client.
    """
    return [*_unknown(parameters, {**_COMMON, **_NAMES.get(action, _ANYTHING)})]


def _unknown(parameters: Parameters, names: Names) -> Iterator[str]:
    for name, value in parameters.values.items():
        below = names[name] if name in names else names.get("*", _NOTHING)
        if isinstance(value, Parameters):
            yield from _unknown(value, below or _NOTHING)
        elif not (below is None or below is _ANYTHING or below is _LIST):
            yield parameters.full_name(name)
