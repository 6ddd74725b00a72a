"""The little of Cheddar that a review needs: a customer, an outstanding invoice, faults at chosen calls."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

import httpx

from tallyhook import signing
from tallyhook.cheddar.client import AsyncClient, Client

KEY = "a key of the tests"
DECLINED = '<error id="9" code="422" auxCode="6000">The transaction was declined</error>'


class Clock:
    """A receiver's clock, which stands until it is put on."""

    def __init__(self) -> None:
        self.now = datetime(2030, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def put_on(self, by: timedelta | float) -> None:
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)


def unmarked(description: str) -> str:
    """A description without the mark of a review."""
    return re.sub(r" ?\(ref [0-9a-f]{10}\)$", "", description)


Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


def never_left(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def lost_on_the_way(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
    raise httpx.ReadTimeout("nothing came", request=request)


def answer_lost(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
    apply()
    raise httpx.ReadTimeout("nothing came", request=request)


def broken(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
    return httpx.Response(500, text="<error id='1' code='500' auxCode=''>Oops</error>")


@dataclass
class FakeCheddar:
    """`billed_*` is the outstanding invoice 11, `open_*` the current invoice 12.

    The plan: 20.00 a month, GB with 2 included at 2.50 above, and USERS with none included at 10.00.
    """

    billed_items: dict[str, Decimal] = field(default_factory=lambda: {"GB": Decimal(3), "USERS": Decimal(0)})
    open_items: dict[str, Decimal] = field(default_factory=lambda: {"GB": Decimal(1), "USERS": Decimal(0)})
    billed_charges: list[dict[str, str]] = field(default_factory=list)
    open_charges: list[dict[str, str]] = field(default_factory=list)
    paid: bool = False
    unpaid_before: bool = False
    pushed_out: bool = False
    decline: bool = False
    faults: dict[int, Fault] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    ids: int = 100

    def client(self, **options: Any) -> Client:
        return Client("ACME", "ops@example.com", "secret", transport=httpx.MockTransport(self), **options)

    def async_client(
        self, *, through: Callable[[httpx.Request], httpx.Response] | None = None, **options: Any
    ) -> AsyncClient:
        transport = httpx.MockTransport(through or self)
        return AsyncClient("ACME", "ops@example.com", "secret", transport=transport, **options)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fields = dict(request.url.params) | dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        action = request.url.path.rsplit("/", 1)[1]
        self.calls.append(action)
        apply = lambda: self._apply(action, fields)  # noqa: E731 - it is handed on under this name
        fault = self.faults.pop(len(self.calls), None)
        return apply() if fault is None else fault(request, apply)

    def _apply(self, action: str, fields: dict[str, str]) -> httpx.Response:
        billed = fields.get("invoicePeriod") == "outstanding"
        charges = self.billed_charges if billed else self.open_charges
        items = self.billed_items if billed else self.open_items
        match action:
            case "set-item-quantity":
                items[fields["itemCode"]] = Decimal(fields["quantity"])
            case "add-charge":
                if fields["chargeCode"] == "REFUSED":
                    return httpx.Response(
                        412, text='<error id="4" code="412" auxCode="eachAmount:no">No</error>'
                    )
                self.ids += 1
                charges.append(fields | {"id": f"c{self.ids}"})
            case "delete-charge":
                found = [charge for charge in charges if charge["id"] == fields["chargeId"]]
                if not found:
                    return httpx.Response(
                        412, text='<error id="3" code="412" auxCode="chargeId:x">No</error>'
                    )
                charges.remove(found[0])
            case "run-outstanding" if self.decline:
                return httpx.Response(422, text=DECLINED)
            case "run-outstanding":
                self.paid = True
        return httpx.Response(200, text=self.document())

    def content(self) -> list[tuple[str, str, Decimal, str]]:
        """The charges of the outstanding invoice, whatever their ids and marks."""
        return sorted(
            (c["chargeCode"], c["quantity"], Decimal(c["eachAmount"]), unmarked(c.get("description", "")))
            for c in self.billed_charges
        )

    def document(self) -> str:
        month = "2030-03-01" if not self.pushed_out else "2030-04-15"
        invoices = [
            _invoice(12, "2030-04-01", self.open_items, self.open_charges, projected=True),
            _invoice(
                11,
                month,
                self.billed_items,
                self.billed_charges,
                paid=self.paid,
                projected=self.pushed_out,
            ),
            _invoice(10, "2030-02-01", {}, [], paid=not self.unpaid_before),
        ]
        if self.pushed_out:
            invoices = invoices[1:]
        return f"""<?xml version="1.0" encoding="UTF-8"?><customers><customer id="cust-1" code="NORA">
            <firstName>Nora</firstName><lastName>Quill</lastName><company/><email>nora@quill.example</email>
            <isTaxExempt>0</isTaxExempt><metaData/><subscriptions><subscription id="sub-1">
            <plans><plan id="plan-1" code="TEAM"><name>Team</name>
            <recurringChargeCode>TEAM_RECURRING</recurringChargeCode>
            <recurringChargeAmount>20.00</recurringChargeAmount><items>
            <item id="i1" code="GB"><name>Gigabytes</name><quantityIncluded>2</quantityIncluded>
            <isPeriodic>1</isPeriodic><overageAmount>2.50</overageAmount></item>
            <item id="i2" code="USERS"><name>Users</name><quantityIncluded>0</quantityIncluded>
            <isPeriodic>0</isPeriodic><overageAmount>10.00</overageAmount></item></items></plan></plans>
            <canceledDatetime/><createdDatetime>2030-01-01T00:00:00+00:00</createdDatetime>
            <items/><invoices>{"".join(invoices)}</invoices></subscription></subscriptions></customer></customers>"""

    def hook(self, **changes: Any) -> bytes:
        """The billable hook of invoice 11, as it stood when the recurring engine found it."""
        plan = {
            "id": "plan-1",
            "code": "TEAM",
            "recurringChargeAmount": "20.00",
            "items": [
                {"code": "GB", "quantityIncluded": 2, "overageAmount": "2.50"},
                {"code": "USERS", "quantityIncluded": "0", "overageAmount": "10.00"},
            ],
        }
        invoice = {
            "id": "inv-11",
            "invoiceNumber": "11",
            "type": "subscription",
            "billingDatetime": "2030-03-01T00:00:00+00:00",
            "previousBillingDatetime": "2030-02-01T00:00:00+00:00",
            "paidTransactionId": "",
            "items": [{"code": "GB", "quantity": "3.0000"}, {"code": "USERS", "quantity": 0}],
        }
        hook = {
            "activityType": "subscriptionBillable",
            "activityDatetime": "2030-03-01T00:00:05+00:00",
            "activityActor": "",
            "product": {"id": "p-1", "code": "ACME", "name": "Acme", "subdomain": "acme"},
            "customer": {"id": "cust-1", "code": "NORA", "firstName": "Nora", "email": "nora@quill.example"},
            "subscription": {"id": "sub-1", "plan": plan, "invoice": invoice, "ccLastFour": "4242"},
        }
        return json.dumps(hook | changes).encode()


def signed(body: bytes, key: str = KEY) -> dict[str, str]:
    return {signing.SIGNATURE_HEADER: signing.sign(body, key), signing.TOKEN_HEADER: "not to be trusted"}


def _invoice(
    number: int,
    date: str,
    items: dict[str, Decimal],
    charges: list[dict[str, str]],
    *,
    paid: bool = False,
    projected: bool = False,
) -> str:
    included = {"GB": (Decimal(2), "2.50"), "USERS": (Decimal(0), "10.00")}
    recurring = "" if projected else f"r{number}"
    lines = [_charge(recurring, "TEAM_RECURRING", "recurring", "1", "20.00")]
    for code, quantity in items.items():
        units, price = included[code]
        lines.append(_charge("", code, "item", str(max(Decimal(0), quantity - units)), price))
    lines += [
        _charge(c["id"], c["chargeCode"], "custom", c["quantity"], c["eachAmount"], c.get("description", ""))
        for c in charges
    ]
    transaction = f"t{number}" if paid else ""
    return f"""<invoice id="inv-{number}"><number>{number}</number><type>subscription</type>
        <vatRate/><taxRate/><billingDatetime>{date}T00:00:00+00:00</billingDatetime><paidTransactionId>{transaction}</paidTransactionId>
        <createdDatetime>2030-01-01T00:00:00+00:00</createdDatetime><charges>{"".join(lines)}</charges></invoice>"""


def _charge(id: str, code: str, type: str, quantity: str, each: str, description: str = "") -> str:
    return (
        f"<charge id={quoteattr(id)} code={quoteattr(code)}><type>{type}</type>"
        f"<quantity>{quantity}</quantity><eachAmount>{each}</eachAmount><description>{escape(description)}</description></charge>"
    )
