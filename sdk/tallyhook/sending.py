"""A call on its way, whichever system it is for: built, sent, tried again, its answer or refusal read.

Of httpx this takes the transports: connections, TLS, proxies. What its clients add on top of them (cookies,
redirects, defaults that are merged anew into every request) none of these APIs has a use for, and it costs
about as much as reading a customer.
"""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import httpx

from tallyhook.errors import MASK, APIError, NoAnswer
from tallyhook.retry import Retry

if TYPE_CHECKING:
    from tallyhook.inputs import Pairs

__all__ = ["AsyncSender", "Sendable", "Sender", "basic"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = logging.getLogger("tallyhook")

# These fail before a byte of the request has left.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_TRANSIENT = (502, 503)


class Sendable(Protocol[T_co]):
    """What a call of any system tells the client that sends it."""

    @property
    def action(self) -> str:
        """What the log names: nothing that tells whom the call is about."""
        ...

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The path under the API's base."""
        ...

    @property
    def query(self) -> Pairs:
        """What goes into the query string."""
        ...

    @property
    def content(self) -> bytes | None:
        """The body; None for a request without one."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice comes to the same as doing it once."""
        ...

    def result(self, status: int, body: bytes) -> T_co:
        """The result that an answer holds; raises the APIError that it is instead, or DecodeError."""
        ...

    def masked(self, refusal: APIError) -> str:
        """The refusal's message without what the call itself keeps secret."""
        ...


def basic(user: str, password: str) -> str:
    """The credentials of HTTP's Basic authentication."""
    return b64encode(f"{user}:{password}".encode()).decode("ascii")


class _Line:
    """What surrounds a call on its way, for both kinds of clients.

    `everywhere` goes into the query of every call. `credentials` follow the word `Basic`.
    """

    def __init__(
        self,
        base_url: str,
        credentials: str,
        content_type: str,
        timeout: float,
        retry: Retry,
        everywhere: Pairs = (),
    ) -> None:
        address = httpx.URL(base_url)
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._retry = retry
        self._everywhere = urlencode(everywhere)
        # Written once, in the form in which httpx keeps them: a request then only adds its length.
        self._headers = [
            (b"Host", address.netloc),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"gzip, deflate"),
            (b"User-Agent", b"tallyhook"),
            (b"Authorization", f"Basic {credentials}".encode("ascii")),
        ]
        self._content_type = (b"Content-Type", content_type.encode("ascii"))
        self._extensions = {"timeout": httpx.Timeout(timeout).as_dict()}
        self._is_closed = False

    def _request(self, call: Sendable[object]) -> httpx.Request:
        if self._is_closed:  # a transport would connect anew, and nobody would close that
            raise RuntimeError("The client is closed")
        url = f"{self._base_url}/{call.path}"
        if query := "&".join(filter(None, (self._everywhere, urlencode(call.query)))):
            url += f"?{query}"
        headers, content = self._headers, call.content
        if content is not None:
            headers = [*headers, self._content_type, (b"Content-Length", b"%d" % len(content))]
        request = httpx.Request(
            call.method,
            url,
            headers=headers,
            stream=httpx.ByteStream(content or b""),
            extensions=self._extensions,
        )
        request.read()  # a transport of one's own may want to look at the content
        return request

    def _pause(self, call: Sendable[object], attempt: int, answer: httpx.Response | NoAnswer) -> float | None:
        """Seconds until the next attempt; None when this answer is the one to take."""
        if not call.repeatable:
            return None
        if isinstance(answer, NoAnswer):
            return self._retry.pause(attempt)
        if answer.status_code in _TRANSIENT:
            return self._retry.pause(attempt, answer.headers.get("Retry-After"))
        return None

    def _result(self, call: Sendable[T], answer: httpx.Response | NoAnswer) -> T:
        if isinstance(answer, NoAnswer):
            _log.debug("%s: no answer", call.action)
            raise answer
        _log.debug("%s: %d", call.action, answer.status_code)
        try:
            return call.result(answer.status_code, answer.content)
        except APIError as error:
            refusal = error
        # Raised out here so that no other exception hangs on it with the message as it was.
        message, aux_code, error_id = (
            said.replace(self._credentials, MASK)
            for said in (call.masked(refusal), refusal.aux_code, refusal.error_id)
        )
        raise type(refusal)(refusal.status, message, aux_code, error_id, refusal.customer, refusal.documented)


