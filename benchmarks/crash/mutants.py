"""Mutants: our own code without one of its safeguards. The harness must find what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec

from tallyhook.cheddar.models import Customer
from tallyhook.review import apply
from tallyhook.review.compare import Changes
from tallyhook.review.journal import Adding, DeclaredCharge, Entry, encode
from tallyhook.review.ownership import Ledger
from tallyhook_receiver.inbox.sqlite import SQLiteInbox
from tallyhook_receiver.lease import Lease

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = {
    "no-journal": "nothing is written down, and nothing is known at the next attempt",
    "acknowledges-first": "a 200 goes out before the work is done",
    "lost-is-refused": "an answer that was lost is taken for a refusal",
    "before-ignored": "it counts for nothing which charges stood before",
    "nothing-read-back": "what was sent is taken to stand on the invoice",
    "no-lease-check": "a worker that stood still goes on after its lease",
    "foreign-entries": "any worker may write into a journal, and nothing checks the lease",
    "no-quantities": "charges are added, and quantities never set",
}

ASGIApp = Callable[..., Awaitable[None]]


class Mutant:
    """Changes the code into one of MUTANTS. An empty name changes nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        match name:
            case "nothing-read-back":
                _compare_once()
            case "before-ignored":
                _blind()
            case "no-lease-check":
                _never_check()
            case "foreign-entries":
                _never_check()
                SQLiteInbox.append = _append  # type: ignore[method-assign] # that is the alteration

    def inbox(self, inbox: Any) -> Any:
        return _Forgetful(inbox) if self.name == "no-journal" else inbox

    def network(self, network: httpx.AsyncBaseTransport, timeout: float) -> httpx.AsyncBaseTransport:
        return _NeverLeft(network, timeout) if self.name == "lost-is-refused" else network

    def door(self, app: ASGIApp) -> ASGIApp:
        return _hasty(app) if self.name == "acknowledges-first" else app


class _Forgetful:
    def __init__(self, inbox: Any) -> None:
        self._inbox = inbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    async def append(self, key: str, owner: str, entry: Entry) -> None: ...

    async def entries(self, key: str) -> Sequence[Entry]:
        return ()


def _never_check() -> None:
    Lease.check = lambda self: None  # type: ignore[method-assign] # that is the alteration


async def _append(self: SQLiteInbox, key: str, owner: str, entry: Entry) -> None:
    """Append an entry to the journal like the real method, but without checking the owner."""
    line = (key, key, 0.0, encode(entry))
    await self._commits.run(
        lambda connection: connection.execute(
            "INSERT INTO journal SELECT ?, (SELECT count(*) FROM journal WHERE key = ?), ?, ?", line
        )
    )


def _blind() -> None:
    adding = Ledger.adding

    def blank(self: Ledger, charge: DeclaredCharge, document: Customer, at: datetime, mark: str) -> Adding:
        return msgspec.structs.replace(adding(self, charge, document, at, mark), before=())

    Ledger.adding = blank  # type: ignore[method-assign] # that is the alteration


def _compare_once() -> None:
    """Change the review so that only the first comparison of an attempt finds changes.

    Later comparisons, and all comparisons of a second look, find nothing to do.
    """
    compare = apply.Application._compare

    def once(self: Any, *, awaits: bool = True) -> Changes:
        changes = compare(self, awaits=awaits)
        if self.is_second_look or getattr(self, "has_compared", False):
            return msgspec.structs.replace(changes, changes=())
        self.has_compared = True
        return changes

    apply.Application._compare = once  # type: ignore[method-assign] # that is the alteration


class _NeverLeft(httpx.AsyncBaseTransport):
    """A transport that reports every failure as if no connection had been made and nothing was sent."""

    def __init__(self, network: httpx.AsyncBaseTransport, timeout: float) -> None:
        self._network = network
        self._timeout = timeout

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._network.handle_async_request(request)
        except (httpx.TransportError, TimeoutError) as error:
            raise httpx.ConnectError("never left") from error


def _hasty(app: ASGIApp) -> ASGIApp:
    """Return an application that answers 200 as soon as it has the body, and does the work afterwards."""
    tasks: set[asyncio.Task[None]] = set()

    async def door(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        message = await receive()

        async def once() -> Any:
            return message

        async def nowhere(message: Any) -> None: ...

        task = asyncio.ensure_future(app(scope, once, nowhere))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return door
