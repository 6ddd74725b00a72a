"""The real client on the real mock, with the bytes of each answer."""

from collections.abc import Sequence
from typing import Any

import httpx
from lxml import etree
from tests import writing
from tests.end_to_end import likeness

from tallyhook import Client, Customer, NotFound, PaymentInput
from tallyhook_mock import Server

USER, PASSWORD, SECRET = "books@dovecote.example", "grain", "coo"


def card(**changes: Any) -> PaymentInput:
    """A card that is valid until the end of 2031."""
    fields = {
        "cc_number": "4111111111111111",
        "cc_expiration": "12/2031",
        "cc_first_name": "Ada",
        "cc_last_name": "Dove",
        "cc_zip": "90210",
    }
    return PaymentInput(**(fields | changes))


PAYPAL = PaymentInput(
    method="paypal",
    cc_first_name="Ada",
    cc_last_name="Dove",
    return_url="https://dovecote.example/back",
    cancel_url="https://dovecote.example/no",
)


class Recorder(httpx.HTTPTransport):
    """Keeps the bytes of the last answer."""

    body = b""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        self.body = response.read()
        return response


class Wire:
    """A client of one product, and checks for every document that it gets."""

    def __init__(self, server: Server, product: str) -> None:
        self.server = server
        self._transport = Recorder(verify=False)  # plain HTTP, so don't load certificates
        self.client = Client(product, USER, PASSWORD, base_url=server.xml, transport=self._transport)
        self._product = product

    @property
    def body(self) -> bytes:
        """The last answer."""
        return self._transport.body

    def look(self) -> tuple[tuple[Customer, ...], bytes]:
        """All customers, and their document, after all due hooks were tried."""
        self.server.settle()
        try:
            return self.client.get_customers(), self._transport.body
        except NotFound:
            return (), b""

    def check(self, found: Sequence[Customer], body: bytes) -> None:
        """The document agrees with the engine, and is the same when written again."""
        if found:
            check_writing(found, body)
        self.check_likeness(found)

    def customer(self, code: str) -> Customer:
        """One customer, after checking the document."""
        found = self.client.get_customer(code)
        self.check([found], self._transport.body)
        return found

    def check_likeness(self, found: Sequence[Customer]) -> None:
        """The documents agree with the engine in every value."""
        for customer in found:
            engine, at = self.server.customer(customer.code, self._product), self.server.now
            assert likeness.plain(customer) == likeness.plain(likeness.customer(engine, at))
            told = customer.subscription
            shown = tuple(
                invoice.number if invoice else None
                for invoice in (told.current_invoice, told.outstanding_invoice)
            )
            assert shown == likeness.addressed(engine.subscription)


def canonical(body: bytes) -> bytes:
    indented = etree.XMLParser(remove_blank_text=True)
    return etree.tostring(etree.fromstring(body, indented), method="c14n")


def check_writing(models: Sequence[Any], body: bytes) -> None:
    """The models, when written again, give the same document."""
    assert canonical(writing.document(*models)) == canonical(body)
