"""Tallyhook's client for Cheddar: calls, models, hooks and their signatures.

Each name is imported on first use. So `import tallyhook` is fast, and a program that only signs and verifies
hooks doesn't load an HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallyhook import errors, review, signing
    from tallyhook.cheddar import calls, models
    from tallyhook.cheddar import hooks as events
    from tallyhook.cheddar import responses as documents
    from tallyhook.cheddar.client import AsyncClient, Client
    from tallyhook.cheddar.models import (
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
    from tallyhook.cheddar.parameters import ChargeInput, ItemInput, PaymentInput
    from tallyhook.errors import (
        APIError,
        BadGateway,
        BadRequest,
        BadSignature,
        DecodeError,
        Error,
        InternalError,
        NoAnswer,
        NotFound,
        PreconditionFailed,
        ServiceUnavailable,
        Unauthorized,
        UnprocessableEntity,
        UnusableClient,
        WrongDocument,
    )

__version__ = "0.1.0"

__all__ = [
    "APIError",
    "AsyncClient",
    "BadGateway",
    "BadRequest",
    "BadSignature",
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
    "UnusableClient",
    "WrongDocument",
    "__version__",
    "calls",
    "documents",
    "errors",
    "events",
    "models",
    "review",
    "signing",
]

# The modules to search for a name, in this order. Slow imports come last.
_HOMES = ("errors", "cheddar.models", "cheddar.parameters", "cheddar.client")
# The public name of each submodule, and its path in this package.
_MODULES = {
    "calls": "cheddar.calls",
    "documents": "cheddar.responses",
    "errors": "errors",
    "events": "cheddar.hooks",
    "models": "cheddar.models",
    "review": "review",
    "signing": "signing",
}

if not TYPE_CHECKING:  # with `__getattr__`, a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _MODULES:
            return import_module(f"tallyhook.{_MODULES[name]}")
        homes = (vars(import_module(f"tallyhook.{home}")) for home in _HOMES)
        found = next(home[name] for home in homes if name in home)
        globals()[name] = found  # later lookups skip `__getattr__`
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
