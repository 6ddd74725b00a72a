"""Every known call of Chargemonk's API. `tallyhook.cheddar.calls` explains how calls work.

Two calls list objects. The path of the third, `add_charge`, is undocumented, so you pass it to the client.
Before sending, the client adds the API token to the form of every call, and that path to `add_charge`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from tallyhook import money
from tallyhook._call import Call, Named, Reader, Subject, present, text
from tallyhook._model import Model, read
from tallyhook.chargemonk.models import Invoice, UnbilledCharge
from tallyhook.errors import APIError, DecodeError, api_error, bare_error

_LIMIT = 1000
_CODE = "subscription's code"

T = TypeVar("T")
M = TypeVar("M", bound=Model)

_READER = Reader(Invoice, UnbilledCharge)


def list_invoices() -> Call[tuple[Invoice, ...]]:
    """List the newest 1,000 invoices."""
    read_list = _listed(Invoice, "list", "invoice")
    return _call("listInvoices", read_list, {"limit": f"{_LIMIT}"}, repeatable=True)


def list_subscription_unbilled_charges(subscription_code: str) -> Call[tuple[UnbilledCharge, ...]]:
    """List the charges that are pending for a subscription's next invoice.

    Raises DecodeError if there are 1,000 or more, because the list may be incomplete then.
    """
    read_list = _listed(UnbilledCharge, "data")

    def read_all(body: bytes) -> tuple[UnbilledCharge, ...]:
        found = read_list(body)
        if len(found) >= _LIMIT:
            raise DecodeError(f"the list has {len(found):,} charges and may be incomplete", "data")
        return found

    return _call(
        "listSubscriptionUnbilledCharges",
        read_all,
        {"subscription_code": present(subscription_code, _CODE), "limit": f"{_LIMIT}"},
        repeatable=True,
        subject=Named("subscription_code", subscription_code, may_lack=True),
    )


def add_charge(
    subscription_code: str, description: str, price: Decimal, *, quantity: Decimal | int = 1
) -> Call[None]:
    """Add a charge to a subscription's next automatic invoice (path and parameters are inferred).

    `price` is the price of one unit. The client doesn't retry this call, because a retry could charge twice.

    Raises:
        TypeError: a number is a float, which isn't exact.
        ValueError: the quantity isn't above 0, a number isn't finite, or quantity × price has more than two
            decimals.
    """
    units = money.exact_number(quantity, "A quantity", least=0)
    if not units:
        raise ValueError("A quantity must be above 0")
    form = {
        "subscription_code": present(subscription_code, _CODE),
        "description": text(description, "A description"),
        "amount": money.amount_text(money.amount(money.product(units, money.exact_number(price, "A price")))),
        "quantity": f"{units:f}",
        "invoice_later": "true",
    }
    return _call("", _done, form)


def _call(
    path: str,
    read_answer: Callable[[bytes], T],
    form: Mapping[str, str],
    *,
    repeatable: bool = False,
    subject: Subject | None = None,
) -> Call[T]:
    return Call(
        "POST",
        path,
        path,
        read_answer,
        _refusal,
        form=tuple(form.items()),
        repeatable=repeatable,
        subject=subject,
    )


def _listed(model: type[M], *path: str) -> Callable[[bytes], tuple[M, ...]]:
    """Return a function that reads the list at this path in an answer."""

    def read_list(body: bytes) -> tuple[M, ...]:
        node: Any = _fine(body)
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        if not isinstance(node, list) or not all(isinstance(each, dict) for each in node):
            raise DecodeError("a list of objects was expected", ".".join(path))
        return tuple(read(model, each) for each in node)

    return read_list


def _done(body: bytes) -> None:
    _fine(body)


def _fine(body: bytes) -> dict[str, Any]:
    node = _READER.object(body)
    if node.get("status") != "success":
        raise _error(200, node)
    return node


def _refusal(status: int, body: bytes) -> APIError:
    """Return the exception for a refusal.

    The format of Chargemonk's errors is unknown, so the exception has only the answer's `message`, if any.
    """
    try:
        return _error(status, _READER.object(body))
    except DecodeError:
        return bare_error(status)


def _error(status: int, node: dict[str, Any]) -> APIError:
    message = node.get("message")
    return api_error(status, message) if isinstance(message, str) and message else bare_error(status)
