"""Cleverbridge's notifications. They are unsigned, so its API has to confirm them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tallyhook._lenient import optional_datetime
from tallyhook.cleverbridge import AsyncClient, Subscription
from tallyhook.errors import APIError, DecodeError, NoAnswer, NotFound
from tallyhook_receiver.allowlist import Allowlist
from tallyhook_receiver.errors import NotYet, Unconfirmed
from tallyhook_receiver.sources.source import Event, body_key, event_type, parsed


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The `event.payload` for a handler of Cleverbridge's notifications.

    Attributes:
        subscriptions: the subscriptions it is about, as the API has them now. Act on these.
        body: what was sent. Nothing proves it.
    """

    subscriptions: tuple[Subscription, ...]
    body: Mapping[str, object]


class Cleverbridge:
    """Notifications in JSON over https. How their sender proves its identity is not documented.

    So they are accepted only from `networks`, and before a handler runs, `client` reads the subscription: by
    `subscriptionId`, else by `purchaseId`, else by `customerId`. If the API doesn't know it, or it is another
    customer's, the answer is 401. Cleverbridge sends a notification up to 24 times within 48 hours
    (documented).

    The type of an event is the one in `meta`, such as `PaidOrderNotification` (documented). Its key is the
    hash of its body.

    Args:
        name: the source's name.
        client: a client of Cleverbridge's API, which you close yourself.
        networks: where notifications come from, such as `["192.0.2.0/24"]`.

    Raises ValueError without networks, and for an invalid network.
    """

    def __init__(self, name: str, client: AsyncClient, *, networks: Iterable[str]) -> None:
        self.name = name
        self.client = client
        self.networks = networks if isinstance(networks, str) else tuple(networks)
        if not self.networks:
            raise ValueError(f"source {name} needs the networks that its notifications come from")
        Allowlist(self.networks, ())  # they are checked here, rather than in the receiver

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """True, since there is nothing to verify. The receiver checks the networks, and calls `confirm`."""
        return True

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[Mapping[str, object]]:
        content = parsed(body)
        meta = content.get("meta")
        if not isinstance(meta, dict):
            raise DecodeError("an object was expected", "meta")
        return Event(
            key=body_key(body),
            type=event_type(meta, "type", within="meta."),
            payload=content,
            at=optional_datetime(meta.get("date")),
        )

    async def confirm(self, event: Event[object]) -> Event[Notification]:
        """The event with what the API says about it.

        Raises Unconfirmed if the API doesn't know it, NotYet while the API gives no answer, and other errors
        of calls.
        """
        body = event.payload
        if not isinstance(body, Mapping):
            raise TypeError("this source has not read this event")
        names = _Names(*(_text(body.get(name)) for name in ("subscriptionId", "purchaseId", "customerId")))
        try:
            found = await self._read_back(names)
        except NotFound:
            found = ()
        except NoAnswer as error:
            raise NotYet from error
        except APIError as error:
            if error.status == 429 or error.status >= 500:
                raise NotYet from error
            raise
        if not found or not all(names.fit(subscription) for subscription in found):
            raise Unconfirmed("the API does not know what this notification is about")
        confirmed = Notification(subscriptions=found, body=body)
        return Event(key=event.key, type=event.type, payload=confirmed, at=event.at, source=event.source)

    async def _read_back(self, names: "_Names") -> tuple[Subscription, ...]:
        if names.subscription:
            return (await self.client.get_subscription(names.subscription),)
        if names.purchase.isdecimal() and int(names.purchase) > 0:
            return await self.client.get_subscriptions_by_purchase(int(names.purchase))
        if names.customer:
            return await self.client.get_subscriptions_for_customer(names.customer)
        return ()

    def __repr__(self) -> str:
        return f"<Cleverbridge {self.name}: {', '.join(self.networks)}>"


class _Names(NamedTuple):
    """What a notification says it is about; empty if it doesn't say."""

    subscription: str
    purchase: str
    customer: str

    def fit(self, found: Subscription) -> bool:
        """Whether it may be about this subscription. The S in front of an id is optional (documented)."""
        same_id = found.id.upper().removeprefix("S") == self.subscription.upper().removeprefix("S")
        return (same_id or not self.subscription) and self.customer in ("", found.customer_id)


def _text(node: object) -> str:
    return str(node).strip() if isinstance(node, int | str) else ""
