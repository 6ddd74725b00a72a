"""Records the demo's events in order: calls with their answers, hooks and executions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

import httpx

from tallyhook_mock.core import ids
from tallyhook_mock.mock import Mock
from tallyhook_mock.timeline import DELIVERED, NOT_DELIVERED

__all__ = ["Line", "Record", "Recorder"]

# The wording for the mock's own actions. The effects of calls are recorded with the calls.
_TOLD = {
    "subscriptionBillable": "invoice #{invoice} is due: held for review, hook sent",
    "released": "every hook is acknowledged: invoice #{invoice} runs in an hour",
    "transaction": "invoice #{invoice} executed: {note}",
}
_SHOWN = ("itemCode", "chargeCode", "quantity", "eachAmount", "invoicePeriod")


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `at` is the mock's time. `answer` is an HTTP status, or empty if the event has none."""

    at: datetime
    who: str
    customer: str
    text: str
    answer: str = ""


class Record:
    """The events so far. `call` adds an answered call, and `catch_up` adds what the mock did on its own."""

    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self.lines: list[Line] = []
        self._seen: dict[str, int] = {}

    def call(self, who: str, customer: str, text: str, answer: str) -> None:
        self.catch_up()
        self.lines.append(Line(self.mock.clock.now(), who, customer, text, answer))

    def catch_up(self) -> None:
        """Add what the mock has done on its own since the last `catch_up`, from the customers' timelines."""
        new: list[Line] = []
        for product in self.mock.state.products.values():
            for customer in self.mock.state.customers(product):
                entries = tuple(self.mock.timeline.entries(customer.code, product=product.code))
                for entry in entries[self._seen.get(customer.code, 0) :]:
                    if entry.kind in (DELIVERED, NOT_DELIVERED):
                        answer = entry.note.rpartition(" ")[2]
                        text = "hook answered" + ("" if answer[:1] == "2" else ": the invoice stays held")
                        new.append(Line(entry.at, "mock", customer.code, text, answer))
                    elif entry.kind in _TOLD:
                        text = _TOLD[entry.kind].format(invoice=entry.invoice, note=entry.note)
                        new.append(Line(entry.at, "mock", customer.code, text))
                self._seen[customer.code] = len(entries)
        self.lines += sorted(new, key=lambda line: line.at)


class Recorder(httpx.AsyncBaseTransport):
    """An HTTP transport for the SDK's client. It records every call."""

    def __init__(self, network: httpx.AsyncBaseTransport, record: Record, who: str) -> None:
        self._network = network
        self._record = record
        self._who = who

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._network.handle_async_request(request)
        sent = dict(request.url.params) | dict(parse_qsl(request.content.decode()))
        shown = [sent[name] for name in _SHOWN if name in sent]
        text = " ".join([request.url.path.removeprefix("/xml/"), *shown])
        self._record.call(self._who, self._customer(sent), text, str(response.status_code))
        return response

    def _customer(self, sent: Mapping[str, str]) -> str:
        if "code" in sent:
            return sent["code"]
        (product,) = self._record.mock.state.products.values()
        return self._record.mock.state.customer_by_id(product, ids.parse(sent["id"])).code

    async def aclose(self) -> None:
        await self._network.aclose()
