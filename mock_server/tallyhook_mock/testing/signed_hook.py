"""A signed hook, and a client that posts it to a listener."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import httpx

from tallyhook import signing
from tallyhook_mock.core import ids
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.hook_json import body, event_about

if TYPE_CHECKING:
    from tallyhook_mock.testing.world import World

__all__ = ["HookType", "ReceiverClient", "SignedHook", "sign_hook"]

__tracebackhide__ = True  # pytest shows the line of the test

HookType: TypeAlias = Literal[
    "newSubscription",
    "subscriptionChanged",
    "subscriptionCanceled",
    "subscriptionReactivated",
    "customerDeleted",
    "transaction",
    "subscriptionBillable",
    "billReminder",
]


@dataclass(frozen=True, slots=True)
class SignedHook:
    """A hook's body and signed headers. `forged_headers` sign another body with the right key."""

    type: str
    customer: str
    body: bytes
    headers: Mapping[str, str]
    forged_headers: Mapping[str, str]

    def forged(self) -> "SignedHook":
        """The hook with the signature of another body."""
        return replace(self, headers=self.forged_headers)

    def unsigned(self) -> "SignedHook":
        """The hook without a signature."""
        return replace(self, headers=_UNSIGNED)


_UNSIGNED = {"Content-Type": "application/json", "User-Agent": "tallyhook-mock"}


def sign_hook(customer: Customer, type: str, id: int, at: datetime, signed_at: datetime | None) -> SignedHook:
    """A hook about a customer's current state, dated `at`.

    `signed_at` is for a scheme whose signature covers a time. None means now, in real time, because listeners
    compare it with their own clock. ValueError for an unknown type, or if the customer has nothing that the
    hook could be about.
    """
    product = customer.product
    content = body(event_about(customer, type, at, "operator"))
    scheme = signing.SCHEMES[product.signature]
    moment = signed_at or datetime.now(UTC)

    def headers(signed: bytes) -> Mapping[str, str]:
        return _UNSIGNED | scheme.sign(signed, product.secret, id=ids.text(id), at=moment)

    return SignedHook(type, customer.code, content, headers(content), headers(content + b" "))


class ReceiverClient:
    """Sends hooks directly to the listener registered last. The mock doesn't log them.

    LookupError if there is no listener.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def send(self, hook: SignedHook) -> httpx.Response:
        """Send one request and return the answer. If the listener raises, it is 500, and the log says why."""
        url = self._url()
        return self._world.wait(lambda: self._world.sender.post(url, hook.body, hook.headers))

    async def asend(self, hook: SignedHook) -> httpx.Response:
        """Async version of `send`."""
        url = self._url()
        return await self._world.awaited(lambda: self._world.sender.post(url, hook.body, hook.headers))

    def _url(self) -> str:
        if not self._world.sender.by_url:
            raise LookupError("there is no listener: register your application with cheddar.listener(app)")
        return [*self._world.sender.by_url][-1]
