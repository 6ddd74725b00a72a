"""The two clients of Cleverbridge's API: twins around its calls."""

from typing import Unpack

from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Method, Options, basic
from tallyhook.cleverbridge import calls

__all__ = ["BASE_URL", "AsyncClient", "Client"]

BASE_URL = "https://rest.cleverbridge.com"


class _Methods:
    """What both clients can be asked for."""

    get_subscription = Method(calls.get_subscription)
    update_subscription_item = Method(calls.update_subscription_item)
    increase_subscription_item_quantity = Method(calls.increase_subscription_item_quantity)
    update_subscription_item_price = Method(calls.update_subscription_item_price)


class Client(_Methods, BaseClient):
    """Cleverbridge's API.

        with Client("user", "password") as client:
            subscription = client.get_subscription("S1001")

    The arguments mean what they mean to `tallyhook.Client`. All calls raise APIError (by status; its
    `message` is the ResultMessage and its `aux_code` the ErrorCode), NoAnswer or DecodeError, all of them
    under `tallyhook.Error`.
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
    """`Client` for asyncio and trio: the same arguments and the same methods, to be awaited."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__(base_url, basic(user, password), **options)
