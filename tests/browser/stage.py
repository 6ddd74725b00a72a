"""A mock with some months behind it, the same in every run, for pages to be looked at."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from tallyhook_mock import (
    Fault,
    FaultKind,
    Server,
    serve,
)
from tallyhook_mock.sender import Answer, Sender
from tallyhook_mock.systems.cheddar import charges, usage
from tallyhook_mock.systems.cheddar.charges import NewCharge

from ..mock_server.loopback import EMAIL, PASSWORD, SECRET

START = "2026-01-01T09:00:00Z"
URL = "http://127.0.0.1:8000/hooks"

_ITEMS = [
    {"code": "OIL", "name": "Oil", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True},
    {"code": "KEEPER", "name": "Keepers", "overageAmount": "10.00"},
]
CATALOG: dict[str, Any] = {
    "users": [{"email": EMAIL, "password": PASSWORD}],
    "products": [
        {
            "code": "LANTERN",
            "name": "Lantern & Sons",
            "secret": SECRET,
            "plans": [
                {"code": "GLOW", "name": "Glow", "recurringChargeAmount": "20.00", "items": _ITEMS},
                {"code": "BEACON", "name": "Beacon", "recurringChargeAmount": "90.00", "items": _ITEMS},
            ],
            "customers": [
                {
                    "code": code,
                    "firstName": first,
                    "lastName": last,
                    "company": company,
                    "email": f"accounts@{code}.example",
                    "planCode": plan,
                    "items": {"KEEPER": keepers},
                }
                for code, first, last, company, plan, keepers in (
                    ("harbour-light", "Ida", "Lamp", "Harbour Light", "GLOW", 1),
                    ("north-mill", "Jonas", "Miller", "North Mill", "BEACON", 4),
                    ("old-quay", "Marta", "Kay", "Old Quay Stores", "GLOW", 2),
                    ("tide-works", "Noor", "Tide", "Tide Works", "BEACON", 0),
                )
            ],
        }
    ],
}


class Rehearsed(Sender):
    """Sends nothing, and answers what is in its script: no real port and no real time gets into a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = ""

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float | None = None
    ) -> Answer:
        if url == URL and self.refuses and self.refuses.encode() in body:
            return Answer(500, 0.043, "usage store unreachable: connection refused")
        return Answer(200, 0.018, "")


@contextmanager
def played() -> Iterator[Server]:
    """Two months: a decline, a late charge, and one invoice held by a listener that fails."""
    sender = Rehearsed()
    with serve(CATALOG, start=START, sender=sender) as server:
        server.listen(URL, ["subscriptionBillable", "transaction", "subscriptionCanceled"])
        server.listen("http://127.0.0.1:8000/audit", ["subscriptionBillable"])
        server.decline("old-quay", 1)
        for day, oil in (("2026-01-09", "3.5"), ("2026-01-20", "12.25")):
            server.advance_to(f"{day}T14:30:00Z")
            _use(server, "harbour-light", oil)
            _use(server, "tide-works", oil)
        server.advance_to("2026-02-01T12:00:00Z")
        for day, oil in (("2026-02-04", "4"), ("2026-02-13", "9.75"), ("2026-02-24", "15")):
            server.advance_to(f"{day}T08:15:00Z")
            _use(server, "harbour-light", oil)
            _use(server, "north-mill", oil)
        sender.refuses = "harbour-light"
        server.advance_to("2026-03-01T09:20:00Z")
        _credit(server, "harbour-light")
        server.fault(Fault(FaultKind.DROP_AFTER, action="customers/add-charge", customer="north-mill"))
        server.fault(Fault(FaultKind.TIMEOUT, type="subscriptionBillable", seconds=0.5, nth=2, times=3))
        yield server


def _use(server: Server, code: str, oil: str) -> None:
    customer = server.customer(code)

    def use() -> None:
        mock = server.mock
        mock.state.actor = EMAIL
        usage.set_quantity(mock.state, customer, "OIL", Decimal(oil), outstanding=False, at=mock.clock.now())
        mock.changed()

    server.call(use)


def _credit(server: Server, code: str) -> None:
    customer = server.customer(code)

    def credit() -> None:
        mock = server.mock
        mock.state.actor = EMAIL
        new = NewCharge("CREDIT", Decimal(1), Decimal("-5.00"), "keeper added on the 16th")
        charges.add_charge(mock.state, customer, new, outstanding=True, at=mock.clock.now())
        mock.changed()

    server.call(credit)
