"""The two clients: thin twins around the calls.

Both get their methods from one list, and each method its signature, text and reading from `tallyhook.calls`;
how a call is sent stands in `tallyhook.sending`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallyhook import calls
from tallyhook.method import Method
from tallyhook.retry import Retry
from tallyhook.sending import AsyncSender, Sender, basic

if TYPE_CHECKING:
    import httpx

    from tallyhook.inputs import Pairs

__all__ = ["BASE_URL", "AsyncClient", "Client"]

BASE_URL = "https://getcheddar.com/xml"

_FORM = "application/x-www-form-urlencoded"


class _Methods:
    """What both clients can be asked for."""

    get_plans = Method(calls.get_plans)
    get_plan = Method(calls.get_plan)
    new_plan = Method(calls.new_plan)
    edit_plan = Method(calls.edit_plan)
    delete_plan = Method(calls.delete_plan)
    get_promotions = Method(calls.get_promotions)
    get_promotion = Method(calls.get_promotion)
    get_customers = Method(calls.get_customers)
    search_customers = Method(calls.search_customers)
    get_customer = Method(calls.get_customer)
    new_customer = Method(calls.new_customer)
    import_customers = Method(calls.import_customers)
    edit = Method(calls.edit)
    edit_customer = Method(calls.edit_customer)
    edit_subscription = Method(calls.edit_subscription)
    cancel = Method(calls.cancel)
    delete_customer = Method(calls.delete_customer)
    delete_all_customers = Method(calls.delete_all_customers)
    paypal_revert = Method(calls.paypal_revert)
    add_item_quantity = Method(calls.add_item_quantity)
    remove_item_quantity = Method(calls.remove_item_quantity)
    set_item_quantity = Method(calls.set_item_quantity)
    add_charge = Method(calls.add_charge)
    delete_charge = Method(calls.delete_charge)
    new_invoice = Method(calls.new_invoice)
    run_outstanding = Method(calls.run_outstanding)
    refund = Method(calls.refund)
    void = Method(calls.void)
    void_or_refund = Method(calls.void_or_refund)
    send_email = Method(calls.send_email)


class Client(_Methods, Sender):
    """Cheddar's API for one product.

        with Client("ACME", "ops@example.com", "password") as client:
            client.set_item_quantity("C1", "GB", Decimal("12.5"))

    Arguments that are a `str` name a customer, a plan or an item by its code and an invoice by its
    number; wrap an id as `Id("…")`, or pass the model.

    Args:
        product_code: may be None if `product_id` is given.
        user: the email of a user of the product.
        password: theirs, or their API key.
        timeout: in seconds, for each of connecting, sending and every wait for more of the answer.
        retries: how often a repeatable call is tried again after a lost connection, a 502 or a 503.
        backoff: seconds before the first of these; they double.
        remote_address: the IPv4 address of the person on whose behalf the calls are made.
        transport: of httpx, for tests and special networks.

    All calls raise APIError (by status), NoAnswer or DecodeError, all of them under `tallyhook.Error`.
    The logger `tallyhook` names only actions and statuses, never whom a call is about.
    """

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        retries: int = 3,
        backoff: float = 0.5,
        remote_address: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        everywhere = _everywhere(product_code, product_id, remote_address)
        self.product_code = product_code or ""
        self.product_id = product_id or ""
        super().__init__(
            base_url, basic(user, password), _FORM, timeout, Retry(retries, backoff), transport, everywhere
        )


class AsyncClient(_Methods, AsyncSender):
    """`Client` for asyncio: the same arguments and the same methods, to be awaited."""

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        retries: int = 3,
        backoff: float = 0.5,
        remote_address: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        everywhere = _everywhere(product_code, product_id, remote_address)
        self.product_code = product_code or ""
        self.product_id = product_id or ""
        super().__init__(
            base_url, basic(user, password), _FORM, timeout, Retry(retries, backoff), transport, everywhere
        )


def _everywhere(product_code: str | None, product_id: str | None, remote_address: str | None) -> Pairs:
    if not product_code and not product_id:
        raise ValueError("A client needs a product_code or a product_id")
    named = (("productCode", product_code), ("productId", product_id), ("remoteAddress", remote_address))
    return tuple((name, value) for name, value in named if value)
