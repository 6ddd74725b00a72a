"""The blocking client and the async client for Chargemonk."""

from dataclasses import replace
from typing import TypeVar, Unpack

from tallyhook._call import Call
from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Method, Options
from tallyhook.chargemonk import calls

BASE_URL = "https://apiv1.chargemonk.com"

T = TypeVar("T")


class _Methods:
    """The methods of both clients."""

    _token: str
    _add_charge_path: str | None

    list_invoices = Method(calls.list_invoices)
    list_subscription_unbilled_charges = Method(calls.list_subscription_unbilled_charges)
    add_charge = Method(calls.add_charge)

    def _whole(self, call: Call[T]) -> Call[T]:
        """Return the call with the API token added to its form. `add_charge` also gets its path."""
        path = call.path or self._add_charge_path
        if path is None:
            raise ValueError("The path of this call is undocumented: pass it as add_charge_path")
        return replace(call, path=path, action=path, form=(("api_token", self._token), *call.form))


class Client(_Methods, BaseClient):
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
        self._token, self._add_charge_path = _sendable(api_token), add_charge_path


class AsyncClient(_Methods, BaseAsyncClient):
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
        self._token, self._add_charge_path = _sendable(api_token), add_charge_path


def _sendable(api_token: str) -> str:
    if not api_token or not api_token.isascii() or not api_token.isprintable():
        raise ValueError("An API token must be printable ASCII")
    return api_token
