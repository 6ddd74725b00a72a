"""Server-sent events that tell open pages that something has changed, so that they reload."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tallyhook_mock.connection import closing
from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.mock import Mock

__all__ = ["stream"]

# Real seconds: the shortest time between two events, and the silence after which a comment is sent.
_PAUSE = 0.15
_SILENCE = 15.0


async def stream(request: Request) -> StreamingResponse:
    """Stream an event for every change.

    The first event is sent at once, so that the page shows what changed while it was not connected.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(mock_of(request), asyncio.ensure_future(closing(request.scope))),
        headers=headers,
        media_type="text/event-stream",
    )


async def _events(mock: Mock, end: asyncio.Future[None]) -> AsyncIterator[str]:
    count = mock.notifier.count
    try:
        yield f"retry: 1000\nid: {count}\ndata: changed\n\n"
        while not end.done():
            news = asyncio.ensure_future(mock.notifier.after(count))
            try:
                await asyncio.wait((news, end), timeout=_SILENCE, return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    count = news.result()
                    yield f"id: {count}\ndata: changed\n\n"
                    # Moving the clock causes many changes at once. One event for all of them is enough.
                    await asyncio.wait((end,), timeout=_PAUSE)
                else:
                    yield ": still here\n\n"
            finally:
                news.cancel()
    finally:
        end.cancel()
