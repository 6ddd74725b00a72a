"""Sending hooks: one signed POST per attempt."""

import asyncio
import ipaddress
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tallyhook import signing
from tallyhook_mock.engine import ids
from tallyhook_mock.engine.cheddar.product import Product
from tallyhook_mock.engine.hooks import Hook
from tallyhook_mock.engine.record import Record

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Sender", "hook_headers", "is_loopback"]

# How much of an answer is kept for a look at it.
KEPT_OF_ANSWER = 2048


class Answer(Record, frozen=True):
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
            return None, str(error) or type(error).__name__
        return response.status_code, kept[:KEPT_OF_ANSWER].decode("utf-8", "replace")


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


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself; `localhost` is the only name taken for it."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
