"""The two clients for Cleverbridge's API."""

from typing import Unpack

from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Method, Options, basic
from tallyhook.cleverbridge import calls

BASE_URL = "https://rest.cleverbridge.com"


class _Methods:
    """The methods of both clients."""

    _accept = "application/json"  # required (documented)

    get_subscription = Method(calls.get_subscription)
    get_subscriptions_for_customer = Method(calls.get_subscriptions_for_customer)
    get_subscriptions_by_purchase = Method(calls.get_subscriptions_by_purchase)
    update_subscription_item = Method(calls.update_subscription_item)
    increase_subscription_item_quantity = Method(calls.increase_subscription_item_quantity)
    update_subscription_item_price = Method(calls.update_subscription_item_price)
    add_subscription_item = Method(calls.add_subscription_item)
    deactivate_subscription_items = Method(calls.deactivate_subscription_items)
    reinstate_subscription_items = Method(calls.reinstate_subscription_items)
    update_next_billing_date = Method(calls.update_next_billing_date)
    renew_subscription = Method(calls.renew_subscription)


class Client(_Methods, BaseClient):
    """Cleverbridge's API.

        with Client("user", "password") as client:
            subscription = client.get_subscription("S1001")

    The other arguments are those of `tallyhook.Client`. All calls raise APIError (by status, 402 for invalid
    parameters; its `message` is the ResultMessage), NoAnswer or DecodeError, which are all subclasses of
    `tallyhook.Error`.
    """

    def __init__(
        self,
        user: str,
        password: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(base_url, basic(user, password), **options)


class AsyncClient(_Methods, BaseAsyncClient):
    """`Client` for asyncio and trio, with the same arguments and the same methods; await them."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__(base_url, basic(user, password), **options)
