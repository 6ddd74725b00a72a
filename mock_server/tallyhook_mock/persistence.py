"""Lets a mock survive a restart: records what it does in a journal, and replays the journal."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyhook_mock.core.hooks import Attempt, Delivery
from tallyhook_mock.journal import Journal, Record
from tallyhook_mock.middleware import Aim, buffered
from tallyhook_mock.snapshot import pack

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = ["Persistence"]

_LONGEST_BODY = 5_000_000  # bytes; no API accepts a longer body
_SHOWN = (
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "root_path",
    "headers",
)


class Persistence:
    """Records a mock's actions in its journal. If the mock has no journal, the methods do nothing."""

    def __init__(self, mock: "Mock", journal: Journal | None) -> None:
        self._mock = mock
        self._journal = journal
        self._apps: dict[str, ASGIApp] = {}  # the applications whose calls are recorded, by name
        self._is_replaying = False
        self._generation = 0

    def record(self, kind: str, content: object = None) -> None:
        """Record an action before it is carried out.

        The action's effect must depend only on the record and the mock's state, so that it can be replayed.
        """
        if self._journal is not None and not self._is_replaying:
            clock = self._mock.clock
            # Everything in this turn of the event loop happens at the recorded moment.
            clock.hold()
            asyncio.get_running_loop().call_soon(clock.let_go)
            self._journal.append(Record(kind, clock.now(), clock.offset, content))

    def recorded(self, app: ASGIApp, name: str, is_recorded: Callable[[Scope], bool]) -> ASGIApp:
        """Return `app`, wrapped so that its calls are recorded before they are carried out.

        `is_recorded` tells whether to record a call. A recorded call is answered only once its record is on
        the disk. Other calls also wait for the earlier records, because their answers may show changes that
        are not on the disk yet.
        """
        journal = self._journal
        if journal is None:
            return app
        self._apps[name] = app

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def late(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await journal.durable()
                await send(message)

            if not is_recorded(scope):
                await app(scope, receive, late)
                return
            body, is_whole, again = await buffered(receive, _LONGEST_BODY)
            if is_whole:
                shown = {key: scope[key] for key in _SHOWN if key in scope}
                ends = {key: list(scope[key]) for key in ("client", "server") if scope.get(key)}
                self.record("call", (name, shown | ends, body))
            await app(scope, again, late)

        return noted

    async def flush(self) -> None:
        """Wait until every record is on the disk, then replace a long log with a snapshot.

        May raise OSError.
        """
        if self._journal is not None:
            await self._journal.durable()
            if self._journal.is_long:
                await self.checkpoint()

    async def checkpoint(self) -> None:
        """Write a new snapshot, and empty the log."""
        if self._journal is None:
            return
        await self._journal.settle()
        self._generation += 1
        mock = self._mock
        kept = {"generation": self._generation, "token": mock.form_token, "snapshots": mock.snapshots}
        self._journal.begin(pack(mock.world() | kept), self._generation)

    async def recover(self) -> None:
        """Load the snapshot, then replay the log, with the clock set to the time of each record."""
        if self._journal is None:
            return
        mock, saved = self._mock, self._journal.saved
        if saved is not None:
            mock.load(saved)
            self._generation, mock.snapshots = saved["generation"], saved["snapshots"]
            mock.form_token = saved["token"]
            self._is_replaying = True
            last = None
            for last in self._journal.records:
                mock.clock.set(last.at, None)
                await self._redo(last)
            if last is not None:
                mock.clock.set(last.at, last.offset)
            self._is_replaying = False
            self._journal.saved, self._journal.records = None, []
            mock.state.hooks.put_back_all()
            mock.stir()
        await self.checkpoint()

    async def close(self) -> None:
        """Write a last snapshot, and release the files."""
        await self.checkpoint()
        if self._journal is not None:
            self._journal.close()

    async def _redo(self, record: Record) -> None:
        content, mock = record.content, self._mock
        match record.kind:
            case "step":
                mock.step()
            case "due":
                mock.deliveries.take_due()
            case "carry":
                mock.deliveries.prepare(self._delivery(*content))
            case "attempts":
                hook, delivery, attempts = content
                made = msgspec.convert(attempts, list[Attempt])
                mock.deliveries.report(self._delivery(hook, delivery), made)
            case "strike":
                mock.strike(Aim(*content))
            case "call":
                await self._call_again(*content)

    def _delivery(self, hook: int, delivery: int) -> Delivery:
        return next(each for each in self._mock.state.hooks.log[hook].deliveries if each.id == delivery)

    async def _call_again(self, name: str, shown: dict[str, Any], body: bytes) -> None:
        """Carry out a recorded call again, and discard its answer."""
        ends = {key: tuple(shown[key]) for key in ("client", "server") if key in shown}
        headers = [(key, value) for key, value in shown["headers"]]
        scope = shown | ends | {"headers": headers, "asgi": {"version": "3.0"}, "extensions": {}}
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(messages, {"type": "http.disconnect"})

        async def send(_: Message) -> None:
            return

        await self._apps[name](scope, receive, send)
