"""The health check, for load balancers, orchestrators and monitors."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import Inbox
from tallyhook_receiver.responses import Response, json_response

log = logging.getLogger("tallyhook.receiver")

# A result is reused for this many seconds, since anyone may request a check and each one writes to the inbox.
_FRESH = 1.0


def _answer(status: int, word: str) -> Response:
    return json_response(status, "health", word, ("Cache-Control", "no-store"))


_WELL = _answer(200, "ok")
_NO_INBOX = _answer(503, "no inbox")  # the log has the reason, which may name hosts and paths
_NO_CLIENT = _answer(503, "no client")
_CLOSING = _answer(503, "closing")


class Health:
    """Checks whether the inbox and the clients can be used, at most once a second.

    A GET request is a health check if its path ends with `path`. If `path` is None, there are no health
    checks. `opened` returns the open inbox, and may raise InboxUnavailable. `broken` returns the names of the
    sources whose client is closed. `is_closing` returns whether the receiver is closing.
    """

    def __init__(
        self,
        path: str | None,
        opened: Callable[[], Awaitable[Inbox]],
        broken: Callable[[], Sequence[str]],
        is_closing: Callable[[], bool],
    ) -> None:
        self._path = path
        self._opened = opened
        self._broken = broken
        self._is_closing = is_closing
        self._look: asyncio.Task[Response] | None = None
        self._looked = 0.0

    def is_asked(self, method: str, path: str) -> bool:
        """Return whether this request is a health check."""
        return method in ("GET", "HEAD") and self._path is not None and path.endswith(self._path)

    async def answer(self) -> Response:
        """Return a response with status 200 if the inbox can be read and written and no client is closed.

        Otherwise, return a response with status 503 that gives the reason in a word or two.
        """
        if self._is_closing():
            return _CLOSING
        if self._look is None or self._is_stale(self._look):
            self._look = asyncio.create_task(self._try())
        return await asyncio.shield(self._look)

    def _is_stale(self, look: asyncio.Task[Response]) -> bool:
        if look.done():
            return look.cancelled() or time.monotonic() - self._looked > _FRESH
        return look.get_loop() is not asyncio.get_running_loop()

    async def _try(self) -> Response:
        try:
            inbox = await self._opened()
            await inbox.check()
        except InboxUnavailable as error:
            log.error("not healthy: the inbox is unavailable: %s", error)
            return _NO_INBOX
        finally:
            self._looked = time.monotonic()
        if broken := self._broken():
            log.error("not healthy: the client of %s is closed", " and ".join(broken))
            return _NO_CLIENT
        return _WELL
