"""Answer a request: verify its signature, read the hook, and wait for the attempt to handle the hook."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tallyhook.errors import DecodeError
from tallyhook.signing.scheme import header
from tallyhook_receiver import responses
from tallyhook_receiver.allowlist import Allowlist
from tallyhook_receiver.attempt import Attempt, Context
from tallyhook_receiver.errors import InboxUnavailable, OptionError, WrongSource
from tallyhook_receiver.handlers import Handlers, Registered
from tallyhook_receiver.inbox import Letter, State
from tallyhook_receiver.logs import log_hook
from tallyhook_receiver.observer import Observers
from tallyhook_receiver.options import Options
from tallyhook_receiver.responses import RETRY_AFTER, Response, later
from tallyhook_receiver.sources import Event, Source, UnsignedSource
from tallyhook_receiver.sources.source import body_key, inbox_key

log = logging.getLogger("tallyhook.receiver")


class Intake:
    """Answers requests. Each hook has at most one attempt at a time.

    `context` opens the inbox if necessary, and returns the `Context` that all attempts share. It may raise
    InboxUnavailable. While `is_closing` returns True, new hooks get a 503.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        handlers: Handlers,
        context: Callable[[], Awaitable[Context]],
        is_closing: Callable[[], bool],
        observers: Observers,
        options: Options,
    ) -> None:
        senders, trusted_proxies = options["senders"], options["trusted_proxies"]
        unsigned = [source for source in sources if isinstance(source, UnsignedSource)]
        if senders is None and trusted_proxies and not unsigned:
            raise OptionError(
                "trusted_proxies", "trusted_proxies has no effect without senders or an unsigned source"
            )
        self._signing = [source for source in sources if source not in unsigned]
        self._unsigned = [(source, Allowlist(source.networks, trusted_proxies)) for source in unsigned]
        self._handlers = handlers
        self._context = context
        self._is_closing = is_closing
        self._observers = observers
        self._senders = Allowlist(senders, trusted_proxies)
        self.max_body = options["max_body"]
        self._max_age = options["max_age"]
        self._answer_within = options["answer_within"]
        self._clock = options["clock"]
        self._running: dict[str, tuple[Attempt, asyncio.Task[Response]]] = {}

    def open(self) -> None:
        """Forget the attempts of an earlier event loop, because they will never end."""
        loop = asyncio.get_running_loop()
        self._running = {k: r for k, r in self._running.items() if r[1].get_loop() is loop}

    async def close(self, within: float) -> None:
        """Wait up to `within` seconds for running attempts, then cancel those that are still running."""
        loop = asyncio.get_running_loop()
        if running := {task for _, task in self._running.values() if task.get_loop() is loop}:
            _, late = await asyncio.wait(running, timeout=within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def precheck(self, method: str, headers: Mapping[str, str], peer: str | None) -> Response | None:
        """Check a request before its body is read. Returns a response if the request is refused, else None.

        `peer` is the address that connected to the server, or None if the server doesn't know it.
        """
        if method.upper() != "POST":
            return self.refused(responses.WRONG_METHOD)
        if not self._senders.allows(peer, header(headers, "x-forwarded-for")):
            return self.refused(responses.NOT_A_SENDER)
        if (announced_length(headers) or 0) > self.max_body:
            return self.refused(responses.TOO_LARGE)
        return None

    def refused(self, response: Response) -> Response:
        """Log a response that refuses a request, tell the observers, and return the response."""
        log.warning("a request was refused with %d", response.status, extra={"status": response.status})
        self._observers.tell(lambda observer: observer.refused(response))
        return response

    async def receive(self, headers: Mapping[str, str], body: bytes, peer: str | None) -> Response:
        """Return the response to a request that has passed `precheck`. Header names must be in lower case.

        The response is a 2xx only if the hook's work is done, if the hook has no handler, or if its invoice
        was postponed, in which case another hook will follow. This method never raises an exception, whatever
        the input is.
        """
        if len(body) > self.max_body:
            return self.refused(responses.TOO_LARGE)
        signers = self._signers(headers, body, peer)
        if not signers:
            return self.refused(responses.BAD_SIGNATURE)
        began = time.perf_counter()
        with self._observers.around(lambda observer: observer.request(headers)):
            response = await self._read(signers, headers, body)
            seconds = time.perf_counter() - began
            self._observers.tell(lambda observer: observer.answered(response, seconds))
        return response

    def _signers(self, headers: Mapping[str, str], body: bytes, peer: str | None) -> list[Source]:
        """Return the sources that signed the request.

        If no source signed the request, returns the unsigned sources whose networks contain the sender's
        address.

        Tries every signing source, so that the response time doesn't reveal which source signed.
        """
        if signers := [source for source in self._signing if _signed(source, headers, body)]:
            return signers
        forwarded = header(headers, "x-forwarded-for")
        near = [source for source, networks in self._unsigned if networks.allows(peer, forwarded)]
        return [source for source in near if _signed(source, headers, body)]

    async def _read(self, signers: Sequence[Source], headers: Mapping[str, str], body: bytes) -> Response:
        """Read the hook, have it handled, and return the response.

        `signers` are the sources whose keys fit the signature. The source that the body names must be one of
        them, because a product's key is not valid for another product.
        """
        if self._is_closing():
            return later(RETRY_AFTER, "closing")
        for source in signers:
            try:
                event, letter = self._event(source, headers, body)
            except WrongSource as error:
                log.warning("a hook was refused: %s", error)
            except DecodeError as error:
                return await self._keep_undecodable(source, body, str(error))
            except Exception as error:
                # This exception comes from a user's own source, and may contain parts of the body.
                log.error("source %s can't read a hook: %s", source.name, type(error).__name__)
                why = "".join(traceback.format_exception_only(error)).strip()
                return await self._keep_undecodable(source, body, why)
            else:
                return await self._take(source, event, letter)
        log.warning("a request was refused with %d", 401, extra={"status": 401})
        return responses.BAD_SIGNATURE

    def _event(self, source: Source, headers: Mapping[str, str], body: bytes) -> tuple[Event[object], Letter]:
        """Read a hook, and return its event and what the inbox keeps of it.

        Raises any exception that the source raises, and TypeError for an event that can't be handled.
        """
        event = source.read(headers, body)
        if not isinstance(event.type, str):
            raise TypeError(f"an event's type must be str, not {type(event.type).__name__}")
        if self._max_age is not None and event.at is not None and event.at.tzinfo is None:
            raise TypeError("an event's time must be aware, because the receiver has a max_age")
        key = inbox_key(source.name, event.key)
        return event, Letter(key=key, product=source.name, type=event.type, body=body)

    async def _keep_undecodable(self, source: Source, body: bytes, why: str) -> Response:
        key = inbox_key(source.name, body_key(body))
        letter = Letter(key=key, product=source.name, type="", body=body)
        try:
            context = await self._context()
            await context.inbox.keep(letter, State.UNDECODABLE, why)
        except InboxUnavailable as error:
            return _no_inbox(letter, error)
        log_hook(logging.ERROR, letter, "undecodable, kept in the inbox")
        return responses.UNDECODABLE

    async def _take(self, source: Source, event: Event[object], letter: Letter) -> Response:
        try:
            context = await self._context()
            handler = self._handlers.find(source, event.type)
            if handler is None:
                await context.inbox.keep(letter, State.IGNORED)
                # Look only now, because another worker may have begun it a moment ago.
                record = await context.inbox.get(letter.key)
                is_done = record is not None and (record.state, record.body) == (State.DONE, letter.body)
                if record is not None and record.attempts > 0 and not is_done:
                    log_hook(logging.ERROR, letter, "it was begun, but this receiver has no handler for it")
                    return responses.FAILED
                return responses.IGNORED
            if self._is_old(event):
                record = await context.inbox.get(letter.key)
                # An old hook is handled anyway if it was attempted before, or if an operator retried it.
                if record is None or (record.attempts == 0 and record.state is not State.WAITING):
                    note = f"too old: max_age is {self._max_age}"
                    await context.inbox.keep(letter, State.FAILED, note)
                    log_hook(logging.ERROR, letter, "too old, kept in the inbox")
                    return responses.TOO_OLD
        except InboxUnavailable as error:
            return _no_inbox(letter, error)
        return await self._join(context, source, event, letter, handler)

    def _is_old(self, event: Event[object]) -> bool:
        """Return whether an event is older than `max_age`.

        If there is a `max_age`, an event without a date is treated as too old.
        """
        return self._max_age is not None and (event.at is None or self._clock() - event.at > self._max_age)

    async def _join(
        self, context: Context, source: Source, event: Event[object], letter: Letter, handler: Registered
    ) -> Response:
        """Wait for the attempt at this hook, and return the response. Starts an attempt if none is running.

        If the attempt takes longer than `answer_within`, the response is a 503, and the attempt continues.
        """
        if self._is_closing():  # the receiver may have begun to close since the request arrived
            return later(RETRY_AFTER, "closing")
        key = letter.key
        attempt, task = self._running.get(key, (None, None))
        if attempt is None or task is None or task.done():  # a done task here was canceled before it began
            event = msgspec.structs.replace(event, source=source.name)
            attempt = Attempt(context, source, event, letter, handler)
            task = asyncio.create_task(attempt.run())
            self._running[key] = attempt, task
            task.add_done_callback(lambda ended: self._forget(key, ended))
        elif attempt.letter.body != letter.body:
            return later(self._answer_within, "another body of it is being handled")
        done, _ = await asyncio.wait({task}, timeout=self._answer_within)
        if not done or task.cancelled():
            return later(self._answer_within, "in progress")
        return task.result()

    def _forget(self, key: str, task: asyncio.Task[Response]) -> None:
        if self._running.get(key, (None, None))[1] is task:
            del self._running[key]


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Return the length of the body that a request announces, or None if it announces none.

    A length with over 20 digits is cut to 20, because Python refuses to parse very long numbers.
    """
    announced = header(headers, "content-length")
    return int(announced.lstrip("0")[:20] or "0") if announced.isdecimal() else None


def _signed(source: Source, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        return source.verify(headers, body) is True
    except Exception as error:  # from a user's own source
        log.error("source %s can't verify a request: %s", source.name, type(error).__name__)
        return False


def _no_inbox(letter: Letter, error: InboxUnavailable) -> Response:
    log_hook(logging.ERROR, letter, f"the inbox is unavailable: {error}", is_kept=False)
    return later(RETRY_AFTER, "no inbox")
