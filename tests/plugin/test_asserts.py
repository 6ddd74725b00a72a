"""What a failed assert says."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest

from tallyhook import AsyncClient, Client
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar, CheddarServer

from .apps import asgi, auditing


@pytest.fixture(autouse=True)
def subscribed(cheddar: Cheddar) -> None:
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
    cheddar.customer("C1", plan="PRO")


def said(check: Callable[[], None]) -> str:
    with pytest.raises(AssertionError) as caught:
        check()
    return re.sub(r"\(ref [0-9a-f]{10}\)", "(ref …)", str(caught.value))


def test_the_bill_the_hooks_and_the_life(cheddar: Cheddar, async_client: AsyncClient) -> None:
    cheddar.listener(auditing(cheddar, async_client).asgi, events=["subscriptionBillable"])
    cheddar.bill("C1")
    assert (
        said(lambda: cheddar.assert_billed("C1", "58.00"))
        == """\
C1 was billed 56.00, not 58.00: 2.00 too little

invoice #2 of C1, 2026-01-01 00:00 to 2026-02-01 00:00, plan PRO: paid 2026-02-01 01:00
  code           quantity   each  amount
  PRO_RECURRING         1  50.00   50.00  plan PRO
  GB                    8   1.00    8.00  508 used, 500 included
  SORRY                 1  -2.00   -2.00  slow on the 16th (ref …), added 2026-02-01 00:00 by ops@example.com
  total                            56.00

its hooks
  2026-02-01 00:00:00  subscriptionBillable to http://testserver/hooks  200

what happened
  2026-01-01 00:00:00  transaction           #1  50.00  50.00 approved
  2026-01-01 00:00:00  newSubscription       #1
  2026-02-01 00:00:00  subscriptionBillable  #2         50.00 held       system
  2026-02-01 00:00:00  usage                 #2         GB = 508         ops@example.com
  2026-02-01 00:00:00  charge                #2  -2.00  SORRY 1 × -2.00  ops@example.com
  2026-02-01 00:00:00  released              #2                          system
  2026-02-01 01:00:00  transaction           #2  56.00  56.00 approved   system"""
    )


def test_a_hook_that_is_not_acknowledged(cheddar: Cheddar) -> None:
    async def work(hook: dict[str, Any]) -> int:
        return 500

    cheddar.fault(Fault(FaultKind.LOSE_ANSWER, customer="C1"))
    cheddar.listener(asgi(work), events=["subscriptionBillable"])
    cheddar.bill("C1", within="10min")
    text = said(lambda: cheddar.assert_billed("C1", "50.00"))
    assert text.startswith("C1 was not billed 50.00: the invoice of 50.00 is held\n\ninvoice #2 of C1, ")
    assert (
        """
its hooks
  2026-02-01 00:00:00  subscriptionBillable to http://testserver/hooks  no answer     {}
  2026-02-01 00:01:00  subscriptionBillable to http://testserver/hooks  500
  2026-02-01 00:06:00  and 1 more up to here                            500
  2026-02-01 00:21:00  subscriptionBillable to http://testserver/hooks  next attempt
""".format("the answer was lost (fault loseAnswer)")
        in text
    )
    assert "plan PRO: held, as its hooks are not all acknowledged\n" in text
    assert said(lambda: cheddar.assert_acknowledged("C1")).startswith(
        "1 of 1 subscriptionBillable hooks about C1 are not acknowledged\n"
    )
    assert said(lambda: cheddar.assert_released("C1")).startswith("1 of 1 subscriptionBillable hooks ")
    assert said(lambda: cheddar.assert_acknowledged("C1", "billReminder")).startswith(
        "no billReminder hook was sent about C1\n"
    )
    cheddar.assert_held("C1")


def test_usage_in_the_wrong_period(cheddar: Cheddar, client: Client) -> None:
    cheddar.bill("C1")
    client.set_item_quantity("C1", "GB", 508)
    text = said(lambda: cheddar.assert_quantity("C1", "GB", 508))
    assert text.startswith("invoice #2 of C1 counts 0 GB, not 508\n")
    assert "  GB: 0 used, 500 included\n" in text
    assert "  the current period, invoice #3, counts GB 508\n" in text
    assert "\n\nno listener was notified\n\n" in text
    assert said(lambda: cheddar.assert_quantity("C1", "TB", 1)).startswith(
        "invoice #2 of C1 counts no TB: plan PRO tracks GB\n"
    )


