"""Tallyhook's client for Cheddar: calls, models, hooks and their signature."""

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
)
from tallyhook.inputs import ChargeInput, ItemInput, PaymentInput
from tallyhook.models import (
    Charge,
    Customer,
    Id,
    Invoice,
    InvoicePeriod,
    Item,
    Plan,
    PlanItem,
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
    "Customer",
    "DecodeError",
    "Error",
    "Id",
    "InternalError",
    "Invoice",
    "InvoicePeriod",
    "Item",
    "ItemInput",
    "NoAnswer",
    "NotFound",
    "PaymentInput",
    "Plan",
    "PlanItem",
    "PreconditionFailed",
    "Promotion",
    "ServiceUnavailable",
    "Subscription",
    "Transaction",
    "Unauthorized",
    "UnprocessableEntity",
    "__version__",
]
