"""What keeps a large mock small and quick: hooks that are forgotten, and lookups that need no search."""

from datetime import timedelta

import pytest

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.hooks import Attempt, Hook, Hooks
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar import signup
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.timeline import Timeline

from .engine_world import START, World

MINUTE = timedelta(minutes=1)


def send(hooks: Hooks, count: int) -> list[Hook]:
    sent = [hooks.send("transaction", "ACME", f"C{number}", 0, b"{}", START) for number in range(count)]
    return [hook for hook in sent if hook is not None]


def answer(hooks: Hooks, status: int) -> None:
    for delivery in hooks.due(START):
        hooks.record(delivery, Attempt(START, status, 0.0))


def test_of_the_hooks_that_nobody_waits_for_the_latest_are_kept() -> None:
    hooks = Hooks(Ids(), kept=3)
    hooks.listen("ACME", "http://a")
    sent = send(hooks, 5)
    assert list(hooks.log.values()) == sent  # all of them are waited for
    answer(hooks, 200)
    assert list(hooks.log.values()) == sent[2:]


def test_a_hook_that_is_waited_for_is_never_forgotten() -> None:
    hooks = Hooks(Ids(), kept=1)
    hooks.listen("ACME", "http://a")
    (failing,) = send(hooks, 1)
    answer(hooks, 500)
    settled = send(hooks, 3)
    answer(hooks, 200)
    assert list(hooks.log.values()) == [failing, settled[-1]]
    (late,) = hooks.due(START + MINUTE)
    assert late.hook is failing
    assert hooks.record(late, Attempt(START + MINUTE, 200, 0.0)) is failing


def test_a_hook_that_is_sent_once_more_stays_until_that_is_over() -> None:
    hooks = Hooks(Ids(), kept=1)
    hooks.listen("ACME", "http://a")
    (first,) = send(hooks, 1)
    answer(hooks, 200)
    hooks.replay(first.deliveries[0], START + MINUTE)
    settled = send(hooks, 2)
    answer(hooks, 200)
    assert list(hooks.log.values()) == [first, settled[-1]]
    (again,) = hooks.due(START + MINUTE)
    hooks.record(again, Attempt(START + MINUTE, 200, 0.0))
    assert list(hooks.log.values()) == [first]


def test_of_what_happened_to_each_the_latest_is_kept() -> None:
    timeline = Timeline(kept=2)
    for kind in ("subscribed", "charged", "canceled"):
        timeline.noted("fusebill", Happening(kind, START, "operator", "1"))
    timeline.noted("fusebill", Happening("subscribed", START, "operator", "2"))
    assert [entry.kind for entry in timeline.entries("1", system="fusebill")] == ["charged", "canceled"]
    assert [entry.kind for entry in timeline.entries("2", system="fusebill")] == ["subscribed"]
    assert timeline.counts == {"subscribed": 2, "charged": 1, "canceled": 1}


def test_invoices_are_found_by_id_in_their_product_only() -> None:
    world = World()
    plan = world.plan("FLAT", "20.00")
    invoices = [made for code in ("A", "B", "C") for made in world.customer(code, plan).invoices]
    for invoice in invoices:
        assert world.state.invoice_by_id(world.product, invoice.id) is invoice
    taken = {invoice.id for invoice in invoices}
    strangers = [None, 0, *(set(range(min(taken) - 1, max(taken) + 2)) - taken)]
    for stranger in strangers:
        with pytest.raises(Refusal, match="Invoice not found"):
            world.state.invoice_by_id(world.product, stranger)


def test_a_deleted_customers_invoices_are_not_found() -> None:
    world = World()
    gone = world.customer("A", world.plan("FLAT", "20.00"))
    signup.delete_customer(world.state, gone, world.now)
    with pytest.raises(Refusal, match="Invoice not found"):
        world.state.invoice_by_id(world.product, gone.invoices[0].id)


def test_a_customer_with_another_code_keeps_its_place() -> None:
    world = World()
    plan = world.plan("FLAT", "20.00")
    customers = [world.customer(code, plan) for code in ("A", "B", "C")]
    signup.edit_customer(world.state, customers[0], details={}, meta_data={}, at=world.now, code="Z")
    assert list(world.state.customers(world.product)) == customers
    assert world.state.customer(world.product, "Z") is customers[0]
    assert not world.state.has_customer(world.product, "A")


def test_an_invoice_that_is_paid_at_once_leaves_nothing_on_the_agenda() -> None:
    world = World()
    customer = world.customer("A", world.plan("FLAT", "20.00"))
    current = customer.subscription.current
    assert current is not None
    assert world.state.next_due() == current.billing_at
