"""`/_mock/clock` and `/_mock/reset`: read the clock, move it, start over."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table, known
from tallyhook_mock.clock import Clock, Mode, parse_moment
from tallyhook_mock.control.requests import bad, mock_of, takes
from tallyhook_mock.duration import parse_duration

__all__ = ["ROUTES"]


class ClockTable(Table):
    """A change to the clock. Exactly one of the three fields is required."""

    advance: Required | None = None
    to: Required | None = None
    mode: Mode | None = None


async def read(request: Request) -> JSONResponse:
    return JSONResponse(_shown(mock_of(request).clock))


@takes(ClockTable)
async def change(request: Request, wish: ClockTable) -> JSONResponse:
    """Move the clock by the duration `advance` or to the moment `to`, or set its `mode`.

    Exactly one of the three is required. The answer comes once everything that is due has been done.
    """
    mock = mock_of(request)
    if [wish.advance, wish.to, wish.mode].count(None) != 2:
        raise bad(f"exactly one of {', '.join(known(ClockTable))} is required")
    try:
        if wish.mode is not None:
            mock.switch(wish.mode)
            return JSONResponse(_shown(mock.clock))
        to = parse_moment(wish.to) if wish.to is not None else parse_duration(wish.advance or "")
        happened = await mock.advance(to)
    except ValueError as error:
        raise bad(str(error)) from None
    return JSONResponse({**_shown(mock.clock), "events": happened})


async def reset(request: Request) -> JSONResponse:
    mock = mock_of(request)
    await mock.reset()
    return JSONResponse(_shown(mock.clock))


def _shown(clock: Clock) -> dict[str, str]:
    return {"now": clock.now().isoformat(), "mode": clock.mode}


ROUTES = [
    Route("/clock", read, methods=["GET"]),
    Route("/clock", change, methods=["POST"]),
    Route("/reset", reset, methods=["POST"]),
]
