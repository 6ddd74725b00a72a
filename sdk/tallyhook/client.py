"""The two clients: thin twins around the calls.

Both get their methods from one list, and each method its signature, text and reading from `tallyhook.calls`.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import re
import time
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from types import NoneType, TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload
from urllib.parse import urlencode

import httpx

from tallyhook import calls, documents
from tallyhook.calls import Call
from tallyhook.errors import APIError, NoAnswer
from tallyhook.inputs import MASK, Pairs, is_secret
from tallyhook.retry import Retry

P = ParamSpec("P")
T = TypeVar("T")

BASE_URL = "https://getcheddar.com/xml"

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


class Method(Generic[P, T]):
    """A call as a method: on `Client` it returns the result, on `AsyncClient` it is awaited for it.

    On the class it is the function of `tallyhook.calls` itself.
    """

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        self._describe = describe
        # The result, where the function that describes the call returns a Call of it.
        signature = inspect.signature(describe)
        (result,) = signature.return_annotation.__args__
        self._signature = signature.replace(return_annotation=None if result is NoneType else result)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Call[T]]: ...
    @overload
    def __get__(self, client: Client, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Client | AsyncClient | None, owner: type) -> Callable[P, Any]:
        if client is None:
            return self._describe
        send: Callable[[Call[T]], Any] = client.send

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return send(self._describe(*args, **kwargs))

        update_wrapper(method, self._describe)
        vars(method)["__signature__"] = self._signature
        return method


class _Account:
    """What both clients share: the methods, the product, and what surrounds a call on its way."""

    get_plans = Method(calls.get_plans)
    get_plan = Method(calls.get_plan)
    new_plan = Method(calls.new_plan)
    edit_plan = Method(calls.edit_plan)
    delete_plan = Method(calls.delete_plan)
    get_promotions = Method(calls.get_promotions)
    get_promotion = Method(calls.get_promotion)
    get_customers = Method(calls.get_customers)
    search_customers = Method(calls.search_customers)
    get_customer = Method(calls.get_customer)
    new_customer = Method(calls.new_customer)
    import_customers = Method(calls.import_customers)
    edit = Method(calls.edit)
    edit_customer = Method(calls.edit_customer)
    edit_subscription = Method(calls.edit_subscription)
    cancel = Method(calls.cancel)
    delete_customer = Method(calls.delete_customer)
    delete_all_customers = Method(calls.delete_all_customers)
    paypal_revert = Method(calls.paypal_revert)
    add_item_quantity = Method(calls.add_item_quantity)
    remove_item_quantity = Method(calls.remove_item_quantity)
    set_item_quantity = Method(calls.set_item_quantity)
    add_charge = Method(calls.add_charge)
    delete_charge = Method(calls.delete_charge)
    new_invoice = Method(calls.new_invoice)
    run_outstanding = Method(calls.run_outstanding)
    refund = Method(calls.refund)
    void = Method(calls.void)
    void_or_refund = Method(calls.void_or_refund)
    send_email = Method(calls.send_email)

    def __init__(
        self,
        product_code: str | None,
        product_id: str | None,
        base_url: str,
        remote_address: str | None,
        retry: Retry,
    ) -> None:
        if not product_code and not product_id:
            raise ValueError("A client needs a product_code or a product_id")
        named = (("productCode", product_code), ("productId", product_id), ("remoteAddress", remote_address))
        self._everywhere: Pairs = tuple((name, value) for name, value in named if value)
        self._base_url = base_url.rstrip("/")
        self._retry = retry

    def _request(self, http: httpx.Client | httpx.AsyncClient, call: Call[object]) -> httpx.Request:
        url = f"{self._base_url}/{call.action}?{urlencode(self._everywhere + call.query)}"
        if call.method == "GET":
            return http.build_request("GET", url)
        # httpx would encode a mapping, but a form may have one name twice.
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return http.build_request("POST", url, content=urlencode(call.form), headers=headers)

    def _pause(self, call: Call[object], attempt: int, answer: httpx.Response | NoAnswer) -> float | None:
        """Seconds until the next attempt; None when this answer is the one to take."""
        if not call.repeatable:
            return None
        if isinstance(answer, NoAnswer):
            return self._retry.pause(attempt)
        if answer.status_code in _TRANSIENT:
            return self._retry.pause(attempt, answer.headers.get("Retry-After"))
        return None


class Client(_Account):
    """Cheddar's API for one product.

        with Client("ACME", "ops@example.com", "password") as client:
            client.set_item_quantity("C1", "GB", Decimal("12.5"))

    Arguments that are a `str` name a customer, a plan or an item by its code and an invoice by its
    number; wrap an id as `Id("…")`, or pass the model.

    Args:
        product_code: may be None if `product_id` is given.
        user: the email of a user of the product.
        password: theirs, or their API key.
        timeout: in seconds, for each of connecting, sending and every wait for more of the answer.
        retries: how often a repeatable call is tried again after a lost connection, a 502 or a 503.
        backoff: seconds before the first of these; they double.
        remote_address: the IPv4 address of the person on whose behalf the calls are made.
        transport: of httpx, for tests and special networks.

    All calls raise APIError (by status), NoAnswer or DecodeError, all of them under `tallyhook.Error`.
    Whom a call is about stands in its URL, and httpx logs URLs at level INFO: quiet the logger `httpx` if
    customers' codes are personal. The logger `tallyhook` names only actions and statuses.
    """

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        retries: int = 3,
        backoff: float = 0.5,
        remote_address: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(product_code, product_id, base_url, remote_address, Retry(retries, backoff))
        self._http = httpx.Client(auth=(user, password), timeout=timeout, transport=transport)

    def send(self, call: Call[T]) -> T:
        """Send a call that was described with `tallyhook.calls`, and read its answer."""
        answer: httpx.Response | NoAnswer
        maybe_applied = False
        for attempt in itertools.count():
            try:
                answer = self._http.send(self._request(self._http, call))
            except httpx.RequestError as error:
                maybe_applied |= _may_have_arrived(error)
                answer = NoAnswer(_described(error), maybe_applied)
            pause = self._pause(call, attempt, answer)
            if pause is None:
                break
            time.sleep(pause)
        return _result(call, answer)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Account):
    """`Client` for asyncio: the same arguments and the same methods, to be awaited."""

    def __init__(
        self,
        product_code: str | None,
        user: str,
        password: str,
        *,
        product_id: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        retries: int = 3,
        backoff: float = 0.5,
        remote_address: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(product_code, product_id, base_url, remote_address, Retry(retries, backoff))
        self._http = httpx.AsyncClient(auth=(user, password), timeout=timeout, transport=transport)

    async def send(self, call: Call[T], *, check: Callable[[], None] | None = None) -> T:
        """Send a call that was described with `tallyhook.calls`, and read its answer.

        `check` is asked each time before it is sent, also when it is tried again; what it raises ends it.
        """
        answer: httpx.Response | NoAnswer
        maybe_applied = False
        for attempt in itertools.count():
            if check is not None:
                check()
            try:
                answer = await self._http.send(self._request(self._http, call))
            except httpx.RequestError as error:
                maybe_applied |= _may_have_arrived(error)
                answer = NoAnswer(_described(error), maybe_applied)
            pause = self._pause(call, attempt, answer)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return _result(call, answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _may_have_arrived(error: httpx.RequestError) -> bool:
    return not isinstance(error, _NEVER_LEFT)


def _described(error: httpx.RequestError) -> str:
    # Not chained: the error of httpx holds the request, and that may hold a card.
    return f"no answer: {type(error).__name__}" + (f" ({error})" if str(error) else "")


def _result(call: Call[T], answer: httpx.Response | NoAnswer) -> T:
    if isinstance(answer, NoAnswer):
        _log.debug("%s: no answer", call.action)
        raise answer
    _log.debug("%s: %d", call.action, answer.status_code)
    if answer.is_success:
        try:
            return call.read(answer.content)
        except APIError as error:
            refusal = error
    else:
        refusal = documents.refusal(answer.status_code, answer.content)
    # Raised out here so that no other exception hangs on it with the message as it was.
    raise _masked(call, refusal)


def _masked(call: Call[object], error: APIError) -> APIError:
    """The error without the call's secrets: Cheddar quotes a bad card number (documented)."""
    message = error.message
    for name, value in call.form:
        if is_secret(name):
            for spelling in (value, re.sub(r"\D", "", value)):
                if len(spelling) > 2:
                    message = message.replace(spelling, MASK)
    if is_secret(error.field):
        message = re.sub("'.*'", f"'{MASK}'", message)
    return type(error)(error.status, message, error.aux_code, error.error_id, error.customer)
