"""The listener that receives hooks during a run, and a client for a mock's control API."""

import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["BILLABLE", "Hook", "Listener", "MockControl"]

BILLABLE = "subscriptionBillable"


@dataclass(frozen=True, slots=True)
class Hook:
    """A received hook. `customer` is the customer's code, or empty."""

    kind: str
    customer: str
    content: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.content, indent=2, ensure_ascii=False)

    @property
    def invoice(self) -> dict[str, Any]:
        """The invoice that the hook is about, or an empty mapping."""
        subscription = self.content.get("subscription")
        invoice = subscription.get("invoice") if isinstance(subscription, dict) else None
        return invoice if isinstance(invoice, dict) else {}


class Listener:
    """An ASGI application that stores the hooks it receives. Another thread can wait for a hook.

    The listener acknowledges every hook except `subscriptionBillable` hooks of customers whose code begins
    with one of the prefixes in `refused`.
    """

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self._hooks: list[Hook] = []
        self._arrived = threading.Condition()
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        try:
            content = json.loads(await request.body())
            kind, code = content["activityType"], content["customer"]["code"]
        except (ValueError, LookupError, TypeError):
            return Response("not a hook", 400)
        hook = Hook(str(kind), str(code), content)
        with self._arrived:
            self._hooks.append(hook)
            self._arrived.notify_all()
        refuses = hook.kind == BILLABLE and hook.customer.startswith(tuple(self.refused))
        return Response(status_code=503 if refuses else 204)

    def find(self, kind: str, fits: Callable[[Hook], bool]) -> Hook | None:
        """Return the newest hook of type `kind` for which `fits` returns true, or None."""
        return next((hook for hook in reversed(self._hooks) if hook.kind == kind and fits(hook)), None)

    def wait(self, kind: str, fits: Callable[[Hook], bool], seconds: float) -> Hook | None:
        """Wait for a hook of type `kind` for which `fits` returns true. Returns None on a timeout."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.find(kind, fits) is not None, seconds)
            return self.find(kind, fits)


class MockControl:
    """A client for a mock's control API. It moves the clock and registers listeners.

    Cheddar itself has no control API.
    """

    def __init__(self, http: httpx.Client, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._http, self._url = http, f"{parts.scheme}://{parts.netloc}/_mock"

    def is_there(self) -> bool:
        """Return whether the server is a mock."""
        try:
            return isinstance(self._listeners(), list)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
            return False

    def _listeners(self) -> list[dict[str, Any]]:
        listeners: list[dict[str, Any]] = self._http.get(f"{self._url}/listeners").json()["listeners"]
        return listeners

    def add(self, product: str, url: str) -> None:
        """Register a listener with this URL, unless the URL is already registered."""
        if not any(each["url"] == url for each in self._listeners()):
            wish = {"product": product, "url": url}
            self._http.post(f"{self._url}/listeners", json=wish).raise_for_status()

    def advance(self, pause: timedelta) -> None:
        """Move the mock's clock forward by `pause`."""
        wish = {"advance": f"{math.ceil(pause.total_seconds())}s"}
        self._http.post(f"{self._url}/clock", json=wish, timeout=None).raise_for_status()

    def remove(self, url: str) -> None:
        """Remove every listener with this URL."""
        for each in self._listeners():
            if each["url"] == url:
                self._http.delete(f"{self._url}/listeners/{each['id']}").raise_for_status()
