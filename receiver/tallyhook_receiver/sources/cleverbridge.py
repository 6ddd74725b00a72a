"""Cleverbridge's notifications. They are unsigned, so the receiver confirms them through the API."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tallyhook._lenient import optional_datetime
from tallyhook.errors import APIError, DecodeError, NoAnswer, NotFound
from tallyhook_receiver.allowlist import Allowlist
from tallyhook_receiver.errors import NotYet, Unconfirmed
from tallyhook_receiver.sources.source import Event, body_key, event_type, parsed

if TYPE_CHECKING:
    from tallyhook.cleverbridge import AsyncClient, Subscription


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed notification. The handler gets it as `event.payload`.

    Attributes:
        subscriptions: the subscriptions that the notification concerns, as the API returns them now. Act on
            these.
        body: the JSON that was sent. It isn't authenticated.
    """

    subscriptions: tuple["Subscription", ...]
    body: Mapping[str, object]


class Cleverbridge:
    """Cleverbridge as a source of notifications. How they are authenticated is not documented.

    So the receiver accepts notifications only from `networks`, and confirms each one before the handler runs:
    `client` reads the subscriptions by the notification's `subscriptionId`, or else by its `purchaseId`, or
    else by its `customerId`. If the API doesn't know the subscription, or if the subscription belongs to a
    different customer, the response is a 401. Cleverbridge sends a notification up to 24 times within 48
    hours (documented).

    Notifications are JSON, sent over https. The event's type is the field `type` in `meta`, such as
    `PaidOrderNotification` (documented). The event's key is the hash of the body.

    Args:
        name: the source's name.
        client: a client for Cleverbridge's API. You close it yourself.
        networks: the networks that send notifications, such as `["192.0.2.0/24"]`.

    Raises ValueError if `networks` is empty or has an invalid network.
    """

    def __init__(self, name: str, client: "AsyncClient", *, networks: Iterable[str]) -> None:
        self.name = name
        self.client = client
        self.networks = networks if isinstance(networks, str) else tuple(networks)
        if not self.networks:
            raise ValueError(f"source {name} needs the networks that send its notifications")
        Allowlist(self.networks, ())  # raises ValueError for an invalid network

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return True, because notifications aren't signed.

        Instead, the receiver checks the networks and calls `confirm`.
        """
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
        """Read the event's subscriptions from the API. The returned event's payload is a `Notification`.

        Raises Unconfirmed if the API doesn't know the subscriptions, or if they don't fit the notification.
        Raises NotYet if the API doesn't answer, or answers with 429 or 5xx. The client's other errors aren't
        caught.
        """
        body = event.payload
        if not isinstance(body, Mapping):
            raise TypeError("the event is from another source")
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
            raise Unconfirmed("the API does not know the subscription of this notification")
        confirmed = Notification(subscriptions=found, body=body)
        return Event(key=event.key, type=event.type, payload=confirmed, at=event.at, source=event.source)

    async def _read_back(self, names: "_Names") -> tuple["Subscription", ...]:
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
    """The ids in a notification. A missing id is `""`."""

    subscription: str
    purchase: str
    customer: str

    def fit(self, found: "Subscription") -> bool:
        """Return whether a subscription has these ids."""
        from tallyhook.cleverbridge.calls import canonical  # slow, so only when there is a client

        same_id = canonical(found.id) == canonical(self.subscription)
        return (same_id or not self.subscription) and self.customer in ("", found.customer_id)


def _text(node: object) -> str:
    return str(node).strip() if isinstance(node, int | str) else ""