def test_a_charge_that_is_there_twice(cheddar: Cheddar, client: Client) -> None:
    for _ in range(2):
        client.add_charge("C1", "SETUP", 1, Decimal("5.00"), "a visit")
    client.add_charge("C1", "SORRY", 1, Decimal("-1.50"))
    cheddar.assert_charged("C1", "SETUP", "5.00", times=2, current=True)
    cheddar.assert_credited("C1", "SORRY", "1.50", current=True)
    cheddar.assert_charged("C1", "SETUP", "5.01", times=0, current=True)
    text = said(lambda: cheddar.assert_charged("C1", "SETUP", "5.00", current=True))
    first, *rest = text.splitlines()
    assert (
        first
        == "invoice #2 of C1 has SETUP as a charge of 5.00 2 times, not once; with this code: 5.00, 5.00"
    )
    assert (
        "  SETUP                 1   5.00    5.00  a visit, added 2026-01-01 00:00 by ops@example.com" in rest
    )
    assert said(lambda: cheddar.assert_credited("C1", "SORRY", "1.50")).startswith(
        "invoice #1 of C1 has SORRY as a credit of 1.50 0 times, not once; with this code: none\n"
    )


def test_nothing_was_billed_yet(cheddar: Cheddar) -> None:
    cheddar.plan("LATER", price="9.00", trial_days=30)
    cheddar.customer("C2", plan="LATER")
    assert said(lambda: cheddar.assert_billed("C2", "9.00")).startswith(
        "C2 was billed nothing yet, not 9.00\n"
    )
    assert said(lambda: cheddar.assert_held("C2")).startswith("C2 has no bill yet: nothing is held\n")
    assert said(lambda: cheddar.assert_held("C1")).startswith("invoice #1 of C1 is paid, not held\n")
    assert said(lambda: cheddar.assert_charged("C2", "X", 1)).startswith("C2 has no bill yet\n")
    cheddar.plan("ONCE", price="9.00", items={"GB": {"overage": "1.00"}}, billing_frequency="none")
    cheddar.customer("C3", plan="ONCE")
    assert said(lambda: cheddar.assert_quantity("C3", "GB", 0, current=True)).startswith(
        "C3 has no open invoice\n"
    )


def test_a_decline_and_a_tax(cheddar: Cheddar) -> None:
    cheddar.customer("C3", plan="PRO", tax_rate="0.19")
    cheddar.decline("C3")
    cheddar.bill("C3")
    text = said(lambda: cheddar.assert_billed("C3", "59.50"))
    assert text.startswith("C3 was not billed 59.50: the invoice of 59.50 is unpaid\n")
    assert "plan PRO: unpaid: " in text
    assert "  tax                               9.50\n" in text
    cheddar.advance("3d")
    cheddar.assert_billed("C3", Decimal("59.5"))


def test_amounts_are_exact(cheddar: Cheddar) -> None:
    with pytest.raises(TypeError, match="binary fraction"):
        cheddar.assert_billed("C1", 50.0)  # type: ignore[arg-type] # a slip
    with pytest.raises(ValueError, match="'5,00' is not an amount such as"):
        cheddar.assert_billed("C1", "5,00")
    with pytest.raises(LookupError, match="no customer C9"):
        cheddar.assert_billed("C9", "50.00")


def test_a_long_life_is_cut(cheddar: Cheddar, client: Client) -> None:
    for used in range(1, 20):
        client.set_item_quantity("C1", "GB", used)
    text = said(lambda: cheddar.assert_quantity("C1", "GB", 20, current=True))
    assert "\nthe last 12 of what happened\n" in text
    assert text.count(" usage ") == 12


def test_a_hook_that_was_given_up_is_not_acknowledged(cheddar_server: CheddarServer) -> None:
    cheddar_server.plan("PRO", price="50.00")
    cheddar_server.customer("C2", plan="PRO")

    async def work(hook: dict[str, Any]) -> int:
        return 500

    cheddar_server.listener(asgi(work), events=["subscriptionBillable"])
    cheddar_server.bill("C2", within="10min")
    mock = f"{cheddar_server.url}/_mock/hooks"
    (hook,) = httpx.get(mock, params={"customer": "C2"}).json()["hooks"]
    httpx.post(f"{mock}/{hook['id']}/cancel").raise_for_status()
    cheddar_server.bill("C2")
    cheddar_server.assert_billed("C2", "50.00")
    for check in (cheddar_server.assert_acknowledged, cheddar_server.assert_released):
        assert said(partial(check, "C2")).startswith(
            "1 of 1 subscriptionBillable hooks about C2 are not acknowledged\n"
        )


def test_what_could_never_fail_is_refused(cheddar: Cheddar, client: Client) -> None:
    client.add_charge("C1", "FEE", 1, Decimal("1.50"))
    for misspelt in ("customers/addcharge", "customer/add-charge", "add-charge"):
        for check in (cheddar.assert_called, cheddar.assert_not_called):
            with pytest.raises(ValueError, match="did you mean 'customers/add-charge'"):
                check(misspelt)
        with pytest.raises(ValueError, match="there is no call"):
            cheddar.assert_called(misspelt, times=0)
    for amount in ("NaN", "Infinity", "sNaN", "five", ""):
        with pytest.raises(ValueError, match="not an amount"):
            cheddar.assert_charged("C1", "FEE", amount, times=0, current=True)
    for amount in ("-1.50", "0"):
        with pytest.raises(ValueError, match="above 0"):
            cheddar.assert_credited("C1", "FEE", amount, current=True)
