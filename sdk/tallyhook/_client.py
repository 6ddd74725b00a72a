"""The base of all clients: it sends calls with httpx, retries them, and reads the answers."""

from __future__ import annotations

import inspect
import logging
import os
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from functools import partial, update_wrapper
from types import MethodType, NoneType, TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    ParamSpec,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

import httpx

from tallyhook._attempts import Answer, Attempts, Retry, unlogged
from tallyhook._call import Call, Pairs, encoded
from tallyhook.errors import MASK, APIError, NoAnswer, UnusableClient

if TYPE_CHECKING:
    import ssl

P = ParamSpec("P")
T = TypeVar("T")
H = TypeVar("H", httpx.Client, httpx.AsyncClient)

_log = logging.getLogger("tallyhook")


class _HTTPOptions(TypedDict, total=False):
    """Options that a client passes to the httpx client that it creates."""

    verify: ssl.SSLContext | str | bool
    proxy: httpx.Proxy | str | None
    limits: httpx.Limits
    event_hooks: Mapping[str, list[Callable[..., object]]]
    trust_env: bool
    http2: bool


class _Options(_HTTPOptions, total=False):
    timeout: float | None
    deadline: float | None
    retries: int
    backoff: float
    max_answer: int


class Options(_Options, total=False):
    """The options of every blocking client; see `tallyhook.Client`."""

    http: httpx.Client | None
    transport: httpx.BaseTransport | None


class AsyncOptions(_Options, total=False):
    """The options of every async client; see `tallyhook.Client`."""

    http: httpx.AsyncClient | None
    transport: httpx.AsyncBaseTransport | None


def basic(user: str, password: str) -> str:
    """Return the credentials for HTTP Basic authentication.

    Raises ValueError if the user or the password contains a lone surrogate.
    """
    try:
        return b64encode(f"{user}:{password}".encode()).decode("ascii")
    except UnicodeEncodeError:
        raise ValueError("User and password can't contain lone surrogates") from None


def _address(base_url: str) -> str:
    """Return the base URL without trailing slashes.

    Raises ValueError if the URL isn't a complete http or https URL, or if it has a user, query or fragment.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"base_url is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must be a complete URL, such as https://host/path")
    if url.userinfo or "?" in base_url or "#" in base_url:
        raise ValueError("base_url must have no user, query or fragment")
    return base_url.rstrip("/")


def _check_own(http: httpx.Client | httpx.AsyncClient, base_url: str) -> None:
    """Raise ValueError if the http client that you passed can't be used.

    The http client must have no `params`, and its own base URL must be a prefix of `base_url`.
    """
    if http.params:
        # httpx would send these `params` instead of a call's query, which names the customer.
        raise ValueError("your http client must have no params: they would replace the parameters of a call")
    if not f"{base_url}/".startswith(str(http.base_url)):
        raise ValueError("your http client has another base_url: pass it to this client instead")


class Method(Generic[P, T]):
    """Turns a function that returns a `Call` into a client's method that sends the call.

    On a `BaseClient`, the method returns the call's result. On a `BaseAsyncClient`, it returns an awaitable.
    On the class, the attribute is the function itself.
    """

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        self._describe = describe
        update_wrapper(self, describe)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Call[T]]: ...
    @overload
    def __get__(self, client: BaseClient, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: BaseAsyncClient, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: BaseClient | BaseAsyncClient | None, owner: type) -> Callable[P, Any]:
        return self._describe if client is None else MethodType(self, client)

    def __call__(self, client: BaseClient | BaseAsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        return client.send(self._describe(*args, **kwargs))

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's signature, with the client as first parameter and the result as the return type."""
        signature = inspect.signature(self._describe)
        (result,) = signature.return_annotation.__args__
        client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        return signature.replace(
            parameters=[client, *signature.parameters.values()],
            return_annotation=None if result is NoneType else result,
        )


