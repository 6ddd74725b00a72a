"""Cheddar's API as a plain HTTP client calls it, and the resulting invoices.

This knows forms, JSON and XML, but no billing rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx
from lxml import etree

from tallyhook_mock import Server, serve

USER, PASSWORD, PRODUCT, SECRET = "till@rill.example", "pebble", "RILL", "heron"
CARD = {
    "ccNumber": "4111111111111111",
    "ccExpiration": "12/2049",
    "ccFirstName": "Rhea",
    "ccLastName": "Wade",
}
PAYPAL = {"method": "paypal", "returnUrl": "https://rill.example/", "cancelUrl": "https://rill.example/off"}
ZERO = Decimal(0)


@dataclass(frozen=True, order=True)
class Line:
    """A line of an invoice. Their order isn't compared."""

    type: str
    code: str
    quantity: Decimal
    each: Decimal

    def __str__(self) -> str:
        return f"{self.type} {self.code} {self.quantity.normalize():f} x {self.each:.2f}"


@dataclass(frozen=True)
class Bill:
    """An invoice: its bill date, its lines, and its transactions with their times."""

    number: int
    type: str
    at: datetime
    lines: tuple[Line, ...]
    tax: Decimal
    total: Decimal
    paid: bool
    tries: tuple[tuple[datetime, Decimal, str], ...]

    def amounts(self) -> list[tuple[str, Decimal]]:
        """The amount of each line, with its code, without lines of 0.00."""
        return sorted(
            (line.code, line.quantity * line.each) for line in self.lines if line.quantity * line.each
        )


@dataclass
class Answer:
    status: int
    content: bytes

    @cached_property
    def root(self) -> Any:
        return etree.fromstring(self.content)

    @property
    def refusal(self) -> str:
        """The first error's text; empty if there is none."""
        if self.status == 200:
            return ""
        return next((error.text or "" for error in self.root.iter("error")), "")

    @property
    def errors(self) -> list[tuple[str, str]]:
        """The status and auxCode of each error, embedded in a document or alone."""
        return [(error.get("code"), error.get("auxCode", "")) for error in self.root.iter("error")]


