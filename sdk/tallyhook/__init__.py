"""Tallyhook's client for Cheddar: calls, models, hooks and their signature.

What stands here is loaded when it is first asked for. So a program that only signs and verifies does not wait
for an HTTP client, and `import tallyhook` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallyhook.client import AsyncClient, Client
    from tallyhook.errors import (
        APIError,
        BadGateway,
        BadRequest,
        DecodeError,
        Error,
        InternalError,
        NoAnswer,
        NotFound,
        PreconditionFailed,
        ServiceUnavailable,
        Unauthorized,
        UnprocessableEntity,
        WrongDocument,
    )
    from tallyhook.inputs import ChargeInput, ItemInput, PaymentInput
    from tallyhook.models import (
        Charge,
        Coupon,
        CreditCard,
        Customer,
        ErrorNote,
        GatewayAccount,
        Id,
        Incentive,
        Invoice,
        InvoicePeriod,
        Item,
        MetaDatum,
        PaymentMethod,
        Plan,
        PlanItem,
        Product,
        Promotion,
        Subscription,
        Transaction,
    )

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "AsyncClient",
    "BadGateway",
    "BadRequest",
    "Charge",
    "ChargeInput",
    "Client",
    "Coupon",
    "CreditCard",
    "Customer",
    "DecodeError",
    "Error",
    "ErrorNote",
    "GatewayAccount",
    "Id",
    "Incentive",
    "InternalError",
    "Invoice",
    "InvoicePeriod",
    "Item",
    "ItemInput",
    "MetaDatum",
    "NoAnswer",
    "NotFound",
    "PaymentInput",
    "PaymentMethod",
    "Plan",
    "PlanItem",
    "PreconditionFailed",
    "Product",
    "Promotion",
    "ServiceUnavailable",
    "Subscription",
    "Transaction",
    "Unauthorized",
    "UnprocessableEntity",
    "WrongDocument",
    "__version__",
]

# Where a name comes from; those that are not here come from `models`.
_HOMES = {
    **dict.fromkeys(("AsyncClient", "Client"), "client"),
    **dict.fromkeys(("ChargeInput", "ItemInput", "PaymentInput"), "inputs"),
    **dict.fromkeys(
        (
            "APIError",
            "BadGateway",
            "BadRequest",
            "DecodeError",
            "Error",
            "InternalError",
            "NoAnswer",
            "NotFound",
            "PreconditionFailed",
            "ServiceUnavailable",
            "Unauthorized",
            "UnprocessableEntity",
            "WrongDocument",
        ),
        "errors",
    ),
}
_MODULES = ("calls", "documents", "errors", "events", "models", "review", "signing")

if not TYPE_CHECKING:  # a type checker would take this for the leave to import any name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"tallyhook.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"tallyhook.{_HOMES.get(name, 'models')}"), name)
        globals()[name] = found  # from now on it is found without asking
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
