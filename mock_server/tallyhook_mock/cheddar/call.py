"""One call as its handler sees it: signed in, on a product, at a moment, with its parameters."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from tallyhook_mock.cheddar.documents import customers_document
from tallyhook_mock.cheddar.parameters import Parameters
from tallyhook_mock.engine import ids
from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.invoice import Invoice
from tallyhook_mock.engine.cheddar.product import Product
from tallyhook_mock.engine.cheddar.refusal import not_found
from tallyhook_mock.engine.cheddar.state import State
from tallyhook_mock.engine.record import Record

__all__ = ["Call", "Handler"]


class Call(Record, frozen=True):
    state: State
    product: Product
    parameters: Parameters
    at: datetime
    origin: str  # where the caller sees this server: `http://HOST:PORT`
    zone: tzinfo = UTC  # in which the caller's dates are read

    def customer(self) -> Customer:
        """The customer of the call, by id or else by code."""
        if written := self.parameters.whom("id"):
            return self.state.customer_by_id(self.product, ids.parse(written))
        return self.state.customer(self.product, self.parameters.whom("code"))

    def invoice(self) -> Invoice:
        """The invoice of the call, by id or else by number."""
        if written := self.parameters.text("id"):
            return self.state.invoice_by_id(self.product, ids.parse(written))
        if number := self.parameters.text("number"):
            return self.invoice_numbered(number)
        raise self.parameters.invalid("number", "isEmpty", "A value is required")

    def invoice_numbered(self, number: str) -> Invoice:
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise not_found("Invoice not found")  # inferred text
        return self.state.invoice_by_number(self.product, int(number))

    @property
    def is_outstanding(self) -> bool:
        """Which invoice is meant: anything but `outstanding` addresses the current one (documented)."""
        return self.parameters.text("invoicePeriod") == "outstanding"

    def answer(self, customer: Customer) -> str:
        """The document that answers every call on a customer or an invoice."""
        return customers_document((customer,), self.at)


Handler: TypeAlias = Callable[[Call], str]
