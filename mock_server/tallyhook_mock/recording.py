"""Calls in the journal: ASGI behind the faults of a face and in front of what it does."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyhook_mock.journal import Journal

__all__ = ["call_again", "recorded"]

_MOST = 5_000_000  # bytes of a body; no face takes as many
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


def recorded(
    app: ASGIApp,
    name: str,
    journal: Journal,
    record: Callable[[str, object], None],
    is_recorded: Callable[[Scope], bool],
) -> ASGIApp:
    """An application whose calls are noted before they are done, and answered when the note is on the disk.

    The others are answered late too: what they show may be new.
    """

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        async def late(message: Message) -> None:
            if message["type"] == "http.response.start":
                await journal.durable()
            await send(message)

        if not is_recorded(scope):
            await app(scope, receive, late)
            return
        messages, body = [], b""
        while len(body) <= _MOST:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        kept = iter(messages)

        async def again() -> Message:
            message = next(kept, None)
            return await receive() if message is None else message

        if len(body) <= _MOST and messages[-1]["type"] == "http.request":
            shown = {key: scope[key] for key in _SHOWN if key in scope}
            ends = {key: list(scope[key]) for key in ("client", "server") if scope.get(key)}
            record("call", (name, shown | ends, body))
        await app(scope, again, late)

    return noted


async def call_again(apps: Mapping[str, ASGIApp], content: tuple[str, dict[str, Any], bytes]) -> None:
    """Carry out a noted call; nobody gets its answer."""
    name, shown, body = content
    ends = {key: tuple(shown[key]) for key in ("client", "server") if key in shown}
    headers = [(key, value) for key, value in shown["headers"]]
    scope = shown | ends | {"headers": headers, "asgi": {"version": "3.0"}, "extensions": {}}
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    async def send(_: Message) -> None:
        return

    await apps[name](scope, receive, send)
