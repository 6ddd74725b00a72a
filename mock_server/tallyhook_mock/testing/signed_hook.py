"""Signed hooks, and a client that posts them to a listener."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import httpx

from tallyhook_mock.sender import UNSIGNED, hook_headers
from tallyhook_mock.systems.cheddar.hook_json import body, event_about
from tallyhook_mock.systems.cheddar.model import Customer

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
    """A hook's body and headers. `forged_headers` contain the signature of a different body."""

    type: str
    customer: str
    body: bytes
    headers: Mapping[str, str]
    forged_headers: Mapping[str, str]

    def forged(self) -> "SignedHook":
        """Return the same hook with the signature of a different body, which is invalid for this hook."""
        return replace(self, headers=self.forged_headers)

    def unsigned(self) -> "SignedHook":
        """Return the same hook without a signature."""
        return replace(self, headers=UNSIGNED)


def sign_hook(customer: Customer, type: str, id: int, at: datetime, signed_at: datetime | None) -> SignedHook:
    """Return a signed hook about the customer's current state, dated `at`.

    `signed_at` is the time in the signature, if the signature scheme has one. If `signed_at` is None, the
    signature has the real time, because listeners compare it with their own clock. Raises ValueError for an
    unknown type, or if the customer has nothing that the hook could be about.
    """
    product = customer.product
    content = body(event_about(customer, type, at, "operator"))
    moment = signed_at or datetime.now(UTC)
    headers, forged = (hook_headers(each, product, id, moment) for each in (content, content + b" "))
    return SignedHook(type, customer.code, content, headers, forged)


class ReceiverClient:
    """Sends hooks directly to the listener that was registered last. The mock does not record them.

    Its methods raise LookupError if there is no listener.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def send(self, hook: SignedHook) -> httpx.Response:
        """Post a hook, and return the response.

        If the listener raises an exception, the response is a 500, and the exception is logged.
        """
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
