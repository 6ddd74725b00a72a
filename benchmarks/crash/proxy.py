"""A proxy between the receivers and the mock. It loses or delays calls, and gives misleading answers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
from lxml import etree

from tallyhook_mock.connection import drop

__all__ = ["Mischief", "Proxy"]

# How long a write is held back at most, in real seconds. This is longer than a client's timeout.
LATE = 2.5

_CHANGES = ("customers/add-charge", "customers/set-item-quantity", "customers/delete-charge")
_ERRORS = (400, 401, 404, 412, 422, 429, 502, 503)
_REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?><error id="1" code="404" auxCode="">Customer not found</error>'
)
_PAGE = b"<html><body><h1>It works, or not</h1></body></html>"


@dataclass
class Mischief:
    """The faults of one customer's calls.

    `kinds` are names in KINDS. If `loses` is True, some calls or their answers are lost, whatever the kinds.
    `rewrites` says how documents change custom charges: "" (not at all), "case" (codes in lower case),
    "spaces" (white space around and within descriptions), or "cut" (descriptions lose their end, including
    the mark). `before` is awaited before each write. `forgets` is an action whose next call is not carried
    out, and is answered with the last document.
    """

    kinds: frozenset[str]
    dice: random.Random
    rewrites: str = ""
    before: Callable[[str], Awaitable[None]] | None = None
    loses: bool = True
    forgets: str = ""
    documents: list[bytes] = field(default_factory=list)  # the last documents sent, oldest first
    strays: int = 0  # how many calls that add a charge got a late, a misleading or no answer
    refuses: bool = False  # some writes are carried out, but answered with the API's refusal of another call
    carried_out: set[str] = field(default_factory=set)  # the descriptions of charges sent on to the mock


class Proxy:
    """The proxy, as an ASGI application. `customer_of` returns a customer's code, given the id or the code.

    A request that has arrived is carried out even if its sender has died or no longer waits.
    """

    def __init__(self, target: str, customer_of: Callable[[str], str], bystander: str) -> None:
        self.mischief: dict[str, Mischief] = {}
        self._target = target
        self._customer_of = customer_of
        self._bystander = bystander
        self._under_way: set[asyncio.Task[httpx.Response | None]] = set()
        self._http = httpx.AsyncClient(
            timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def told(self) -> str:
        """Return a line that says how many requests are on their way."""
        return f"requests on their way: {len(self._under_way)}"

    async def idle(self) -> None:
        """Wait until no request is on its way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def aclose(self) -> None:
        await self.idle()
        await self._http.aclose()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # the request is incomplete
            body, more = body + message.get("body", b""), message.get("more_body", False)
        task = asyncio.ensure_future(self._carried_out(scope, body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        answer = await asyncio.shield(task)
        if answer is None:
            await drop(scope, receive)
            return
        type_ = answer.headers.get("content-type", "text/html")
        headers = [(b"content-type", type_.encode())]
        if (later := answer.headers.get("retry-after")) is not None:
            headers.append((b"retry-after", later.encode()))
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    async def _carried_out(self, scope: Any, body: bytes) -> httpx.Response | None:
        query = parse_qs(scope["query_string"].decode())
        action = "/".join(scope["path"].split("/")[2:4])
        code = self._customer_of((query.get("id") or query.get("code") or [""])[0])
        mischief = self.mischief.get(code)
        request = httpx.Request(
            scope["method"],
            f"{self._target}{scope['path']}?{scope['query_string'].decode()}",
            headers=[(name, value) for name, value in scope["headers"] if name in _KEPT],
            content=body,
        )
        if mischief is None:
            return await self._sent(request, mischief)
        if mischief.forgets == action:
            mischief.forgets = ""
            return _document(mischief.documents[-1])
        lost = mischief.dice.random() if mischief.loses else 0.5
        answer = await self._disturbed(request, action, mischief, code, lost)
        is_stray = answer is None or answer.status_code != 200 or "documents" in mischief.kinds
        if action == "customers/add-charge" and (is_stray or "late" in mischief.kinds):
            mischief.strays += 1
        return answer

    async def _disturbed(
        self, request: httpx.Request, action: str, mischief: Mischief, code: str, lost: float
    ) -> httpx.Response | None:
        if lost < 0.04:
            return None
        if lost < 0.08:
            return httpx.Response(mischief.dice.choice((500, 502, 503)), content=_PAGE)
        is_write = action != "customers/get"
        if is_write and mischief.before is not None:
            await mischief.before(action)
        if is_write and "late" in mischief.kinds and mischief.dice.random() < 0.12:
            await asyncio.sleep(mischief.dice.uniform(0.05, LATE))
        if "documents" in mischief.kinds and (answer := await self._misled(request, action, mischief, code)):
            return answer
        answer = await self._sent(request, mischief)
        return None if answer is None or lost > 0.88 else self._shown(answer, mischief)

    async def _sent(self, request: httpx.Request, mischief: Mischief | None) -> httpx.Response | None:
        """Send the request to the mock. Return None if the mock drops the connection."""
        if mischief is not None:
            form = parse_qs(request.content.decode())
            mischief.carried_out.update(form.get("description", ()))
        try:
            return await self._http.send(request)
        except httpx.TransportError:
            return None

    async def _misled(
        self, request: httpx.Request, action: str, mischief: Mischief, code: str
    ) -> httpx.Response | None:
        dice = mischief.dice.random()
        if dice < 0.03:  # a proxy's error page, and the call isn't carried out
            return httpx.Response(mischief.dice.choice(_ERRORS), content=_PAGE)
        if dice < 0.06:  # a proxy's error page, but the call is carried out
            await self._sent(request, mischief)
            return httpx.Response(mischief.dice.choice(_ERRORS), content=_PAGE)
        if dice < 0.09:  # another customer's document; the call is carried out or not
            if mischief.dice.random() < 0.5:
                await self._sent(request, mischief)
            other = httpx.Request(
                "GET",
                f"{self._target}/xml/customers/get/productCode/ACME?code={self._bystander}",
                headers=[(n, v) for n, v in request.headers.raw if n.lower() == b"authorization"],
            )
            return await self._sent(other, None)
        if dice < 0.13 and mischief.documents:  # an old document, as the answer to a read or a write
            if action != "customers/get":
                await self._sent(request, mischief)
            return _document(mischief.documents[-1])
        if dice < 0.16 and action in _CHANGES and mischief.documents:  # answered, but not carried out
            return _document(mischief.documents[-1])
        if dice < 0.19 and action in _CHANGES and mischief.refuses:
            await self._sent(request, mischief)
            return httpx.Response(404, content=_REFUSAL, headers={"content-type": "text/xml; charset=utf-8"})
        return None

    def _shown(self, answer: httpx.Response, mischief: Mischief) -> httpx.Response:
        if answer.status_code != 200:
            return answer
        content = answer.content
        if mischief.rewrites:
            content = _rewritten(content, mischief.rewrites)
        mischief.documents = [*mischief.documents[-1:], content]
        return _document(content)


_KEPT = (b"authorization", b"content-type", b"accept")


def _document(content: bytes) -> httpx.Response:
    return httpx.Response(200, content=content, headers={"content-type": "text/xml; charset=utf-8"})


def _rewritten(content: bytes, how: str) -> bytes:
    try:
        root = etree.fromstring(content)
    except etree.XMLSyntaxError:  # another fault has cut the document short
        return content
    for charge in root.iter("charge"):
        if charge.findtext("type") != "custom":
            continue
        description = charge.find("description")
        match how:
            case "case":
                charge.set("code", charge.get("code", "").lower())
            case "spaces" if description is not None and description.text:
                description.text = f"  {description.text.replace(' ', '  ')} "
            case "cut" if description is not None and description.text:
                description.text = description.text[:10]
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
