"""A hook as it is sent: a body and the headers that sign it; and posting it to a listener by hand."""

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
    """`forged_headers` sign another body with the right key."""

    type: str
    customer: str
    body: bytes
    headers: Mapping[str, str]
    forged_headers: Mapping[str, str]

    def forged(self) -> "SignedHook":
        """With a signature that is not this body's."""
        return replace(self, headers=self.forged_headers)

    def unsigned(self) -> "SignedHook":
        """Without any signature."""
        return replace(self, headers=_UNSIGNED)


_UNSIGNED = {"Content-Type": "application/json", "User-Agent": "tallyhook-mock"}


def sign_hook(customer: Customer, type: str, id: int, at: datetime, signed_at: datetime | None) -> SignedHook:
    """What a hook would say of a customer as it stands, dated `at`.

    `signed_at` matters to a scheme whose signature covers a time; None is the present, by the real clock as
    listeners hold it against theirs. ValueError for an unknown type, or if there is nothing to speak of.
    """
    product = customer.product
    content = body(event_about(customer, type, at, "operator"))
    scheme = signing.SCHEMES[product.signature]
    moment = signed_at or datetime.now(UTC)

    def headers(signed: bytes) -> Mapping[str, str]:
        return _UNSIGNED | scheme.sign(signed, product.secret, id=ids.text(id), at=moment)

    return SignedHook(type, customer.code, content, headers(content), headers(content + b" "))


class ReceiverClient:
    """Sends hooks straight to the listener that was registered last: what the mock knows of them is nothing.

    LookupError if there is no listener.
    """

    def __init__(self, world: "World") -> None:
        self._world = world

    def send(self, hook: SignedHook) -> httpx.Response:
        """One request, and its answer; a listener that breaks has answered 500, and the log says why."""
        url = self._url()
        return self._world.wait(lambda: self._world.sender.post(url, hook.body, hook.headers))

    async def asend(self, hook: SignedHook) -> httpx.Response:
        """`send`, to be awaited."""
        url = self._url()
        return await self._world.awaited(lambda: self._world.sender.post(url, hook.body, hook.headers))

    def _url(self) -> str:
        if not self._world.sender.by_url:
            raise LookupError("there is no listener: register your application with cheddar.listener(app)")
        return [*self._world.sender.by_url][-1]
