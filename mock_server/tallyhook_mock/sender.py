"""Sending hooks: one attempt at a delivery, with the fault that strikes it."""

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
from tallyhook_mock.core.hooks import Attempt, Delivery, Hook, Listener
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.systems.cheddar.products import Product

__all__ = [
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


# How much of an answer is kept for a look at it.
KEPT_OF_ANSWER = 2048


class Answer(Value, frozen=True):
    """What came back: the status (None if nothing did), real seconds, the beginning of the text."""

    status: int | None
    seconds: float
    text: str


class Sender:
    """Posts hooks as Cheddar does: the raw JSON under signed headers.

    `timeout` is in real seconds, from connecting to the answer's end (inferred: the real one is not public).
    Only loopback listeners are spoken to unless `allow_remote` is set: a mock for local work must not post
    the data of a test to a real machine by accident.
    """

    remedy = "start with --allow-remote-listeners to send hooks there"

    def __init__(self, *, timeout: float = 30.0, allow_remote: bool = False) -> None:
        self.timeout = timeout
        self.allow_remote = allow_remote
        # httpx is loaded when there is somebody to speak to: a mock without listeners starts faster.
        self._http: httpx.AsyncClient | None = None

    def check(self, url: str) -> None:
        """ValueError, with the reason, for an address that hooks won't be sent to."""
        import httpx

        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is not a URL: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError(f"{url!r} is not an http:// or https:// URL")
        if not 0 < (parsed.port or 80) < 65536:
            raise ValueError(f"{url!r} is not a URL: there is no such port")
        if not self.allow_remote and not is_loopback(parsed.host):
            raise ValueError(f"{url!r} is not on this machine; {self.remedy}")

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float | None = None
    ) -> Answer:
        """One attempt, with a `timeout` of its own if it is given.

        Never raises for what the network or the listener does.
        """
        started = time.perf_counter()
        status, text = await self._post(url, body, headers, self.timeout if timeout is None else timeout)
        return Answer(status, time.perf_counter() - started, text)

    async def close(self) -> None:
        """Let go of the connections; the next attempt opens new ones."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int | None, str]:
        import httpx

        if self._http is None:
            # No proxies of the environment: a loopback listener is not behind one.
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
    """Why nothing was answered, as a person would say it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__ if cause is None else f"connection refused by {_place(url)}"


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"


def hook_headers(hook: Hook, product: Product) -> dict[str, str]:
    """The headers that a hook would go out with now, signed as its product does.

    A signature that covers a time has the real one, whatever the virtual clock says: listeners hold it
    against their own.
    """
    scheme = signing.SCHEMES[product.signature]
    return {
        "Content-Type": "application/json",
        "User-Agent": "tallyhook-mock",
        **scheme.sign(hook.body, product.secret, id=ids.text(hook.id), at=datetime.now(UTC)),
    }


def keyed_headers(listener: Listener) -> dict[str, str]:
    """The headers of a hook that isn't signed: the listener's key goes along in Base64, if it has one."""
    headers = {"Content-Type": "application/json", "User-Agent": "tallyhook-mock"}
    if listener.header:
        headers[listener.header] = base64.b64encode(listener.key.encode()).decode()
    return headers


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself; `localhost` is the only name taken for it."""
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
    """Send a hook to its listener, once, or twice side by side if it is duplicated.

    The attempts come in the order in which they are to be recorded: one that was acknowledged goes first,
    since for a sender that is the end of it.
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
    """An answer of which nothing arrives; one that never came stays what it is."""
    return answer if answer.status is None else replace(answer, status=None, text=why)
