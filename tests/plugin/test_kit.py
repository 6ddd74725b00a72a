"""A period played to its end in process, by each kind of listener."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tallyhook import AsyncClient, ChargeInput, Client, InvoicePeriod, NoAnswer
from tallyhook_mock import CatalogError, Fault, FaultKind
from tallyhook_mock.catalog.table import known
from tallyhook_mock.systems.cheddar.catalog import CustomerTable, ItemTable, PlanTable
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES
from tallyhook_mock.testing import Cheddar, HookType
from tallyhook_mock.testing.terms import CustomerFields, PlanFields, customer_table, plan_table

from .apps import asgi, auditing, wsgi


@pytest.fixture(autouse=True)
def subscribed(cheddar: Cheddar) -> None:
    cheddar.plan("PRO", price="50.00", items={"GB": {"overage": "1.00", "included": 500}})
    cheddar.customer("C1", plan="PRO")


# -- listeners


def test_an_asgi_listener(cheddar: Cheddar, async_client: AsyncClient) -> None:
    cheddar.listener(auditing(cheddar, async_client).asgi)
    bill = cheddar.bill("C1")
    assert (bill.state, bill.total, bill.quantities["GB"]) == ("paid", Decimal("56.00"), Decimal(508))
    assert cheddar.now == datetime(2026, 2, 1, 1, tzinfo=UTC)
    cheddar.assert_billed("C1", "56.00")
    assert [each.state for each in cheddar.bills("C1")] == ["paid", "paid", "open"]


def test_a_listener_within_a_framework(cheddar: Cheddar, async_client: AsyncClient) -> None:
    receiver = auditing(cheddar, async_client)
    began: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        began.append("begun")
        async with receiver:
            yield {"of": "the lifespan"}
        began.append("ended")

    async def state(request: Request) -> Response:
        return Response(request.state.of)

    routes = [Mount("/cheddar", receiver.asgi), Route("/state", state, methods=["POST"])]
    address = cheddar.listener(Starlette(routes=routes, lifespan=lifespan), "/cheddar/hooks")
    assert (address, began) == ("http://testserver/cheddar/hooks", ["begun"])
    cheddar.bill("C1")
    cheddar.assert_billed("C1", "56.00")


def test_a_wsgi_listener(cheddar: Cheddar, client: Client) -> None:
    threads = set()

    def work(hook: dict[str, Any]) -> str:
        threads.add(threading.current_thread())
        if hook["activityType"] == "subscriptionBillable":
            client.set_item_quantity("C1", "GB", 507, invoice_period=InvoicePeriod.OUTSTANDING)
        return "204 No Content"

    cheddar.listener(wsgi(work), "/hooks/cheddar/")
    cheddar.bill("C1")
    cheddar.assert_billed("C1", "57.00")
    assert threading.main_thread() not in threads
    (hook,) = cheddar.hooks("subscriptionBillable", "C1")
    assert hook.deliveries[0].attempts[0].answer == "/hooks/cheddar/"


def test_a_listener_that_blocks_its_loop_is_answered(cheddar: Cheddar, client: Client) -> None:
    async def work(hook: dict[str, Any]) -> int:
        client.set_item_quantity("C1", "GB", 501, invoice_period=InvoicePeriod.OUTSTANDING)
        return 200

    cheddar.listener(asgi(work), events=["subscriptionBillable"])
    cheddar.bill("C1")
    cheddar.assert_billed("C1", "51.00")


async def test_a_listener_in_the_loop_of_the_test(cheddar: Cheddar, async_client: AsyncClient) -> None:
    here, ran_in = asyncio.get_running_loop(), []
    receiver = auditing(cheddar, async_client)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran_in.append(asyncio.get_running_loop())
        await receiver.asgi(scope, receive, send)

    async with cheddar.listening(app):
        with pytest.raises(RuntimeError, match="abill"):
            cheddar.bill("C1")
        await cheddar.abill("C1")
    cheddar.assert_billed("C1", "56.00")
    assert set(ran_in) == {here}
    await cheddar.aadvance("1mo")  # nobody is there: the hook waits, and the invoice with it
    cheddar.assert_held("C1")
    async with cheddar.listening(auditing(cheddar, async_client).asgi):
        assert (await cheddar.abill("C1")).number == 3
    cheddar.assert_billed("C1", "56.00")


async def test_a_listener_apart_in_an_async_test(cheddar: Cheddar, async_client: AsyncClient) -> None:
    cheddar.listener(auditing(cheddar, async_client).asgi)
    await cheddar.abill("C1")
    cheddar.assert_billed("C1", "56.00")
    cheddar.bill("C1")  # nothing waits for itself
    customer = await async_client.get_customer("C1")
    assert len(customer.subscription.invoices) == 4


async def test_several_customers_at_once(cheddar: Cheddar, async_client: AsyncClient) -> None:
    for number in range(2, 12):
        cheddar.customer(f"C{number}", plan="PRO")
    cheddar.listener(auditing(cheddar, async_client).asgi)
    await cheddar.abill("C11")
    for number in range(1, 12):
        cheddar.assert_billed(f"C{number}", "56.00")


def test_a_listener_that_is_served(cheddar: Cheddar) -> None:
    with pytest.raises(ValueError, match="not on this machine; hand in the application itself"):
        cheddar.listener("https://listener.example/hooks")
    cheddar.listener("http://127.0.0.1:9/hooks")
    cheddar.bill("C1", within="1min")
    cheddar.assert_held("C1")


def test_what_is_no_application(cheddar: Cheddar) -> None:
    cheddar.listener(wsgi(lambda _: "200 OK"))
    with pytest.raises(ValueError, match="a listener is there already"):
        cheddar.listener(wsgi(lambda _: "200 OK"))
    with pytest.raises(TypeError, match="is no application"):
        cheddar.listener(42)  # type: ignore[arg-type] # a slip
    with pytest.raises(TypeError, match="neither like ASGI"):
        cheddar.listener(lambda: None)


def test_a_startup_that_fails(cheddar: Cheddar) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = Starlette(lifespan=lifespan)
    with pytest.raises(RuntimeError, match=r"(?s)startup failed: .*no database"):
        cheddar.listener(app)
    cheddar.listener(app, lifespan=False)  # somebody else starts it


def test_who_acknowledges_before_the_work_is_done_is_found_out(cheddar: Cheddar, client: Client) -> None:
    done = threading.Event()

    async def late() -> None:
        await asyncio.sleep(0.2)
        done.set()

    async def hooks(request: Request) -> Response:
        return Response(background=BackgroundTask(late))

    cheddar.listener(Starlette(routes=[Route("/hooks", hooks, methods=["POST"])]))
    cheddar.bill("C1")
    cheddar.assert_billed("C1", "50.00")
    assert not done.is_set()


# -- waiting for oneself


@pytest.mark.parametrize("wait", [Cheddar.settle, lambda cheddar: cheddar.bill("C1")])
def test_a_listener_can_not_wait_for_itself(cheddar: Cheddar, wait: Any) -> None:
    said: list[str] = []

    def work(hook: dict[str, Any]) -> str:
        with pytest.raises(RuntimeError) as caught:
            wait(cheddar)
        said.append(str(caught.value))
        return "200 OK"

    async def asynchronously(hook: dict[str, Any]) -> int:
        work(hook)
        return 200

    cheddar.listener(wsgi(work), "/wsgi", ["subscriptionBillable"])
    cheddar.listener(asgi(asynchronously), "/asgi", ["subscriptionBillable"])
    cheddar.bill("C1")
    assert said == ["a listener can't wait for hooks: one of them is its own"] * 2


def test_a_loop_that_does_not_run_is_not_waited_for(cheddar: Cheddar) -> None:
    async def never(hook: dict[str, Any]) -> int:
        raise AssertionError("it is not called")

    loop = asyncio.new_event_loop()
    context = cheddar.listening(asgi(never))
    loop.run_until_complete(context.__aenter__())
    with pytest.raises(RuntimeError, match="does not run"):
        cheddar.bill("C1")
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


# -- playing a period


def test_without_a_listener_it_is_billed_at_once(cheddar: Cheddar, client: Client) -> None:
    client.set_item_quantity("C1", "GB", 600)
    cheddar.assert_quantity("C1", "GB", 600, current=True)
    assert cheddar.bill("C1").total == 150
    cheddar.assert_quantity("C1", "GB", 600)
    cheddar.assert_quantity("C1", "GB", 0, current=True)


def test_a_listener_that_recovers(cheddar: Cheddar) -> None:
    answers = iter([500, 503, 200])

    async def work(hook: dict[str, Any]) -> int:
        return next(answers)

    cheddar.listener(asgi(work), events=["subscriptionBillable"])
    cheddar.bill("C1")
    cheddar.assert_acknowledged("C1")
    assert cheddar.now == datetime(2026, 2, 1, 1, 6, tzinfo=UTC)  # after 1 and 5 minutes, and the hour


def test_an_invoice_that_waits_for_a_person(cheddar: Cheddar) -> None:
    agreed = False

    async def work(hook: dict[str, Any]) -> int:
        return 200 if agreed else 503

    cheddar.listener(asgi(work), events=["subscriptionBillable"])
    assert cheddar.bill("C1", within="1h").state == "held"
    cheddar.assert_held("C1")
    agreed = True
    assert cheddar.bill("C1").number == 2
    cheddar.assert_released("C1")
    cheddar.assert_billed("C1", 50)
    assert cheddar.bill("C1").number == 3


def test_a_decline_ends_it(cheddar: Cheddar) -> None:
    cheddar.decline("C1")
    bill = cheddar.bill("C1")
    assert (bill.state, bill.total, bill.collected) == ("unpaid", Decimal(50), Decimal(0))
    assert cheddar.bill("C1").number == 3  # the dunning goes on meanwhile
    assert [each.state for each in cheddar.bills("C1")] == ["paid", "paid", "paid", "open"]


def test_nothing_to_be_billed(cheddar: Cheddar, client: Client) -> None:
    with pytest.raises(LookupError, match="no customer C2; there is C1"):
        cheddar.bill("C2")
    client.cancel("C1")
    with pytest.raises(LookupError, match="C1 has no period"):
        cheddar.bill("C1")


# -- clients and faults


def test_clients_lead_here_from_any_thread(
    cheddar: Cheddar, client: Client, async_client: AsyncClient
) -> None:
    assert client.get_customer("C1").code == "C1"
    assert asyncio.run(async_client.get_customer("C1")).code == "C1"
    answer = httpx.Client(transport=cheddar.transport()).get("https://anything.example/xml/plans/get")
    assert answer.status_code == 401


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.TRUNCATE])
def test_connections_are_dropped(cheddar: Cheddar, client: Client, kind: FaultKind) -> None:
    fault = cheddar.fault(Fault(kind, action="customers/add-charge"))
    with pytest.raises(NoAnswer):
        client.add_charge("C1", "SETUP", 1, Decimal("5.00"))
    assert fault.struck == 1
    cheddar.assert_charged("C1", "SETUP", "5.00", times=int(kind is not FaultKind.DROP_BEFORE), current=True)


def test_a_call_that_takes_too_long(cheddar: Cheddar) -> None:
    cheddar.fault(Fault(FaultKind.LATENCY, seconds=5))
    with pytest.raises(httpx.ReadTimeout):
        httpx.Client(transport=cheddar.transport(), timeout=0.02).get("https://cheddar.example/xml/plans/get")


def test_lost_answers_come_again_and_charge_once(cheddar: Cheddar, async_client: AsyncClient) -> None:
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))
    dropped = cheddar.fault(Fault(FaultKind.DROP_AFTER, action="customers/add-charge"))
    late = cheddar.fault(Fault(FaultKind.TIMEOUT, type="subscriptionBillable", nth=2, seconds=0.001))
    cheddar.listener(auditing(cheddar, async_client).asgi)
    cheddar.bill("C1")
    assert (lost.struck, dropped.struck, late.struck) == (1, 1, 1)
    cheddar.assert_credited("C1", "SORRY", "2.00")
    cheddar.assert_billed("C1", "56.00")


# -- words


def test_plans_and_customers_in_all_their_words() -> None:
    plan = dict.fromkeys(PlanFields.__annotations__)
    item: Any = dict.fromkeys(("overage", "included", "periodic", "name"))
    table = plan_table("P", 0, {"GB": item}, plan)
    assert set(table) == set(known(PlanTable))
    assert set(table["items"][0]) == set(known(ItemTable))
    assert set(customer_table("C", "P", {}, dict.fromkeys(CustomerFields.__annotations__))) == set(
        known(CustomerTable)
    )
    assert get_args(HookType) == HOOK_TYPES


def test_what_can_not_be(cheddar: Cheddar) -> None:
    with pytest.raises(CatalogError, match=r"^items\.GB\.overrage: unknown; did you mean 'overage'\?$"):
        cheddar.plan("X", items={"GB": {"overrage": "1.00"}})  # type: ignore[typeddict-unknown-key] # a slip
    with pytest.raises(CatalogError, match=r"^trial_day: unknown; did you mean 'trial_days'\?$"):
        cheddar.plan("X", trial_day=14)  # type: ignore[call-arg] # a slip
    with pytest.raises(CatalogError, match=r"^firstname: unknown; did you mean 'first_name'\?$"):
        cheddar.customer("C2", plan="PRO", firstname="Ida")  # type: ignore[call-arg] # a slip
    with pytest.raises(CatalogError, match="binary fraction"):
        cheddar.plan("X", price=9.99)  # type: ignore[arg-type] # a slip
    with pytest.raises(CatalogError, match="there is no plan 'X'"):
        cheddar.customer("C2", plan="X")
    cheddar.customer(
        "C2", plan="PRO", items={"GB": 3}, tax_rate="0.1", first_name="Ida", meta_data={"a": "b"}
    )
    cheddar.bill("C2")
    cheddar.assert_billed("C2", "55.00")


def test_the_clock_is_moved_by_and_to(cheddar: Cheddar) -> None:
    cheddar.advance("1d12h")
    cheddar.advance("2026-01-03T00:00:00Z")
    assert cheddar.now == datetime(2026, 1, 3, tzinfo=UTC)
    with pytest.raises(ValueError, match="past"):
        cheddar.advance("2020-01-01T00:00:00Z")
    with pytest.raises(ValueError, match="'soon' is neither a duration such as 1mo"):
        cheddar.advance("soon")


def test_where_there_is_no_loop_of_asyncio(cheddar: Cheddar) -> None:
    """As under trio."""
    for waiting in (cheddar.abill("C1"), cheddar.listening(wsgi_free).__aenter__()):
        with pytest.raises(RuntimeError, match="on asyncio only"):
            waiting.send(None)
    assert cheddar.bill("C1").state == "paid"


async def wsgi_free(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody calls it")


def test_the_life_of_a_customer(cheddar: Cheddar, client: Client) -> None:
    cheddar.bill("C1")
    life = cheddar.timeline("C1")
    assert [entry.kind for entry in life] == ["transaction", "newSubscription", "transaction"]
    assert life.svg is not None
    client.delete_customer("C1")
    assert [entry.kind for entry in cheddar.timeline("C1")][-1] == "customerDeleted"
    with pytest.raises(LookupError, match="there is no customer nobody"):
        cheddar.timeline("nobody")


def test_a_set_up_is_made_once_and_gone_back_to(cheddar: Cheddar) -> None:
    cheddar.plan("TRIAL", price="5.00")
    cheddar.customer("C9", plan="TRIAL")
    made = cheddar.snapshot()
    heard: list[str] = []

    def app(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        heard.append("hook")
        start("200 OK", [])
        return [b""]

    cheddar.listener(app, events=["subscriptionBillable"])
    for times in (1, 2):
        cheddar.restore(made)
        assert cheddar.now.month == 1
        cheddar.bill("C9")
        cheddar.assert_billed("C9", "5.00")
        assert heard
        assert len(cheddar.bills("C9")) == 3, times


def noting(heard: list[str]) -> Any:
    """An ASGI listener that acknowledges every hook, and notes its type."""

    async def note(hook: dict[str, Any]) -> int:
        heard.append(hook["activityType"])
        return 200

    return asgi(note)


@pytest.mark.parametrize("events", [(), ("transaction",), ("billReminder", "subscriptionCanceled")])
async def test_a_listener_stays_as_it_is_when_a_snapshot_is_restored(
    cheddar: Cheddar, events: tuple[HookType, ...]
) -> None:
    async with cheddar.listening(noting([]), events=events):
        awake = cheddar.snapshot()
    paused = cheddar.snapshot()  # after the context, the listener is paused
    heard: list[str] = []
    cheddar.listener(noting(heard), events=["subscriptionBillable"])
    for made in (awake, paused):
        cheddar.restore(made)
        await cheddar.abill("C1")
        cheddar.assert_billed("C1", "50.00")
    assert heard == ["subscriptionBillable"] * 2


async def test_a_snapshot_is_restored_in_the_loop_of_a_listener(cheddar: Cheddar) -> None:
    made, heard = cheddar.snapshot(), list[str]()
    async with cheddar.listening(noting(heard), events=["subscriptionBillable"]):
        with pytest.raises(RuntimeError, match="begins with an a"):
            cheddar.restore(made)
        for _ in range(2):
            await cheddar.arestore(made)
            await cheddar.abill("C1")
            assert len(cheddar.bills("C1")) == 3
    await cheddar.arestore(made)
    await cheddar.aadvance("1mo")  # nobody is there
    cheddar.assert_held("C1")
    async with cheddar.listening(noting(heard)):
        await cheddar.abill("C1")
    cheddar.assert_billed("C1", "50.00")
    assert heard == [*["subscriptionBillable"] * 3, "transaction"]


def test_bills_are_in_the_order_of_their_dates(cheddar: Cheddar, client: Client) -> None:
    client.new_invoice("C1", [ChargeInput("VISIT", "9.00")])  # its number is above the open one's
    assert [(each.number, each.state) for each in cheddar.bills("C1")] == [
        (1, "paid"),
        (3, "paid"),
        (2, "open"),
    ]
    cheddar.bill("C1")
    client.new_invoice("C1", [ChargeInput("VISIT", "9.00", quantity=2)])
    assert [each.total for each in cheddar.bills("C1")] == [Decimal(each) for each in (50, 9, 50, 18, 50)]
    client.cancel("C1")
    assert cheddar.bills("C1")[-1].state == "open"


def test_a_misspelt_type_of_hook_is_refused(cheddar: Cheddar) -> None:
    for look in (
        lambda: cheddar.hooks("subscriptionCancelled"),  # type: ignore[arg-type] # a slip
        lambda: cheddar.assert_acknowledged("C1", "billreminder"),  # type: ignore[arg-type] # a slip
    ):
        with pytest.raises(
            ValueError, match=r"there is no hook .*: did you mean '(subscriptionCanceled|billReminder)'"
        ):
            look()


TWO_PRODUCTS: dict[str, Any] = {
    "users": [{"email": "ops@acme.test", "password": "hush-hush"}],
    "products": [
        {"code": "SHOP", "secret": "s", "plans": [{"code": "PRO", "recurringChargeAmount": "50.00"}]},
        {
            "code": "LAB",
            "secret": "l",
            "plans": [{"code": "PRO", "recurringChargeAmount": "50.00"}],
            "customers": [{"code": "C1", "planCode": "PRO"}],
            "listeners": [{"url": "http://127.0.0.1:9/hooks"}],
        },
    ],
}


@pytest.mark.parametrize("cheddar_catalog", [TWO_PRODUCTS])
def test_a_customer_of_another_product_with_the_same_code_is_another_one(cheddar: Cheddar) -> None:
    with Client("LAB", cheddar.user, cheddar.password, transport=cheddar.transport()) as lab:
        lab.add_charge("C1", "VISIT", 1, "9.00")
    cheddar.assert_not_called("customers/add-charge", "C1")
    with pytest.raises(AssertionError, match="customers/add-charge of C1 was never called"):
        cheddar.assert_called("customers/add-charge", "C1")
    with pytest.raises(AssertionError, match="customers/add-charge of C1 was not called"):
        cheddar.assert_call_order("customers/add-charge", customer="C1")
    cheddar.assert_called("customers/add-charge", times=1)
    cheddar.listener(noting([]), events=["subscriptionBillable"])
    cheddar.bill("C1")
    cheddar.assert_released("C1")
    assert len(cheddar.hooks("subscriptionBillable")) == 2
    assert [hook.product for hook in cheddar.hooks("subscriptionBillable", "C1")] == ["SHOP"]