class ByHand:
    """Calls by their paths, for one product."""

    def __init__(self, server: Server, http: httpx.Client, product: str = PRODUCT) -> None:
        self.server = server
        self.product = product
        self._http = http
        self._mock = server.xml.removesuffix("/xml") + "/_mock"

    # -- the clock and the gateway

    def to(self, moment: str | datetime) -> None:
        text = moment if isinstance(moment, str) else moment.isoformat()
        self._control("clock", {"to": text if "T" in text else f"{text}T00:00:00Z"})

    def decline(self, customer: str, count: int = 1) -> None:
        self._control("declines", {"customer": customer, "count": count, "product": self.product})

    def _control(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self._http.post(f"{self._mock}/{path}", json=body)
        assert answer.is_success, answer.text

    # -- calls

    def call(self, action: str, **form: Any) -> Answer:
        """Any call. Pass names with brackets as a mapping: `subscription={"planCode": …}`."""
        answer = self._http.post(
            f"{self.server.xml}/{action}/productCode/{self.product}", data=dict(_flat(form))
        )
        return Answer(answer.status_code, answer.content)

    def done(self, action: str, **form: Any) -> Any:
        answer = self.call(action, **form)
        assert answer.status == 200, (action, form, answer.content[:400])
        return answer.root

    def new(self, code: str, plan: str, *, card: bool = True, **form: Any) -> Answer:
        subscription = {"planCode": plan} | (CARD if card else {}) | form.pop("subscription", {})
        person = {"code": code, "firstName": "Rhea", "lastName": "Wade", "email": f"{code}@rill.example"}
        return self.call("customers/new", **person, subscription=subscription, **form)

    def join(self, code: str, plan: str, *, card: bool = True, **form: Any) -> None:
        answer = self.new(code, plan, card=card, **form)
        assert answer.status == 200, answer.content[:400]

    def edit(self, code: str, **form: Any) -> None:
        self.done("customers/edit-subscription", code=code, **form)

    def set(self, code: str, item: str, quantity: str | int, **form: Any) -> None:
        self.done("customers/set-item-quantity", code=code, itemCode=item, quantity=quantity, **form)

    def charge(self, code: str, charge: str, each: str, quantity: int = 1, **form: Any) -> None:
        self.done(
            "customers/add-charge", code=code, chargeCode=charge, quantity=quantity, eachAmount=each, **form
        )

    def cancel(self, code: str) -> None:
        self.done("customers/cancel", code=code)

    def agree(self, code: str) -> int:
        """Agree on PayPal's page, and return the answer's status: 303 leads the payer back."""
        address = self.customer(code).findtext("./customer/subscriptions/subscription/redirectUrl")
        return self._http.post(address).status_code

    # -- results

    def customer(self, code: str) -> Any:
        return self.done("customers/get", code=code)

    def active(self, code: str) -> bool:
        return not self.customer(code).findtext("./customer/subscriptions/subscription/canceledDatetime")

    def quantity(self, code: str, item: str) -> Decimal:
        text = self.customer(code).findtext(
            f"./customer/subscriptions/subscription/items/item[@code='{item}']/quantity"
        )
        return Decimal(text)

    def bills(self, code: str) -> list[Bill]:
        """All invoices, oldest first. The customer's document and the control API must agree."""
        answer = self._http.get(f"{self._mock}/customers/{code}/invoices", params={"product": self.product})
        assert answer.is_success, answer.text
        told = {each["number"]: each for each in answer.json()["invoices"]}
        bills = [_bill(element, told) for element in self.customer(code).iter("invoice")]
        assert sorted(bill.number for bill in bills) == sorted(told)
        return sorted(bills, key=lambda bill: bill.number)

    def pending(self, code: str) -> Bill:
        """The newest invoice of the subscription, to be billed next."""
        return [bill for bill in self.bills(code) if bill.type == "subscription"][-1]

    def next_bill(self, code: str) -> str:
        return f"{self.pending(code).at:%Y-%m-%d}"

    def taken(self, code: str) -> list[tuple[str, Decimal]]:
        """The day and amount of every approved transaction."""
        return sorted(
            (f"{at:%Y-%m-%d}", amount)
            for bill in self.bills(code)
            for at, amount, response in bill.tries
            if response == "approved"
        )

    def paid(self, code: str) -> list[tuple[str, Decimal]]:
        """The approved transactions above 0.00."""
        return [(day, amount) for day, amount in self.taken(code) if amount]


@contextmanager
def by_hand(plans: Iterable[Mapping[str, Any]], *, start: str, **product: Any) -> Iterator[ByHand]:
    """A mock with one product with these plans, and its clock stopped at `start`."""
    start = start if "T" in start else f"{start}T00:00:00Z"
    with serve(catalog(plans, **product), start=start) as server, http() as client:
        yield ByHand(server, client)


def http() -> httpx.Client:
    """A client for plain HTTP, without certificates. It closes idle connections before the server does."""
    limits = httpx.Limits(keepalive_expiry=1)
    return httpx.Client(auth=(USER, PASSWORD), trust_env=False, verify=False, timeout=60, limits=limits)


def catalog(plans: Iterable[Mapping[str, Any]], **product: Any) -> dict[str, Any]:
    return {
        "users": [{"email": USER, "password": PASSWORD}],
        "products": [{"code": PRODUCT, "secret": SECRET, "plans": [dict(plan) for plan in plans], **product}],
    }


def _bill(element: Any, told: Mapping[int, Mapping[str, Any]]) -> Bill:
    number = int(element.findtext("number"))
    lines = tuple(
        sorted(
            Line(
                charge.findtext("type"),
                charge.get("code"),
                Decimal(charge.findtext("quantity")),
                Decimal(charge.findtext("eachAmount")),
            )
            for charge in element.iter("charge")
        )
    )
    tries = tuple(
        sorted(
            (
                datetime.fromisoformat(made.findtext("transactedDatetime")),
                Decimal(made.findtext("amount")),
                made.findtext("response"),
            )
            for made in element.iter("transaction")
        )
    )
    return Bill(
        number,
        element.findtext("type"),
        datetime.fromisoformat(element.findtext("billingDatetime")),
        lines,
        Decimal(told[number]["tax"]),
        Decimal(told[number]["total"]),
        bool(element.findtext("paidTransactionId")),
        tries,
    )


def _flat(form: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    for name, value in form.items():
        key = f"{inside}[{name}]" if inside else name
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        elif value is not None:
            yield key, str(value)
