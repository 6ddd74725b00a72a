"""Cheddar's face on a state of its own, called without a socket: every byte of a request can be chosen."""

import asyncio
import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from lxml import etree

from tallyhook_mock.catalog.reading import read_catalog
from tallyhook_mock.systems import Systems
from tallyhook_mock.systems.cheddar.api import cheddar_app
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.state import Event

EMAIL, PASSWORD = "desk@harbour.example", "let me in"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

CATALOG: dict[str, Any] = {
    "users": [{"email": EMAIL, "password": PASSWORD}],
    "products": [
        {
            "code": "HARBOUR",
            "name": "Harbour",
            "secret": "knots",
            "billReminderDays": [2],
            "plans": [
                {
                    "code": "QUAY",
                    "name": "Quay",
                    "description": "A place at the <long> quay",
                    "recurringChargeAmount": "20.00",
                    "onChangeInitialBillHandler": "now",
                    "items": [
                        {"code": "crane", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True},
                        {"code": "berths", "quantityIncluded": 10},
                    ],
                },
                {
                    "code": "JETTY",
                    "name": "Jetty",
                    "recurringChargeAmount": "35.00",
                    "items": [{"code": "crane", "quantityIncluded": 5, "overageAmount": "2.00"}],
                },
                {"code": "BUOY", "name": "Buoy", "isFree": True},
            ],
            "promotions": [
                {
                    "name": "Spring tide",
                    "percentage": "12.5",
                    "months": 3,
                    "plans": ["QUAY"],
                    "coupons": [{"code": "SPRING", "maxRedemptions": 100}],
                }
            ],
        },
        {
            "code": "STRICT",
            "name": "Strict",
            "secret": "s",
            "ccCardCodeIsRequired": True,
            "ccZipIsRequired": True,
            "plans": [{"code": "ONLY", "name": "Only", "recurringChargeAmount": "1.00"}],
        },
        {"code": "BARE", "name": "Bare", "secret": "s"},
    ],
}

CARD = {
    "subscription[ccFirstName]": "Grace",
    "subscription[ccLastName]": "Møller",
    "subscription[ccNumber]": "4111 1111 1111 1111",
    "subscription[ccExpiration]": "02/2031",
    "subscription[ccZip]": "8000",
}
PERSON = {"firstName": "Grace", "lastName": "Møller & Sons", "email": "grace@harbour.example"}
NEW = {"code": "M1", **PERSON, "subscription[planCode]": "QUAY", **CARD}


def new(**changes: str | None) -> dict[str, str]:
    """The fields of a new customer, with some changed and those that are None left out."""
    fields: dict[str, str | None] = {**NEW, **changes}
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def root(self) -> Any:
        return etree.fromstring(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, message and auxCode, from wherever in the document the error stands."""
        element = next(self.root.iter("error"))
        assert element.get("code") == str(self.status)
        assert element.get("id").isdigit()
        return self.status, element.text, element.get("auxCode")

    def text(self, path: str) -> str:
        """The text of the one element that an XPath expression finds."""
        [found] = self.root.xpath(path)
        return found if isinstance(found, str) else found.text or ""

    def texts(self, path: str) -> list[str]:
        return [found if isinstance(found, str) else found.text or "" for found in self.root.xpath(path)]


class Face:
    def __init__(self, **options: Any) -> None:
        self.now = START
        self.systems = Systems()
        self.state = self.systems.cheddar
        self.events: list[Event] = []
        read_catalog(CATALOG, self.systems, START, check_url=str)()
        self.app = cheddar_app(lambda: self.state, lambda: self.now, self._changed, **options)

    def _changed(self) -> None:
        self.events += self.state.take_events()

    def post(self, action: str, fields: dict[str, str] | None = None, product: str = "HARBOUR") -> Answer:
        """A call as most clients make it: the product in the path, the fields in a form."""
        form = urlencode(fields or {}).encode()
        return self.send(f"/xml/{action}/productCode/{product}".encode(), form=form)

    def get(self, path: str, query: dict[str, str] | None = None) -> Answer:
        return self.send(f"/xml/{path}".encode(), urlencode(query or {}).encode(), method="GET")

    def on(self, action: str, code: str, fields: dict[str, str] | None = None) -> Answer:
        """A call on a customer."""
        return self.post(f"{action}/code/{quote(code, safe='')}", fields)

    def customer(self, code: str = "M1", **changes: str | None) -> Customer:
        """A customer that was created by a call."""
        answer = self.post("customers/new", new(code=code, **changes))
        assert answer.status == 200, answer.body
        return self.state.customer(self.state.products["HARBOUR"], code)

    def play(self, until: datetime) -> None:
        """Let time go by."""
        while (due := self.state.next_due()) is not None and due <= until:
            self.now = due
            self.state.step(due)
        self.now = until
        self._changed()

    def send(
        self,
        raw_path: bytes,
        query: bytes = b"",
        form: bytes = b"",
        *,
        method: str = "POST",
        content_type: bytes | None = b"application/x-www-form-urlencoded",
        authorization: bytes | None = None,
    ) -> Answer:
        if authorization is None:
            authorization = b"Basic " + base64.b64encode(f"{EMAIL}:{PASSWORD}".encode())
        headers = [(b"authorization", authorization)]
        if content_type is not None:
            headers.append((b"content-type", content_type))
        scope = {
            "type": "http",
            "method": method,
            "path": "/",
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
        }
        # A form arrives in two pieces, as a long one would.
        pieces = [form[: len(form) // 2], form[len(form) // 2 :]]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))  # type: ignore[arg-type]  # starlette's types are wider
        start, body = sent
        decoded = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], decoded, body["body"])
