"""Server-sent events that only say that something has changed. The page then reloads its parts."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from tallyhook_mock.connection import closing
from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.mock import Mock

__all__ = ["stream"]

# Real seconds: the pause after an event, and the silence before a keep-alive comment.
_PAUSE = 0.15
_SILENCE = 15.0


async def stream(request: Request) -> StreamingResponse:
    """The stream. It starts with an event, for changes while the page was not connected."""
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
                    # Many changes come at once while the clock is moved. One event covers them all.
                    await asyncio.wait((end,), timeout=_PAUSE)
                else:
                    yield ": still here\n\n"
            finally:
                news.cancel()
    finally:
        end.cancel()
