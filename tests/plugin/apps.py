"""Listeners as users have them: a receiver with an audit, and small applications that do one thing."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tallyhook import AsyncClient
from tallyhook.review import Review
from tallyhook_mock.testing import Cheddar
from tallyhook_receiver import Cheddar as CheddarHooks
from tallyhook_receiver import Receiver

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def auditing(cheddar: Cheddar, client: AsyncClient, used: int = 508) -> Receiver:
    """A receiver that bills what was used, and gives 2.00 back."""
    receiver = Receiver(CheddarHooks(cheddar.product, cheddar.secret, client), inbox=":memory:")

    @receiver.review
    async def audit(review: Review) -> None:
        review.set_quantity("GB", used)
        review.credit("SORRY", "2.00", "slow on the 16th")

    return receiver


def asgi(work: Callable[[dict[str, Any]], Awaitable[int]]) -> Any:
    """An ASGI application without a lifespan: `work` is told the hook and gives the status."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = (await receive())["body"]
        status = await work(json.loads(body))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def wsgi(work: Callable[[dict[str, Any]], str]) -> Wsgi:
    """A WSGI application: `work` is told the hook and gives the status line."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        hook = json.loads(environ["wsgi.input"].read())
        start_response(work(hook), [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    return app
