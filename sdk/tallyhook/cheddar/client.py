"""The blocking client and the async client for Cheddar.

Both have the methods that `_Methods` lists. Each method has the signature and the docstring of a function in
`tallyhook.cheddar.calls`. `tallyhook._client` sends the calls.
"""

from typing import Unpack

from tallyhook._call import Pairs
from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Method, Options, basic
from tallyhook.cheddar import BASE_URL as BASE_URL
from tallyhook.cheddar import calls


class _Methods:
    """The methods of both clients."""

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
    waive_invoice = Method(calls.waive_invoice)
    run_invoice = Method(calls.run_invoice)
    send_email = Method(calls.send_email)


class Client(_Methods, BaseClient):
    """A blocking client for one product in Cheddar.

        with Client("ACME", "ops@example.com", "password") as client:
            client.set_item_quantity("C1", "GB", Decimal("12.5"))

    To identify a customer, plan or item, pass its code. To identify an invoice, pass its number. Instead of a
    code or number, you can also pass an id, as `Id("…")`, or a model.

    Args:
        product_code: the product's code; may be None if you pass `product_id`.
        user: the email of a user of the product.
        password: the user's password or API key.
        remote_address: the IPv4 address of the person on whose behalf you make the calls.
        timeout: the time limit in seconds for connecting, for sending, and for each read; 30 by default, or
            the timeout of the `http` client that you pass.
        deadline: the time limit in seconds for a whole call, including retries; 120 by default, None for no
            limit. A blocking client checks the deadline between chunks of the answer's body.
        retries: how often a repeatable call is retried after a lost connection, a 502 or a 503; 3 by default.
        backoff: seconds before the first retry, 0.5 by default. Before each further retry, the pause doubles.
        max_answer: the maximum size of an answer's body in bytes, after decompression; 100,000,000 by
            default.
        http: your own `httpx.Client` (or `httpx.AsyncClient`), which you close yourself. Its transport must
            not resend a POST, because that may charge twice. Your `httpx.Client` must not have `params`, and
            its `base_url`, if any, must be the beginning of this client's. If you don't pass `http`, the
            client creates one with the httpx options that you pass: `verify`, `proxy`, `limits`, `transport`,
            `event_hooks`, …

    Any call can raise APIError (or its subclass for the status), NoAnswer or DecodeError, which are all
    subclasses of `tallyhook.Error`. A call raises ValueError or TypeError if an argument can't be sent, for
    example because it contains a lone surrogate.

    The logger `tallyhook` logs only actions and statuses, never codes or ids, and httpx doesn't log these
    calls. Anything else that watches httpx (event hooks, traces) sees URLs that contain customers' codes.

    After a fork, the client opens new connections. An async client does the same in another event loop. If
    you passed `http`, the client raises UnusableClient in both cases, before it sends anything. A closed
    client also raises UnusableClient.
    """

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        remote_address: str | None = None,
        base_url: str = BASE_URL,
        **options: Unpack[Options],
    ) -> None:
        everywhere = _everywhere(product_code, product_id, remote_address)
        self.product_code = product_code or ""
        self.product_id = product_id or ""
        super().__init__(base_url, basic(user, password), everywhere, **options)


class AsyncClient(_Methods, BaseAsyncClient):
    """The async client, for asyncio and trio. It has `Client`'s arguments and methods; await the methods."""

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        remote_address: str | None = None,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        everywhere = _everywhere(product_code, product_id, remote_address)
        self.product_code = product_code or ""
        self.product_id = product_id or ""
        super().__init__(base_url, basic(user, password), everywhere, **options)


def _everywhere(product_code: str | None, product_id: str | None, remote_address: str | None) -> Pairs:
    if not product_code and not product_id:
        raise ValueError("A client needs a product_code or a product_id")
    named = (("productCode", product_code), ("productId", product_id), ("remoteAddress", remote_address))
    return tuple((name, value) for name, value in named if value)
