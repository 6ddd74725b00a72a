"""The blocking client and the async client for Cleverbridge."""

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
    """A blocking client for Cleverbridge.

        with Client("user", "password") as client:
            subscription = client.get_subscription("S1001")

    The options are those of `tallyhook.Client`. Any call can raise APIError (or its subclass for the status),
    NoAnswer or DecodeError, which are all subclasses of `tallyhook.Error`. An APIError's `message` is the
    answer's ResultMessage. If a parameter is invalid, the status is 402.
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
    """The async client, for asyncio and trio. It has `Client`'s arguments and methods; await the methods."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__(base_url, basic(user, password), **options)