class _Base(ABC, Generic[H]):
    """The base of the blocking and the async client.

    The names and values in `everywhere` are added to the query of every call. `credentials` are sent with
    HTTP Basic authentication unless they are empty. `_accept` is the value of the Accept header.
    """

    _accept: ClassVar[str] = "*/*"

    def __init__(
        self,
        make: Callable[..., H],
        base_url: str,
        credentials: str,
        everywhere: Pairs = (),
        *,
        http: H | None = None,
        timeout: float | None = None,
        deadline: float | None = 120.0,
        retries: int = 3,
        backoff: float = 0.5,
        max_answer: int = 100_000_000,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        **options: Unpack[_HTTPOptions],
    ) -> None:
        its_own = [*options, *(["transport"] if transport is not None else [])]
        if http is not None and its_own:
            raise TypeError(f"Set {', '.join(its_own)} on the http client that you pass")
        self._base_url = _address(base_url)
        if http is not None:
            _check_own(http, self._base_url)
        self._credentials = credentials
        self._everywhere = everywhere
        self.deadline = deadline
        self._retry = Retry(retries, backoff)
        self._max_answer = max_answer
        self._is_ours = http is None
        self._make: Callable[[], H] = partial(make, transport=transport, **options)
        self._http: H = self._make() if http is None else http
        self._is_closed = False
        self._home: object = None
        given = http is not None and timeout is None
        self._timeout: httpx.Timeout = self._http.timeout if given else httpx.Timeout(timeout or 30.0)

    @property
    def timeout(self) -> float:
        """The longest of httpx's timeouts, in seconds; infinite if any of them is switched off."""
        limits = self._timeout.as_dict().values()
        return max(float("inf") if limit is None else limit for limit in limits)

    @property
    def is_closed(self) -> bool:
        """Whether this client, or the http client that you passed, is closed.

        If it is, calls raise UnusableClient.
        """
        return self._is_closed or self._http.is_closed

    @abstractmethod
    def _here(self) -> object:
        """Return a value that identifies the current process or, for an async client, process and event loop.

        A connection can't be used in another process or event loop.
        """

    def _ready(self) -> H:
        """Return the http client. If it was made in another process or event loop, return a new one.

        Raises UnusableClient if the client is closed, or if you passed an http client that belongs to another
        process or event loop.
        """
        if self.is_closed:
            raise UnusableClient("The client is closed")
        here = self._here()
        if self._home is None:
            self._home = here
        elif self._home != here:
            if not self._is_ours:
                raise UnusableClient("The http client belongs to another process or event loop")
            # The other process or event loop keeps the old connections.
            self._http, self._home = self._make(), here
        return self._http

    def _reopen(self) -> None:
        if self._is_closed and self._is_ours:
            self._http, self._home, self._is_closed = self._make(), None, False

    def _whole(self, call: Call[T]) -> Call[T]:
        """Return the call, completed with what only the client knows, such as a token for the form."""
        return call

    def _request(self, http: H, call: Call[object], left: float | None) -> httpx.Request:
        query = encoded((*self._everywhere, *call.query))
        url = httpx.URL(f"{self._base_url}/{call.path}" + (f"?{query}" if query else ""))
        headers = {
            "Accept": self._accept,
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "tallyhook",
        }
        if self._credentials:
            headers["Authorization"] = f"Basic {self._credentials}"
        content = call.content
        if content is not None:
            headers["Content-Type"] = call.content_type
        timeouts = {
            name: left if limit is None or (left is not None and left < limit) else limit
            for name, limit in self._timeout.as_dict().items()
        }
        request = http.build_request(
            call.method, url, headers=headers, content=content, extensions={"timeout": timeouts}
        )
        if request.url != url:
            raise UnusableClient("The http client changes the address of a call")
        return request

    def _result(self, call: Call[T], answer: Answer | NoAnswer) -> T:
        if isinstance(answer, NoAnswer):
            _log.debug("%s: no answer", call.action)
            raise answer
        _log.debug("%s: %d", call.action, answer.status)
        try:
            return call.result(answer.status, bytes(answer.body))
        except APIError as error:
            refusal = error
        # The new exception is raised outside the `except` block, so that it isn't chained to the exception
        # with the unmasked message.
        message, aux_code, error_id = (
            said.replace(self._credentials, MASK) if self._credentials else said
            for said in (call.masked(refusal), refusal.aux_code, refusal.error_id)
        )
        raise type(refusal)(refusal.status, message, aux_code, error_id, refusal.customer, refusal.documented)


