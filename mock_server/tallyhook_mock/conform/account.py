"""Calls the API for the examined product, and reads the XML documents in the answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle

import httpx
from lxml import etree

__all__ = ["Account", "Answer", "Charge", "Customer", "Invoice", "Payment", "Unusable"]

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)


class Unusable(Exception):
    """The service or the account can't be examined. The message says why."""


@dataclass(frozen=True, slots=True)
class Charge:
    code: str
    type: str
    quantity: Decimal
    each_amount: Decimal

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.each_amount


@dataclass(frozen=True, slots=True)
class Payment:
    """A transaction on an invoice."""

    amount: Decimal
    is_approved: bool
    at: datetime


class Invoice:
    """An `<invoice>` element."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @property
    def number(self) -> str:
        return _text(self.element, "number")

    @property
    def type(self) -> str:
        return _text(self.element, "type")

    @property
    def billing_at(self) -> datetime:
        return _moment(_text(self.element, "billingDatetime"))

    @property
    def is_paid(self) -> bool:
        return bool(_text(self.element, "paidTransactionId"))

    @property
    def charges(self) -> list[Charge]:
        return [
            Charge(
                each.get("code", ""),
                _text(each, "type"),
                Decimal(_text(each, "quantity") or 0),
                Decimal(_text(each, "eachAmount") or 0),
            )
            for each in self.element.iterfind("charges/charge")
        ]

    @property
    def credits(self) -> list[Charge]:
        return [charge for charge in self.charges if charge.each_amount < 0]

    @property
    def payments(self) -> list[Payment]:
        """The transactions on the invoice, oldest first."""
        made = (
            Payment(
                Decimal(_text(each, "amount") or 0),
                _text(each, "response") == "approved",
                _moment(_text(each, "transactedDatetime")),
            )
            for each in self.element.iterfind("transactions/transaction")
        )
        return sorted(made, key=lambda payment: payment.at)

    @property
    def collected(self) -> Decimal:
        return sum((made.amount for made in self.payments if made.is_approved), Decimal(0))


class Customer:
    """A `<customer>` element."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @property
    def code(self) -> str:
        return self.element.get("code", "")

    @property
    def email(self) -> str:
        return _text(self.element, "email")

    @property
    def created(self) -> datetime:
        return _moment(_text(self.element, "createdDatetime"))

    @property
    def is_canceled(self) -> bool:
        return bool(_text(self.element, "subscriptions/subscription/canceledDatetime"))

    @property
    def gateway(self) -> str:
        return _text(self.element, "subscriptions/subscription/gatewayAccount/gateway")

    @property
    def invoices(self) -> list[Invoice]:
        """The invoices of all the customer's subscriptions, highest number first."""
        found = map(Invoice, self.element.iterfind("subscriptions/subscription/invoices/invoice"))
        return sorted(found, key=lambda invoice: int(invoice.number), reverse=True)

    @property
    def paid(self) -> list[Invoice]:
        return [invoice for invoice in self.invoices if invoice.is_paid]

    @property
    def pending(self) -> Invoice:
        """The unpaid subscription invoice with the latest bill date. Raises LookupError if there is none."""
        unpaid = [each for each in self.invoices if not each.is_paid and each.type == "subscription"]
        if not unpaid:
            raise LookupError(f"{self.code} has no pending invoice")
        return max(unpaid, key=lambda invoice: invoice.billing_at)

    def quantity(self, item: str) -> Decimal:
        for each in self.element.iterfind("subscriptions/subscription/items/item"):
            if each.get("code") == item:
                return Decimal(_text(each, "quantity") or 0)
        raise LookupError(f"{self.code} has no item {item}")

    def meta_data(self) -> dict[str, str]:
        entries = self.element.iterfind("metaData/metaDatum")
        return {_text(each, "name"): _text(each, "value") for each in entries}


@dataclass(frozen=True)
class Answer:
    """The answer to an API call."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def root(self) -> etree._Element:
        try:
            return etree.fromstring(self.text.encode(), _PARSER)
        except etree.XMLSyntaxError as error:
            raise Unusable(f"an answer with HTTP {self.status} is not XML: {error}") from None

    @property
    def error(self) -> str:
        """The error, such as `412 amount:notAllowed: A void is for the whole amount`. Empty if none."""
        if self.is_success:
            return ""
        found = next(self.root.iter("error"), None)
        if found is None:
            return f"{self.status}"
        return ": ".join(filter(None, (f"{self.status} {found.get('auxCode', '')}".strip(), found.text)))

    def is_refusal_of(self, field: str) -> bool:
        """Return whether the call was refused with a 412, and not for another field than this one."""
        found = next(self.root.iter("error"), None) if self.status == 412 else None
        if found is None:
            return False
        name, colon, _ = found.get("auxCode", "").partition(":")
        return not colon or name.rpartition("[")[2].removesuffix("]") == field

    @property
    def customers(self) -> Iterator[Customer]:
        return map(Customer, self.root.iterfind("customer"))

    @property
    def customer(self) -> Customer:
        """The first customer in the answer. Raises LookupError if there is none."""
        for customer in self.customers:
            return customer
        raise LookupError(f"the answer has no customer: {self.text[:200]}")


class Account:
    """Calls the API for one product, without retries.

    `http` is the HTTP client to use. The caller closes it.
    """

    def __init__(self, http: httpx.Client, base_url: str, product: str, user: str, password: str) -> None:
        self.base_url, self.product, self.user = base_url.rstrip("/"), product, user
        self._http = http
        self._auth = httpx.BasicAuth(user, password)
        # Cheddar may refuse a POST that equals the previous one (documented), so `remoteAddress` varies.
        self._addresses = cycle(f"198.51.100.{host}" for host in range(1, 255))

    def call(self, action: str, fields: Mapping[str, str] | None = None) -> Answer:
        """Make a call such as `customers/new`. Raises Unusable if there is no answer, or access is denied."""
        url = f"{self.base_url}/{action}/productCode/{self.product}"
        data = {"productCode": self.product, "remoteAddress": next(self._addresses), **(fields or {})}
        try:
            response = self._http.post(url, data=data, auth=self._auth)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise Unusable(f"no answer from {self.base_url}: {why}") from None
        answer = Answer(response.status_code, response.text)
        if answer.status == 401:
            raise Unusable(
                f"{self.base_url} refuses {self.user} ({_told(answer)}): check the user, the password"
                f" and the product {self.product}"
            )
        return answer

    def customers(self) -> list[Customer]:
        """Return all the product's customers. Raises Unusable if the server does not answer like Cheddar."""
        answer = self.call("customers/get")
        if answer.status == 404 and "No customers found" in answer.text:
            return []
        if not answer.is_success or answer.root.tag != "customers":
            raise Unusable(f"{self.base_url} does not list customers as Cheddar does: {_told(answer)}")
        return list(answer.customers)


def _told(answer: Answer) -> str:
    try:
        return answer.error or f"HTTP {answer.status}"
    except Unusable:
        return f"HTTP {answer.status}"


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _moment(written: str) -> datetime:
    """Parse a date and time in ISO 8601, in UTC by default. Raises ValueError if the text is invalid."""
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
