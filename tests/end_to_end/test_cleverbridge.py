"""Cleverbridge's clients and the example program on the real mock."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallyhook import APIError, NoAnswer, NotFound, Unauthorized
from tallyhook.cleverbridge import (
    Alignment,
    AsyncClient,
    Client,
    SubscriptionStatus,
    UpdateResult,
    billable_quantity,
)
from tallyhook_mock import Server, serve
from tallyhook_mock.faults import Fault, FaultKind

PROGRAM = Path(__file__).parents[2] / "examples" / "cleverbridge_usage.py"
USER, PASSWORD = "ledger", "quill"


def subscription(id: str, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": id, "items": list(items), **fields}


BASE = {"productId": 101, "billingMode": "ADVANCE"}
EXCESS = {"productId": 102, "billingMode": "ARREARS"}
CATALOG = {
    "cleverbridge": {
        "users": [{"name": USER, "password": PASSWORD}],
        "products": [
            {"id": 101, "name": "Base usage, 500 GB", "price": "50.00"},
            {"id": 102, "name": "25 GB more", "price": "1.00"},
            {"id": 103, "name": "Base usage, 900 GB", "price": "80.00"},
        ],
        "coupons": [{"code": "TEN", "percent": "10"}],
        "subscriptions": [
            subscription("S1", BASE, EXCESS),
            subscription("S2", BASE, EXCESS, vatPercent="19"),
            subscription("S3", BASE, EXCESS, intervalLengthMonths=12),
            subscription("S4", BASE, EXCESS, reminderDays=2),
        ],
    }
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start="2026-03-17T00:00:00Z") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(USER, PASSWORD, base_url=server.url, backoff=0) as client:
        yield client


def totals(server: Server, id: str) -> list[str]:
    """The amounts billed for a subscription, oldest first."""
    shown = httpx.get(f"{server.url}/_mock/cleverbridge/subscriptions/{id}").json()
    return [bill["total"] for bill in reversed(shown["bills"])]


def run(server: Server, table: Path, now: str, *options: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "CLEVERBRIDGE_URL": server.url,
        "CLEVERBRIDGE_USER": USER,
        "CLEVERBRIDGE_PASSWORD": PASSWORD,
    }
    command = [sys.executable, str(PROGRAM), str(table), "--now", now, *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_50_then_58(server: Server, client: Client) -> None:
    assert totals(server, "S1") == ["50.00"]
    server.advance_to("2026-04-16T00:00:00Z")
    found = client.get_subscription("S1")
    quantity = billable_quantity(used=700, included=500, block=25)
    preview = client.update_subscription_item(found, found.item(2), quantity, preview=True)
    assert client.get_subscription("S1") == found
    assert prices(preview) == ["0.00", "58.00"]
    result = client.update_subscription_item("S1", 2, 8, product_id=102)
    assert prices(result) == ["None", "None"]  # only a preview has prices
    assert [item.quantity for item in client.get_subscription("S1").versions(2)] == [0, 8]
    server.advance_to("2026-04-17T00:00:00Z")
    assert totals(server, "S1") == ["50.00", "58.00"]


async def test_50_then_58_awaited(server: Server) -> None:
    async with AsyncClient(USER, PASSWORD, base_url=server.url, backoff=0) as client:
        found = await client.get_subscription("S1")
        await client.update_subscription_item(found, found.item(2), 8)
        assert (await client.get_subscription(found)).item(2).quantity == 8
    server.advance("1mo")
    assert totals(server, "S1") == ["50.00", "58.00"]


def prices(result: UpdateResult) -> list[str]:
    return [str(result.alignment_customer_gross_price), str(result.next_billing_customer_gross_price)]


@pytest.mark.parametrize(
    ("alignment", "now"),
    [
        (Alignment.AT_RENEWAL, Decimal("0.00")),
        (Alignment.NOW_PRORATED, None),
        (Alignment.NOW_EXTENDED, Decimal("78.69")),  # 119.00 less 21 of the 31 days that 59.50 paid for
    ],
)
def test_alignment(server: Server, client: Client, alignment: Alignment, now: Decimal | None) -> None:
    server.advance("10d")
    found = client.get_subscription("S2")
    preview = client.update_subscription_item(found, 1, 2, product_id=101, alignment=alignment, preview=True)
    assert totals(server, "S2") == ["59.50"]
    client.update_subscription_item(found, 1, 2, product_id=101, alignment=alignment)
    charged = preview.alignment_customer_gross_price
    assert charged is not None
    assert preview.alignment_customer_net_price + preview.alignment_customer_vat_price == charged
    assert charged == now if now is not None else 0 < charged < Decimal("59.50")
    assert preview.next_billing_customer_gross_price == Decimal("119.00")
    server.advance_to(client.get_subscription("S2").next_billing_date)
    at_once = [str(charged)] if charged else []
    assert totals(server, "S2") == ["59.50", *at_once, "119.00"]


def test_more_of_it_another_product_another_price(server: Server, client: Client) -> None:
    client.increase_subscription_item_quantity("S1", 1, 2)
    client.update_subscription_item_price(client.get_subscription("S1"), 2, Decimal("2.50"))
    client.update_subscription_item("S1", 2, 4, product_id=102)
    server.advance("1mo")
    assert totals(server, "S1") == ["50.00", "160.00"]
    client.update_subscription_item("S1", 1, 1, product_id=103, coupon_code="TEN")
    client.update_subscription_item("S1", 2, 0, product_id=102)
    server.advance("1mo")
    assert totals(server, "S1")[-1] == "72.00"
    assert client.get_subscription("S1").item(1).coupon_code == "TEN"


def test_the_other_calls(server: Server, client: Client) -> None:
    found = client.get_subscription("S1")
    (by_customer,) = client.get_subscriptions_for_customer(
        found.customer_id, status=SubscriptionStatus.ACTIVE
    )
    assert by_customer == found
    shown = httpx.get(f"{server.url}/_mock/cleverbridge/subscriptions/S1").json()
    (by_purchase,) = client.get_subscriptions_by_purchase(shown["bills"][0]["purchaseId"])
    assert by_purchase.id == "1"
    client.add_subscription_item(found, 103, 1, price="12.50", alignment=Alignment.NOW_PRORATED)
    assert client.get_subscription("S1").item(3).next_billing_customer_net_price == Decimal("12.50")
    client.deactivate_subscription_items("S1", 1, 2)
    assert [item.is_active for item in client.get_subscription("S1").current_items] == [False, False, True]
    client.reinstate_subscription_items("S1", 2)
    client.update_next_billing_date("S1", datetime(2026, 5, 1, tzinfo=UTC))
    renewal = client.renew_subscription("S1", reset_billing_interval=True)
    assert (renewal.transaction_status, renewal.next_billing_date) == (
        "Success",
        datetime(2026, 4, 17, tzinfo=UTC),
    )
    assert totals(server, "S1") == ["50.00", "12.50", "12.50"]


def test_refusals_change_nothing(server: Server, client: Client) -> None:
    before = client.get_subscription("S1")
    for status, named, number, product, coupon in (
        (404, "S999", 1, 101, None),
        (402, "S1", 9, 101, None),
        (404, "S1", 1, 999, None),
        (402, "S1", 1, 101, "NONE"),
    ):
        with pytest.raises(APIError) as caught:
            client.update_subscription_item(named, number, 2, product_id=product, coupon_code=coupon)
        assert caught.value.message
        assert caught.value.status == status
    with pytest.raises(NotFound):
        client.get_subscriptions_for_customer(customer_email="nobody@nowhere.example")
    for refused in (
        lambda: client.update_subscription_item_price("S1", 1, 9, currency="USD"),
        lambda: client.update_subscription_item(
            before, 1, 0, product_id=101, alignment=Alignment.NOW_PRORATED
        ),
        lambda: client.deactivate_subscription_items("S1", 1, 2),
    ):
        with pytest.raises(APIError, match="402"):
            refused()
    assert client.get_subscription("S1") == before
    with Client(USER, "wrong", base_url=server.url) as stranger, pytest.raises(Unauthorized):
        stranger.get_subscription("S1")


@pytest.mark.parametrize("id", [5001, "5001", "05001", " 5001 ", "0005001\n"])
def test_a_customer_id_is_a_number(client: Client, id: int | str) -> None:
    """As an export or a spreadsheet writes it."""
    (found,) = client.get_subscriptions_for_customer(id)
    assert found.customer_id == "5001"


def test_lost_answers(server: Server, client: Client) -> None:
    update, increase = "subscription/updatesubscriptionitem", "subscription/increasesubscriptionitemquantity"
    for kind in (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.TRUNCATE):
        server.fault(Fault(kind, action=update))
    client.update_subscription_item("S1", 2, 8, product_id=102)
    assert client.get_subscription("S1").item(2).quantity == 8
    server.fault(Fault(FaultKind.DROP_AFTER, action=increase))
    with pytest.raises(NoAnswer) as caught:
        client.increase_subscription_item_quantity("S1", 2, 1)
    assert caught.value.maybe_applied
    server.fault(Fault(FaultKind.DROP_AFTER, action=update))
    with pytest.raises(NoAnswer):
        client.update_subscription_item("S1", 1, 2, product_id=101, alignment=Alignment.NOW_PRORATED)
    assert totals(server, "S1") == ["50.00", "50.00"]
    server.advance("1mo")
    assert totals(server, "S1")[-1] == "109.00"


USAGE = """subscription,item,used,included,block
S1,2,700,500,25
S2,2,500,500,25
S3,2,700,500,25
S4,2,700,500,25
S9,2,700,500,25
S1,7,700,500,25
S8,2,lots,500,25
"""
TOO_LATE = "too late: what arrives after 2026-04-15 00:00 counts for the renewal after"


def test_the_program_bills_what_renews_tomorrow(server: Server, client: Client, tmp_path: Path) -> None:
    table = tmp_path / "usage.csv"
    table.write_text(USAGE)
    now = "2026-04-16T06:00:00Z"
    server.advance_to(now)
    rehearsal = run(server, table, now, "--dry-run")
    assert client.get_subscription("S1").item(2).quantity == 0
    title, head, *lines = rehearsal.stdout.splitlines()
    assert (title, head) == ("usage on 2026-04-16, dry run", "  subscription  item  used  quantity")
    assert [line.split(maxsplit=4) for line in lines[:-1]] == [
        ["S1", "2", "700", "8", "would bill 58.00 EUR tomorrow"],
        ["S2", "2", "500", "0", "as it is"],
        ["S3", "2", "700", "8", "left alone: renews 2027-03-17"],
        ["S4", "2", "700", "8", f"failed: {TOO_LATE}"],
        ["S9", "2", "700", "8", "failed: 404 There is no subscription 'S9'"],
        ["S1", "7", "700", "8", "failed: 1 has no item 7"],
    ]
    assert lines[-1].split(maxsplit=3) == ["S8", "2", "lots", "failed: used must be a number"]
    done = run(server, table, now)
    assert (rehearsal.returncode, done.returncode) == (1, 1)
    assert done.stdout.splitlines()[2] == "  S1            2      700         8  bills 58.00 EUR tomorrow"
    again = run(server, table, now)
    assert again.stdout.splitlines()[2] == "  S1            2      700         8  as it is"
    assert (done.stderr, again.stderr) == ("", "")
    server.advance_to("2026-04-17T00:00:00Z")
    assert totals(server, "S1") == ["50.00", "58.00"]
    assert totals(server, "S2") == ["59.50", "59.50"]
    assert totals(server, "S4") == ["50.00", "50.00"]

    # The quantity stays on the item after it was billed, so 0 must be sent too.
    table.write_text("subscription,item,used,included,block\nS1,2,480,500,25\n")
    later = run(server, table, "2026-05-16T06:00:00Z")
    assert (later.returncode, later.stdout.splitlines()[2]) == (
        0,
        "  S1            2      480         0  bills 50.00 EUR tomorrow",
    )
    server.advance_to("2026-05-17T00:00:00Z")
    assert totals(server, "S1") == ["50.00", "58.00", "50.00"]


def test_the_program_sets_no_item_twice(server: Server, client: Client, tmp_path: Path) -> None:
    table = tmp_path / "usage.csv"
    lines = "S1,2,700,500,25\nS1,2,600,500,25\nS2,2,700,500,25\n"
    table.write_text(f"\ufeffsubscription,item,used,included,block\n{lines}", encoding="utf-8")
    ended = run(server, table, "2026-04-16T06:00:00Z")
    assert [line.split(maxsplit=3)[3] for line in ended.stdout.splitlines()[2:4]] == [
        "failed: this item has more than one line"
    ] * 2
    assert ended.returncode == 1
    assert [client.get_subscription(name).item(2).quantity for name in ("S1", "S2")] == [0, 8]


def test_the_program_says_what_it_misses(server: Server, tmp_path: Path) -> None:
    table = tmp_path / "usage.csv"
    table.write_text("subscription,used\nS1,700\n")
    for file, said in (
        (table, "has no column block, included, item"),
        (tmp_path / "none.csv", "No such file"),
    ):
        ended = run(server, file, "2026-04-16T06:00:00Z")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