class BaseClient(_Base[httpx.Client]):
    """A blocking client for any billing system."""

    def __init__(
        self, base_url: str, credentials: str, everywhere: Pairs = (), **options: Unpack[Options]
    ) -> None:
        super().__init__(httpx.Client, base_url, credentials, everywhere, **options)
        self._home = self._here()

    def _here(self) -> object:
        return os.getpid()

    def send(self, call: Call[T]) -> T:
        """Send a call and return its result. The functions in the API's `calls` module make such calls."""
        call = self._whole(call)
        attempts = Attempts(call, self._retry, self.deadline)
        while True:
            with attempts.preparing():
                http = self._ready()
                request = self._request(http, call, attempts.left)
            answer: Answer | NoAnswer
            try:
                with unlogged():
                    response = http.send(request, stream=True, auth=None, follow_redirects=False)
                    try:
                        answer = Answer(response, self._max_answer, attempts.check)
                        for piece in response.iter_bytes():
                            answer.add(piece)
                    finally:
                        response.close()
            except (httpx.HTTPError, RuntimeError, TimeoutError) as error:
                answer = attempts.lost(error)
            pause = attempts.pause(answer)
            if pause is None:
                return self._result(call, answer)
            time.sleep(pause)

    def disconnect(self) -> None:
        """Close the connections. The next call opens new ones.

        An http client that you passed is left open.
        """
        if self._is_ours:
            # Replaced first, because other threads may call in the meantime.
            old, home = self._http, self._home
            self._http, self._home = self._make(), self._here()
            if home == self._here():
                old.close()

    def close(self) -> None:
        """Close the client. Later calls raise UnusableClient.

        An http client that you passed is left open. If you passed none, `with` opens the client again.
        """
        self._is_closed = True
        if self._is_ours and self._home == self._here():
            self._http.close()

    def __enter__(self) -> Self:
        self._reopen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BaseAsyncClient(_Base[httpx.AsyncClient]):
    """An async client for any billing system."""

    def __init__(
        self, base_url: str, credentials: str, everywhere: Pairs = (), **options: Unpack[AsyncOptions]
    ) -> None:
        super().__init__(httpx.AsyncClient, base_url, credentials, everywhere, **options)

    def _here(self) -> object:
        # Imported on the first call, because this import would slow down `import tallyhook`.
        from anyio.lowlevel import current_token

        return os.getpid(), current_token()

    async def send(self, call: Call[T], *, check: Callable[[], None] | None = None) -> T:
        """Send a call and return its result. The functions in the API's `calls` module make such calls.

        `check` is called before each attempt, including retries. If it raises an exception, the call ends
        with that exception.
        """
        import anyio

        call = self._whole(call)
        attempts = Attempts(call, self._retry, self.deadline)
        while True:
            with attempts.preparing():
                if check is not None:
                    check()
                http = self._ready()
                request = self._request(http, call, attempts.left)
            answer: Answer | NoAnswer
            try:
                with unlogged(), anyio.fail_after(attempts.left):
                    response = await http.send(request, stream=True, auth=None, follow_redirects=False)
                    try:
                        answer = Answer(response, self._max_answer, attempts.check)
                        async for piece in response.aiter_bytes():
                            answer.add(piece)
                    finally:
                        await response.aclose()
            except (httpx.HTTPError, RuntimeError, TimeoutError) as error:
                answer = attempts.lost(error)
            pause = attempts.pause(answer)
            if pause is None:
                return self._result(call, answer)
            await anyio.sleep(pause)

    async def disconnect(self) -> None:
        """Close the connections. The next call opens new ones, even in another event loop.

        An http client that you passed is left open.
        """
        if self._is_ours:
            # Replaced first, because other tasks may call in the meantime.
            old, home = self._http, self._home
            self._http, self._home = self._make(), None
            await self._let_go(old, home)

    async def aclose(self) -> None:
        """Close the client. Later calls raise UnusableClient.

        An http client that you passed is left open. If you passed none, `async with` opens this client again.
        """
        self._is_closed = True
        if self._is_ours:
            await self._let_go(self._http, self._home)

    async def _let_go(self, http: httpx.AsyncClient, home: object) -> None:
        if home in (None, self._here()):
            await http.aclose()

    async def __aenter__(self) -> Self:
        self._reopen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