class Sender(_Line):
    """A client that blocks, whatever API it is for."""

    def __init__(
        self,
        base_url: str,
        credentials: str,
        content_type: str,
        timeout: float,
        retry: Retry,
        transport: httpx.BaseTransport | None,
        everywhere: Pairs = (),
    ) -> None:
        super().__init__(base_url, credentials, content_type, timeout, retry, everywhere)
        self._transport = transport or httpx.HTTPTransport(proxy=_proxy(base_url))

    def send(self, call: Sendable[T]) -> T:
        """Send a call that was described with this API's `calls`, and read its answer."""
        answer: httpx.Response | NoAnswer
        attempt, maybe_applied = 0, False
        while True:
            try:
                answer = self._transport.handle_request(self._request(call))
                try:
                    answer.read()
                except BaseException:
                    answer.close()
                    raise
            except httpx.RequestError as error:
                maybe_applied |= _may_have_arrived(error)
                answer = NoAnswer(_described(error), maybe_applied)
            pause = self._pause(call, attempt, answer)
            if pause is None:
                return self._result(call, answer)
            time.sleep(pause)
            attempt += 1

    def disconnect(self) -> None:
        """Close the connections. The next call opens another: after a fork, for example."""
        self._transport.close()

    def close(self) -> None:
        """Close the connections. Calls raise RuntimeError from then on."""
        self._is_closed = True
        self.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSender(_Line):
    """A client whose calls are awaited, whatever API it is for."""

    def __init__(
        self,
        base_url: str,
        credentials: str,
        content_type: str,
        timeout: float,
        retry: Retry,
        transport: httpx.AsyncBaseTransport | None,
        everywhere: Pairs = (),
    ) -> None:
        super().__init__(base_url, credentials, content_type, timeout, retry, everywhere)
        self._transport = transport or _transport(base_url)

    async def send(self, call: Sendable[T], *, check: Callable[[], None] | None = None) -> T:
        """Send a call that was described with this API's `calls`, and read its answer.

        `check` is asked each time before it is sent, also when it is tried again; what it raises ends it.
        """
        answer: httpx.Response | NoAnswer
        attempt, maybe_applied = 0, False
        while True:
            if check is not None:
                check()
            try:
                answer = await self._transport.handle_async_request(self._request(call))
                try:
                    await answer.aread()
                except BaseException:
                    await answer.aclose()
                    raise
            except httpx.RequestError as error:
                maybe_applied |= _may_have_arrived(error)
                answer = NoAnswer(_described(error), maybe_applied)
            pause = self._pause(call, attempt, answer)
            if pause is None:
                return self._result(call, answer)
            await _sleep(pause)
            attempt += 1

    async def disconnect(self) -> None:
        """Close the connections. The next call opens another, which may be in another event loop."""
        await self._transport.aclose()

    async def aclose(self) -> None:
        """Close the connections. Calls raise RuntimeError from then on."""
        self._is_closed = True
        await self.disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _sleep(seconds: float) -> None:
    # Whoever awaits has it loaded; whoever only imports this would wait for it.
    import asyncio

    await asyncio.sleep(seconds)


def _transport(base_url: str) -> httpx.AsyncBaseTransport:
    # Late for the same reason: it loads httpcore and asyncio.
    from tallyhook.pool import Transport

    return Transport(httpx.create_ssl_context(), _proxy(base_url))


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY, …) asks for on the way to this address."""
    url = httpx.URL(base_url)
    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or proxy_bypass(url.netloc.decode("ascii")):
        return None
    return named if "://" in named else f"http://{named}"


def _may_have_arrived(error: httpx.RequestError) -> bool:
    return not isinstance(error, _NEVER_LEFT)


def _described(error: httpx.RequestError) -> str:
    # Not chained: the error of httpx holds the request, and that may hold a card.
    return f"no answer: {type(error).__name__}" + (f" ({error})" if str(error) else "")
