"""Sends hooks over HTTP: makes one attempt at a delivery, and applies a planned fault to it."""

import asyncio
import base64
import ipaddress
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from tallyhook import signing
from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.hooks import Attempt, Delivery, Listener
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.systems.cheddar.products import Product

__all__ = [
    "UNSIGNED",
    "Answer",
    "Sender",
    "attempt_delivery",
    "hook_headers",
    "is_loopback",
    "keyed_headers",
    "why",
]

if TYPE_CHECKING:
    import httpx


# How many bytes of an answer are kept for display.
KEPT_OF_ANSWER = 2048
# The headers of every hook.
UNSIGNED = {"Content-Type": "application/json", "User-Agent": "tallyhook-mock"}


class Answer(Value, frozen=True):
    """A listener's answer: its status, the real seconds that it took, and the start of its text.

    If there was no answer, `status` is None, and `text` is the reason.
    """

    status: int | None
    seconds: float
    text: str


class Sender:
    """Posts hooks as Cheddar does: raw JSON with signed headers.

    `timeout` is in real seconds, from connecting to the end of the answer (inferred: Cheddar's own timeout is
    not public). Unless `allow_remote` is set, hooks are sent only to listeners on this machine, so that a
    mock doesn't send test data to a real server by accident.
    """

    remedy = "start with --allow-remote-listeners to send hooks there"

    def __init__(self, *, timeout: float = 30.0, allow_remote: bool = False) -> None:
        self.timeout = timeout
        self.allow_remote = allow_remote
        # httpx is loaded with the first hook, so that a mock without listeners starts faster.
        self._http: httpx.AsyncClient | None = None

    def check(self, url: str) -> None:
        """Raise ValueError, with the reason, for a URL that hooks can't be sent to."""
        import httpx

        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is not a URL: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"{url!r} is not an http:// or https:// URL")
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise ValueError(f"{url!r} is not a URL: its port is invalid")
        if not self.allow_remote and not is_loopback(parsed.host):
            raise ValueError(f"{url!r} is not on this machine; {self.remedy}")

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float | None = None
    ) -> Answer:
        """Post a body to a URL once, and return the answer. `timeout` replaces the sender's own timeout.

        Network errors are not raised. Instead, the answer has no status, and its text is the error.
        """
        started = time.perf_counter()
        status, text = await self._post(url, body, headers, self.timeout if timeout is None else timeout)
        return Answer(status, time.perf_counter() - started, text)

    async def close(self) -> None:
        """Close the connections. The next attempt opens new ones."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int | None, str]:
        import httpx

        if self._http is None:
            # Proxies from the environment are ignored: a listener on this machine is not behind one.
            self._http = httpx.AsyncClient(follow_redirects=False, timeout=None, trust_env=False)
        kept = bytearray()
        try:
            self.check(url)
            async with (
                asyncio.timeout(timeout),
                self._http.stream("POST", url, content=body, headers=headers) as response,
            ):
                async for chunk in response.aiter_bytes():
                    kept += chunk
                    if len(kept) >= KEPT_OF_ANSWER:
                        break
        except TimeoutError:
            return None, f"no answer within {timeout:g} s"
        except (httpx.HTTPError, ValueError) as error:
            return None, why(error, url)
        return response.status_code, kept[:KEPT_OF_ANSWER].decode("utf-8", "replace")


def why(error: Exception, url: str) -> str:
    """Return a readable reason why there was no answer."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__ if cause is None else f"connection refused by {_place(url)}"


def _place(url: str) -> str:
    parts = urlsplit(url)
    usual = 443 if parts.scheme == "https" else 80
    return parts.netloc if parts.port is not None else f"{parts.netloc}:{usual}"


def hook_headers(body: bytes, product: Product, id: int, at: datetime | None = None) -> dict[str, str]:
    """Return the headers of a hook with this body and id, signed with its product's scheme.

    `at` is the time in the signature, if the scheme has one. If `at` is None, the signature has the real
    time, not the mock's, because listeners compare it with their own clock.
    """
    scheme = signing.SCHEMES[product.signature]
    return UNSIGNED | scheme.sign(body, product.secret, id=ids.text(id), at=at or datetime.now(UTC))


def keyed_headers(listener: Listener) -> dict[str, str]:
    """Return the headers of an unsigned hook, including the listener's key in Base64 if it has one."""
    key = {listener.header: base64.b64encode(listener.key.encode()).decode()} if listener.header else {}
    return UNSIGNED | key


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: a loopback address, or the name `localhost`."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def attempt_delivery(
    sender: Sender,
    delivery: Delivery,
    headers: Mapping[str, str],
    fault: Fault | None,
    now: Callable[[], datetime],
) -> list[Attempt]:
    """Send a hook to its listener once, or twice at the same time if `fault` is a DUPLICATE.

    Returns the attempts in the order in which to record them: acknowledged ones first, because they end the
    delivery.
    """
    url, body, policy = delivery.listener.url, delivery.hook.body, delivery.hook.policy
    timeout = sender.timeout
    if policy is not None and policy.timeout is not None:
        timeout = min(timeout, policy.timeout)
    kind = None if fault is None else fault.kind
    if fault is not None and kind is FaultKind.TIMEOUT:
        answer = await sender.send(url, body, headers, timeout=fault.seconds)
        answers = [_lost(answer, f"no answer within {fault.seconds:g} s")]
    elif kind is FaultKind.LOSE_ANSWER:
        answers = [_lost(await sender.send(url, body, headers, timeout=timeout), "the answer was lost")]
    else:
        copies = 2 if kind is FaultKind.DUPLICATE else 1
        answers = await asyncio.gather(
            *(sender.send(url, body, headers, timeout=timeout) for _ in range(copies))
        )
    label = FaultKind.REORDER if delivery.is_postponed else kind or ""
    attempts = [
        Attempt(now(), answer.status, answer.seconds, answer.text, label, headers) for answer in answers
    ]
    return sorted(attempts, key=lambda attempt: not attempt.acknowledged)


def _lost(answer: Answer, why: str) -> Answer:
    """Return `answer` as if it had been lost on the way, or unchanged if the listener did not answer."""
    return answer if answer.status is None else replace(answer, status=None, text=why)
