"""`tallyhook listen`: a temporary listener that prints or forwards hooks."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from tallyhook_mock.cli.completion import hook_types
from tallyhook_mock.cli.remote import Remote, mock_option, path, product_option
from tallyhook_receiver.cli.command import USAGE, Command, fail, json_option
from tallyhook_receiver.cli.output import json_text, say

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ended", "listen"]

_ROOT = "/hooks"


@click.command(cls=Command)
@click.option(
    "--forward", metavar="URL", help="Forward verified hooks to this URL, and return its answers to the mock."
)
@click.option(
    "--events",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=hook_types,
    help="Receive only hooks of this type; may be repeated.",
)
@click.option(
    "--since",
    metavar="DATE|DURATION",
    help="Also print earlier hooks: those sent since DATE, or within the last DURATION of the mock's time.",
)
@product_option
@mock_option
@json_option
def listen(
    forward: str | None,
    types: tuple[str, ...],
    since: str | None,
    product: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Verify and print hooks as they arrive, until Ctrl-C.

    Registers a temporary listener on the mock for each product, or only for the one given with --product.
    With --forward, every verified hook is forwarded with its body and headers unchanged. The earlier hooks
    that --since prints are forwarded too. Without --forward, every verified hook is acknowledged, so a held
    invoice runs an hour later.

    With --json, the command prints one JSON object per line.

    Example: tallyhook listen --forward http://127.0.0.1:8000/hooks --events subscriptionBillable
    """
    remote = Remote(url)
    products = remote.products(product)
    if forward is not None and not forward.startswith(("http://", "https://")):
        fail(f"--forward: {forward!r} is not a URL such as http://127.0.0.1:8000/hooks", USAGE)

    codes = [each["code"] for each in products]
    earlier = [] if since is None else _earlier(remote, since, types, codes)

    @contextmanager
    def registered(own: str) -> Iterator[None]:
        made: list[str] = []
        try:
            for each in products:
                wish = {"url": f"{own}{_path(each)}", "events": types, "product": each["code"]}
                made.append(remote.post("/listeners", wish)["id"])
            going_to = f", forwarding to {forward}" if forward else ""
            sys.stderr.write(f"listening to {', '.join(codes)} at {remote.url}{going_to}; Ctrl-C ends it\n")
            sys.stderr.flush()
            yield
        finally:
            for listener in made:
                remote.delete(path("listeners", listener))

    asyncio.run(_serve(products, forward, as_json, registered, earlier))


def _path(product: dict[str, Any]) -> str:
    """Return the path for a product's hooks. The path shows which product's key verifies a hook."""
    return f"{_ROOT}/{product['id']}"


def _earlier(
    remote: Remote, since: str, types: Collection[str], products: Collection[str]
) -> list[dict[str, Any]]:
    """Return the hooks that were sent earlier, beginning at `since`, oldest first.

    `since` is a date, or a duration that ends at the mock's current time.
    """
    from tallyhook_mock.clock import parse_moment
    from tallyhook_mock.duration import parse_duration

    now = datetime.fromisoformat(remote.get("/clock")["now"])
    try:
        begin = parse_moment(since)
    except ValueError:
        try:
            begin = parse_duration(since).before(now)
        except ValueError as error:
            fail(f"--since: {error}", USAGE)
    return [
        remote.get(path("hooks", each["id"]))
        for each in remote.get("/hooks")["hooks"]
        if datetime.fromisoformat(each["at"]) >= begin
        and each["product"] in products
        and (not types or each["type"] in types)
    ]


async def _serve(
    products: list[dict[str, Any]],
    forward: str | None,
    as_json: bool,
    registered: Callable[[str], AbstractContextManager[None]],
    earlier: list[dict[str, Any]],
) -> None:
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from tallyhook import signing
    from tallyhook_mock.server import serving

    async with httpx.AsyncClient(timeout=None, trust_env=False) as http:

        async def answered(product: dict[str, Any], headers: Mapping[str, str], body: bytes) -> Response:
            scheme = signing.SCHEMES[product["signature"]]
            is_genuine = scheme.verify(headers, body, [product["secret"]], at=datetime.now(UTC))
            if not is_genuine:
                answer = Response(status_code=401)
            elif forward is None:
                answer = Response(status_code=204)
            else:
                answer = await _passed_on(http, forward, headers, body)
            if as_json:
                _print_line(body, is_genuine, answer.status_code)
            else:
                code = product["code"] if len(products) > 1 else ""
                _print(body, is_genuine, answer.status_code, code)
            return answer

        def route(product: dict[str, Any]) -> Route:
            async def receive(request: "Request") -> Response:
                return await answered(product, request.headers, await request.body())

            return Route(_path(product), receive, methods=["POST"])

        async with serving(Starlette(routes=[route(each) for each in products])) as own:
            end = ended()
            with registered(own):
                by_code = {each["code"]: each for each in products}
                for hook in earlier:
                    await answered(by_code[hook["product"]], hook["headers"], hook["body"].encode())
                await end.wait()


def ended() -> asyncio.Event:
    """Return an event that is set on SIGINT, SIGTERM or SIGHUP: Ctrl-C, `kill`, or a closed terminal.

    The signals must not end the process directly, because a listener that is still registered would hold
    invoices. If SIGINT or SIGHUP is already ignored, it stays ignored: scripts ignore SIGINT in background
    processes, and `nohup` ignores SIGHUP.
    """
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and (name == "SIGTERM" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end.set))
    return end


async def _passed_on(
    http: "httpx.AsyncClient", url: str, headers: Mapping[str, str], body: bytes
) -> "Response":
    """Forward a hook to `url`. Returns the answer, or a 502 if there is none."""
    import httpx
    from starlette.responses import Response

    from tallyhook_mock.connection import HOP_BY_HOP
    from tallyhook_mock.sender import why

    kept = [(name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP]
    try:
        answer = await http.post(url, content=body, headers=kept)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Response(f"{url}: {why(error, url)}", 502)
    # httpx has already decoded the content.
    dropped = HOP_BY_HOP | {"content-encoding"}
    given = {name: value for name, value in answer.headers.items() if name not in dropped}
    return Response(answer.content, answer.status_code, given)


def _print(body: bytes, is_genuine: bool, status: int, product: str = "") -> None:
    """Print one line about a hook and its answer, with the product's code if `product` is not empty."""
    from tallyhook import DecodeError, events

    line = Text()
    if not is_genuine:
        line.append("refused: not signed with the product's key", "bold red")
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
            line.append(f"  {product}" if product else "")
            line.append(f"  {hook.customer.code}{about}")
    say(line.append(f"  {status}", "green" if 200 <= status < 300 else "red"))
    sys.stdout.flush()


def _print_line(body: bytes, is_genuine: bool, status: int) -> None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    click.echo(json_text({"isVerified": is_genuine, "status": status, "hook": content}))
