"""Large worlds: lists in pages, and totals that are kept as things change."""

from collections import Counter
from decimal import Decimal
from random import Random

import httpx

from tallyhook_mock import Mock, Server, serve
from tallyhook_mock.systems.cheddar.model import InvoiceState

from .loopback import EMAIL, PASSWORD, catalog, listening

CUSTOMERS = [{"code": f"C{number}", "planCode": "GLOW", "items": {"OIL": number}} for number in range(9)]


def counted(mock: Mock) -> tuple[dict[InvoiceState, int], dict[InvoiceState, Decimal], set[int]]:
    invoices = [
        invoice for customer in mock.state.customers(mock.product("LANTERN")) for invoice in customer.invoices
    ]
    totals = dict.fromkeys(InvoiceState, Decimal(0))
    for invoice in invoices:
        totals[invoice.state] += invoice.total
    counts = Counter(invoice.state for invoice in invoices)
    waiting = {invoice.id for invoice in invoices if invoice.is_outstanding}
    return {state: counts[state] for state in InvoiceState}, totals, waiting


def kept(mock: Mock) -> tuple[dict[InvoiceState, int], dict[InvoiceState, Decimal], set[int]]:
    mock.totals.refresh(mock.state)
    books = mock.totals.of(mock.product("LANTERN"))
    return books.counts, books.totals, set(books.waiting)


def test_what_is_kept_is_what_would_be_counted() -> None:
    chance = Random(3)
    with (
        listening(lambda _: chance.choice((200, 500))) as listener,
        serve(catalog(customers=CUSTOMERS), start="2026-01-01T00:00:00Z") as server,
        httpx.Client(base_url=f"{server.xml}/customers", auth=(EMAIL, PASSWORD)) as api,
    ):
        server.listen(listener.url, ["subscriptionBillable"])
        for turn in range(60):
            change(server, api, chance, turn)
            assert server.call(lambda: kept(server.mock)) == server.call(lambda: counted(server.mock))


def change(server: Server, api: httpx.Client, chance: Random, turn: int) -> None:
    code = f"C{chance.randrange(12)}"
    quantity = {"quantity": str(chance.randrange(9))}
    match chance.randrange(8):
        case 0:
            api.post(f"/set-item-quantity/productCode/LANTERN/code/{code}/itemCode/OIL", data=quantity)
        case 1:
            data = {"chargeCode": "X", "quantity": "1", "eachAmount": "-3.00"}
            api.post(f"/add-charge/productCode/LANTERN/code/{code}", data=data)
        case 2:
            api.post(f"/cancel/productCode/LANTERN/code/{code}")
        case 3:
            api.post(f"/run-outstanding/productCode/LANTERN/code/{code}")
        case 4 if turn > 40:
            api.post(f"/delete/productCode/LANTERN/code/{code}")
        case 5:
            if any(each["code"] == code for each in listed(server, "/customers")["customers"]):
                server.decline(code, 2)
        case _:
            server.advance("9d")


def listed(server: Server, path: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = httpx.get(f"{server.url}/_mock{path}").json()
    return found


def test_lists_have_pages() -> None:
    with serve(catalog(customers=CUSTOMERS), start="2026-01-01T00:00:00Z") as server:
        for path, what, key in (
            ("/customers", "customers", "code"),
            ("/customers/C1/invoices", "invoices", "number"),
        ):
            server.advance("40d")
            everything = [str(each[key]) for each in listed(server, path)[what]]
            found: list[str] = []
            given = "?limit=2"
            while given:
                answer = listed(server, path + given)
                assert len(answer[what]) <= 2
                found += [str(each[key]) for each in answer[what]]
                given = f"?limit=2&after={answer['next']}" if "next" in answer else ""
            assert found == everything
        for given in ("limit=0", "limit=x", "limit=10001", "after=nobody"):
            assert httpx.get(f"{server.url}/_mock/customers?{given}").status_code == 400
