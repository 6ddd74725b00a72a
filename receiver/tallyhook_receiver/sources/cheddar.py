"""Hooks from Cheddar, or from a gateway that signs Cheddar's hooks with a different scheme."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tallyhook import events, signing
from tallyhook.cheddar.models import canonical
from tallyhook.errors import DecodeError
from tallyhook_receiver.errors import WrongSource
from tallyhook_receiver.sources.source import Event, Keys, body_key, inbox_key, keys_of

if TYPE_CHECKING:
    from tallyhook.cheddar.client import AsyncClient


class Cheddar:
    """A Cheddar product as a source of hooks.

    Args:
        code: the product's code.
        keys: the product's secret key, or the old and the new key while you replace it.
        client: a client for the same product; needed only for reviews.
        id: the product's id. Hooks with a different id are refused.
        scheme: how hooks are signed. It determines the format of the keys.

    Raises ValueError for an invalid key, and for a client of a different product.
    """

    def __init__(
        self,
        code: str,
        keys: Keys,
        client: "AsyncClient | None" = None,
        *,
        id: str | None = None,
        scheme: signing.Scheme = signing.CHEDDAR,
    ) -> None:
        if not code or code != code.strip():
            raise ValueError(f"expected a product's code without white space around it: {code!r}")
        self.name = self.code = code
        self.keys = keys_of(keys, f"product {code}")
        self.client = client
        self.id = id
        self.scheme = scheme
        for key in self.keys:
            try:
                scheme.check_key(key)
            except ValueError as error:
                raise ValueError(f"product {code} needs a key of scheme {scheme.name}: {error}") from None
        its = "" if client is None else client.product_code
        if its and its != code:
            raise ValueError(f"product {code} got a client of product {its}, which has other invoices")
        its_id = "" if client is None else client.product_id
        if id and its_id and canonical(its_id) != canonical(id):
            raise ValueError(f"product {code} got a client with the id of another product")

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether one of the keys signed the request.

        Cheddar's X-CG-TOKEN header, a hash of the body, is ignored.
        """
        return self.scheme.verify(headers, body, self.keys, at=datetime.now(UTC))

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[events.Hook]:
        hook = events.decode(body)
        if hook.product.code.strip() != self.code:
            raise WrongSource(f"signed by product {self.code}, but the body names another product")
        if self.id is not None and canonical(hook.product.id) not in ("", canonical(self.id)):
            raise WrongSource(f"signed by product {self.code}, but the body has the id of another one")
        return Event(
            key=event_key(hook, body),
            type=hook.TYPE or hook.activity_type,
            payload=hook,
            at=hook.activity_datetime,
        )

    def __repr__(self) -> str:
        return f"<Cheddar {self.code}: {len(self.keys)} keys>"


def event_key(hook: events.Hook, body: bytes) -> str:
    """Return the key of a hook's event.

    The key of a billable hook consists of the customer's code or id and the invoice's number or id. So two
    hooks for the same invoice are the same event, even if times or quantities differ. The key of any other
    hook is the hash of its body. Cheddar's hooks have no id, so these keys are inferred.
    """
    invoice = hook.subscription.invoice if isinstance(hook, events.SubscriptionBillable) else None
    customer = hook.customer.code.strip() or canonical(hook.customer.id)
    if invoice is None or not customer or not (invoice.number or canonical(invoice.id)):
        return body_key(body)
    number = f"number {invoice.number}" if invoice.number else f"id {canonical(invoice.id)}"
    return f"{hook.TYPE} {number} of {customer}"


def kept_key(product: str, body: bytes) -> str:
    """Return the inbox key for a hook that an earlier release stored.

    That release received only Cheddar's hooks.
    """
    try:
        return inbox_key(product, event_key(events.decode(body), body))
    except DecodeError:
        return inbox_key(product, body_key(body))
