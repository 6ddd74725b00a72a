"""The blocking client and the async client for Fusebill."""

from typing import Unpack

from tallyhook._client import AsyncOptions, BaseAsyncClient, BaseClient, Method, Options
from tallyhook.fusebill import calls

BASE_URL = "https://secure.fusebill.com/v1"


class _Methods:
    """The methods of both clients."""

    _accept = "application/json"

    change_draft_invoice = Method(calls.change_draft_invoice)
    change_quantity = Method(calls.change_quantity)
    delete_billing_period_definition = Method(calls.delete_billing_period_definition)
    dry_run = Method(calls.dry_run)
    edit_billing_period_definition = Method(calls.edit_billing_period_definition)
    get_billing_period_definition = Method(calls.get_billing_period_definition)
    get_billing_period_definition_by_subscription = Method(
        calls.get_billing_period_definition_by_subscription
    )
    get_billing_period_definitions = Method(calls.get_billing_period_definitions)
    get_draft_invoice = Method(calls.get_draft_invoice)
    get_draft_invoices = Method(calls.get_draft_invoices)
    get_invoice = Method(calls.get_invoice)
    get_invoices = Method(calls.get_invoices)
    get_subscription = Method(calls.get_subscription)
    get_subscriptions = Method(calls.get_subscriptions)
    move_subscription = Method(calls.move_subscription)
    new_billing_period_definition = Method(calls.new_billing_period_definition)
    post_draft_invoice = Method(calls.post_draft_invoice)
    preview_billing_period_definition = Method(calls.preview_billing_period_definition)
    set_quantity = Method(calls.set_quantity)


class Client(_Methods, BaseClient):
    """A blocking client for Fusebill (now Stax Bill): billing periods, usage and invoices.

        with Client("an API key") as client:
            (definition, *others) = client.get_billing_period_definitions(7)
            print(client.dry_run(definition, invoice_day=6))
            client.edit_billing_period_definition(definition, invoice_day=6)

    The options are those of `tallyhook.Client`. Any call can raise APIError (or its subclass for the status),
    NoAnswer or DecodeError, which are all subclasses of `tallyhook.Error`. An APIError's `message` contains
    all errors from the answer, and its `aux_code` is the key of the first error.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(base_url, _sendable(api_key), **options)


class AsyncClient(_Methods, BaseAsyncClient):
    """The async client, for asyncio and trio. It has `Client`'s arguments and methods; await the methods."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = BASE_URL,
        **options: Unpack[AsyncOptions],
    ) -> None:
        super().__init__(base_url, _sendable(api_key), **options)


def _sendable(api_key: str) -> str:
    # The key is checked here, because httpx's error for an invalid header may quote the key.
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("An API key must be printable ASCII without spaces")
    return api_key
