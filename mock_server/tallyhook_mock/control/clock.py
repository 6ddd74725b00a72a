"""`/_mock/clock` and `/_mock/reset`: looking at the time, moving it, starting over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.clock import Clock, Mode, parse_moment
from tallyhook_mock.control.requests import bad, json_object, mock_of, only, text
from tallyhook_mock.duration import Duration, parse_duration

__all__ = ["ROUTES"]

_WAYS = ("advance", "to", "mode")


async def read(request: Request) -> JSONResponse:
    return JSONResponse(_shown(mock_of(request).clock))


async def change(request: Request) -> JSONResponse:
    """One of `advance` (a duration), `to` (a moment), `mode`; answered when all that is due is done."""
    mock = mock_of(request)
    wish = await json_object(request)
    only(wish, _WAYS)
    if len(wish) != 1:
        raise bad(f"exactly one of {', '.join(_WAYS)} is required")
    try:
        if "mode" in wish:
            mock.switch(Mode(text(wish, "mode")))
            return JSONResponse(_shown(mock.clock))
        happened = await mock.advance(_target(wish))
    except ValueError as error:
        raise bad(str(error)) from None
    return JSONResponse({**_shown(mock.clock), "events": happened})


async def reset(request: Request) -> JSONResponse:
    mock = mock_of(request)
    await mock.reset()
    return JSONResponse(_shown(mock.clock))


def _target(wish: Mapping[str, Any]) -> datetime | Duration:
    if "to" in wish:
        return parse_moment(text(wish, "to"))
    return parse_duration(text(wish, "advance"))


def _shown(clock: Clock) -> dict[str, str]:
    return {"now": clock.now().isoformat(), "mode": clock.mode}


ROUTES = [
    Route("/clock", read, methods=["GET"]),
    Route("/clock", change, methods=["POST"]),
    Route("/reset", reset, methods=["POST"]),
]
