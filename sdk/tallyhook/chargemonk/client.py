"""The blocking client and the async client for Chargemonk.

They have two calls that list objects, and one call, `add_charge`, whose path is inferred.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, Unpack

from tallyhook import money
from tallyhook._call import Call, Named, Pairs, Reader, Subject, plain_text
from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Options
from tallyhook._model import Model, read
from tallyhook.chargemonk.models import Invoice, UnbilledCharge
from tallyhook.errors import APIError, DecodeError, api_error, bare_error

BASE_URL = "https://apiv1.chargemonk.com"
_LIMIT = 1000

M = TypeVar("M", bound=Model)

_READER = Reader(Invoice, UnbilledCharge)


class Client(BaseClient):
    """A blocking client for the known part of Chargemonk's API.

        with Client("test_token") as client:
            charges = client.list_subscription_unbilled_charges("S1")

    Chargemonk's pages don't show the path of `add_charge`. To use that call, pass a path such as "addCharge"
    as `add_charge_path`. The token is sent as a form field of a POST (documented).
    """

    def __init__(
        self,
        api_token: str,
        *,
        base_url: str = BASE_URL,
        add_charge_path: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(base_url, "", **options)
        self._calls = _Calls(api_token, add_charge_path)

    def list_invoices(self) -> tuple[Invoice, ...]:
        """List the newest 1,000 invoices."""
        return self.send(self._calls.list_invoices())

    def list_subscription_unbilled_charges(self, subscription_code: str) -> tuple[UnbilledCharge, ...]:
        """List the charges that are pending for a subscription's next invoice."""
        return self.send(self._calls.list_unbilled(subscription_code))

    def add_charge(
        self, subscription_code: str, description: str, price: Decimal, *, quantity: Decimal | int = 1
    ) -> None:
        """Add a charge to a subscription's next automatic invoice (path and parameters are inferred).

        `price` is the price of one unit. The client doesn't retry this call, because a retry could charge
        twice.
        """
        self.send(self._calls.add_charge(subscription_code, description, price, quantity))


class AsyncClient(BaseAsyncClient):
    """The async client, for asyncio and trio. It has `Client`'s arguments and methods; await the methods."""

    def __init__(
        self,
        api_token: str,
        *,
        base_url: str = BASE_URL,
        add_charge_path: str | None = None,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__(base_url, "", **options)
        self._calls = _Calls(api_token, add_charge_path)

    async def list_invoices(self) -> tuple[Invoice, ...]:
        return await self.send(self._calls.list_invoices())

    async def list_subscription_unbilled_charges(self, subscription_code: str) -> tuple[UnbilledCharge, ...]:
        return await self.send(self._calls.list_unbilled(subscription_code))

    async def add_charge(
        self, subscription_code: str, description: str, price: Decimal, *, quantity: Decimal | int = 1
    ) -> None:
        await self.send(self._calls.add_charge(subscription_code, description, price, quantity))


class _Calls:
    """Builds the calls. Each call includes the API token."""

    def __init__(self, api_token: str, add_charge_path: str | None) -> None:
        if not api_token or not api_token.isascii() or not api_token.isprintable():
            raise ValueError("An API token must be printable ASCII")
        self._token, self._add_charge_path = api_token, add_charge_path

    def list_invoices(self) -> Call[tuple[Invoice, ...]]:
        return self._call(
            "listInvoices", _listed(Invoice, "list", "invoice"), (("limit", str(_LIMIT)),), repeatable=True
        )

    def list_unbilled(self, subscription_code: str) -> Call[tuple[UnbilledCharge, ...]]:
        form = (("subscription_code", subscription_code), ("limit", str(_LIMIT)))
        path = "listSubscriptionUnbilledCharges"
        subject = Named("subscription_code", subscription_code, may_lack=True)
        return self._call(path, _listed(UnbilledCharge, "data"), form, repeatable=True, subject=subject)

    def add_charge(
        self, subscription_code: str, description: str, price: Decimal, quantity: Decimal | int
    ) -> Call[None]:
        if self._add_charge_path is None:
            raise ValueError("The path of this call is undocumented: pass it as add_charge_path")
        if quantity <= 0:
            raise ValueError("A quantity must be above 0")
        form = (
            ("subscription_code", subscription_code),
            ("description", description),
            ("amount", money.amount(money.product(Decimal(quantity), price))),
            ("quantity", f"{Decimal(quantity):f}"),
            ("invoice_later", "true"),
        )
        return self._call(
            self._add_charge_path,
            _done,
            tuple((name, plain_text(value)) for name, value in form),
            repeatable=False,
        )

    def _call(
        self,
        path: str,
        read_answer: Callable[[bytes], Any],
        form: Pairs,
        *,
        repeatable: bool,
        subject: Subject | None = None,
    ) -> Call[Any]:
        whole_form = (("api_token", self._token), *form)
        return Call(
            "POST",
            path,
            path,
            read_answer,
            _refusal,
            form=whole_form,
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
