"""`python -m benchmarks.mock.bare PORT`: serve a minimal route that answers calls, with uvicorn."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["app"]


async def _answer(request: Request) -> Response:
    await request.body()
    return Response('<?xml version="1.0" encoding="UTF-8"?>\n<success/>', media_type="text/xml")


app = Starlette(routes=[Route("/xml/{call:path}", _answer, methods=["GET", "POST"])])


if __name__ == "__main__":
    config = uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", access_log=False, ws="none")
    uvicorn.Server(config).run()
