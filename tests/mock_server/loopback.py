"""Real listeners on loopback ports, and calls of the mock's API over real HTTP."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from lxml import etree

from tallyhook_mock import Server

EMAIL, PASSWORD, SECRET = "desk@lantern.example", "a pass word", "wick and oil"


_TLS = ssl.create_default_context()  # made once: it takes longer than a call


def catalog(**product: Any) -> dict[str, Any]:
    """A product LANTERN with one plan, 20.00 a month, 2 units of OIL included and 2.50 for each above."""
    plan = {
        "code": "GLOW",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "OIL", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True}],
    }
    return {
        "users": [{"email": EMAIL, "password": PASSWORD}],
        "products": [{"code": "LANTERN", "secret": SECRET, "plans": [plan], **product}],
    }


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["activityType"])

    @property
    def customer(self) -> str:
        return str(json.loads(self.body)["customer"]["code"])


class Listener:
    """Keeps what comes, and answers with the status that `answer` gives."""

    def __init__(self, answer: Callable[[Received], int]) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.url = ""


@contextmanager
def listening(answer: Callable[[Received], int] = lambda _: 200) -> Iterator[Listener]:
    """A listener in threads of its own: while it works, it may call the mock."""
    listener = Listener(answer)

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # head and body of an answer are two writes

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook = Received({name.lower(): value for name, value in self.headers.items()}, body)
            listener.received.append(hook)
            status = listener.answer(hook)
            with suppress(ConnectionError):  # nobody waits for the answer any more
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"x" * 5000 if status >= 500 else b"thanks")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.url = f"http://127.0.0.1:{server.server_port}/hooks"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


class Api:
    """Cheddar's API as a client without any cleverness sees it."""

    def __init__(self, server: Server, product: str = "LANTERN") -> None:
        self._base = server.xml
        self._product = product

    def call(self, action: str, status: int = 200, /, **form: str) -> etree._Element:
        path = f"{self._base}/{action}/productCode/{self._product}"
        answer = httpx.post(path, data=form, auth=(EMAIL, PASSWORD), timeout=60, verify=_TLS)
        assert answer.status_code == status, answer.text
        return etree.fromstring(answer.content)

    def subscribe(self, code: str, plan: str = "GLOW") -> None:
        card = {
            "ccNumber": "4111111111111111",
            "ccExpiration": "12/2090",
            "ccCardCode": "123",
            "ccZip": "90210",
        }
        card |= {"ccFirstName": "Ida", "ccLastName": "Lamp", "planCode": plan}
        self.call(
            "customers/new",
            code=code,
            firstName="Ida",
            lastName="Lamp",
            email="ida@lamp.example",
            **{f"subscription[{name}]": value for name, value in card.items()},
        )

    def invoices(self, code: str) -> list[etree._Element]:
        """Newest first: the current one, then what was billed."""
        return self.call("customers/get", code=code).findall(".//subscription[1]/invoices/invoice")
