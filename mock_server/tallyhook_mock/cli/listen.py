"""`tallyhook listen`: a listener for as long as somebody looks at it."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer
from rich.text import Text

from tallyhook import DecodeError, events, signing
from tallyhook_mock.cli.hook_type import names
from tallyhook_mock.cli.remote import URL, MockUrl, ProductCode, Remote, path
from tallyhook_receiver.cli.output import USAGE, Json, fail, say

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ended", "listen"]

# What belongs to one connection and not to the request (RFC 9110), and what the next sender computes itself.
_OWN = frozenset(("connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"))
_PATH = "/hooks"


def listen(
    forward: Annotated[
        str | None, typer.Option(metavar="URL", help="Pass verified hooks on, and answer as it does.")
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--events", metavar="TYPE", autocompletion=names, help="Only these; may be repeated."),
    ] = None,
    product: ProductCode = None,
    url: MockUrl = URL,
    as_json: Json = False,
) -> None:
    """Print hooks as they arrive, once their signature is verified, until Ctrl-C.

    Registers a listener of its own on the mock and removes it in the end. With --forward, body and headers
    go on unchanged; without, every verified hook is acknowledged: an invoice that is held for review runs an
    hour later. With --json there is one object per line.

    Example: tallyhook listen --forward http://127.0.0.1:8000/hooks --events subscriptionBillable
    """
    remote = Remote(url)
    chosen = remote.product(product)
    if forward is not None and not forward.startswith(("http://", "https://")):
        fail(f"--forward: {forward!r} is not a URL such as http://127.0.0.1:8000/hooks", USAGE)

    @contextmanager
    def registered(own: str) -> Iterator[None]:
        wish = {"url": f"{own}{_PATH}", "events": types or [], "product": chosen["code"]}
        listener = remote.post("/listeners", wish)["id"]
        going_to = f", passed on to {forward}" if forward else ""
        sys.stderr.write(f"listening to {chosen['code']} at {remote.url}{going_to}; Ctrl-C ends it\n")
        sys.stderr.flush()
        try:
            yield
        finally:
            remote.delete(path("listeners", listener))

    asyncio.run(_serve(chosen, forward, as_json, registered))


async def _serve(
    product: dict[str, Any],
    forward: str | None,
    as_json: bool,
    registered: Callable[[str], AbstractContextManager[None]],
) -> None:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from tallyhook_mock.server import serving

    scheme = signing.SCHEMES[product["signature"]]
    async with httpx.AsyncClient(timeout=None, trust_env=False) as http:

        async def receive(request: "Request") -> Response:
            body = await request.body()
            is_genuine = scheme.verify(request.headers, body, [product["secret"]], at=datetime.now(UTC))
            if not is_genuine:
                answer = Response(status_code=401)
            elif forward is None:
                answer = Response(status_code=204)
            else:
                answer = await _passed_on(http, forward, request, body)
            (_print_line if as_json else _print)(body, is_genuine, answer.status_code)
            return answer

        async with serving(Starlette(routes=[Route(_PATH, receive, methods=["POST"])])) as own:
            end = ended()
            with registered(own):
                await end.wait()


def ended() -> asyncio.Event:
    """Set when this process is asked to end: by Ctrl-C, by `kill`, or because its terminal was closed.

    A listener that is left behind holds invoices, so none of them may end the process by itself. What is
    ignored stays ignored: scripts ignore SIGINT in what they start in the background, `nohup` ignores SIGHUP.
    """
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end.set))
    return end


async def _passed_on(http: httpx.AsyncClient, url: str, request: "Request", body: bytes) -> "Response":
    """What came back for the same request."""
    from starlette.responses import Response

    headers = [(name, value) for name, value in request.headers.items() if name not in _OWN]
    try:
        answer = await http.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Response(f"{url}: {error}", 502)
    # httpx has undone the encoding of the content.
    kept = {name: value for name, value in answer.headers.items() if name not in _OWN | {"content-encoding"}}
    return Response(answer.content, answer.status_code, kept)


def _print(body: bytes, is_genuine: bool, status: int) -> None:
    line = Text()
    if not is_genuine:
        line.append("not signed with the product's key: refused", "bold red")
    else:
        try:
            hook = events.decode(body)
        except DecodeError as error:
            line.append(f"unreadable: {error}", "bold red")
        else:
            at = "" if hook.activity_datetime is None else f"{hook.activity_datetime:%Y-%m-%d %H:%M:%S}"
            invoice = hook.subscription.invoice
            about = "" if invoice is None or invoice.number is None else f"  invoice #{invoice.number}"
            line.append(f"{at}  ", "dim").append(hook.activity_type, "bold")
            line.append(f"  {hook.customer.code}{about}")
    say(line.append(f"  {status}", "green" if 200 <= status < 300 else "red"))
    sys.stdout.flush()


def _print_line(body: bytes, is_genuine: bool, status: int) -> None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    typer.echo(json.dumps({"isVerified": is_genuine, "status": status, "hook": content}, ensure_ascii=False))
