"""What holds after any sequence of calls and advances."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallyhook_mock.systems.cheddar import billing, charges, payments, signup, subscriptions, usage
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.model import (
    CREDIT_FORWARD,
    ChargeType,
    Customer,
    InvoiceState,
    InvoiceType,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal

from .engine_world import World

PLANS = ["FLAT", "USAGE", "LIMIT", "NOW", "TRIAL", "FREE"]
amounts = st.decimals("-99.99", "99.99", places=2).filter(bool)
quantities = st.decimals("0", "30", places=4)
periods = st.booleans()


class Commands(RuleBasedStateMachine):
    """One product, three customers, a listener that changes its mind, and a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.names = 0
        self.world.plan("FLAT", "20.00")
        self.world.plan("USAGE", "10.00", "weekly", {"GB": ("2", "2.50"), "seat": ("0", "0.33")})
        self.world.plan("LIMIT", "5.00", "quarterly", {"GB": ("10", "0.00")}, periodic=False)
        self.world.plan("NOW", "31.00", items={"seat": ("1", "1.01")}, on_change_initial_bill_handler="now")
        self.world.plan(
            "TRIAL", "7.77", trial_days=10, setup_charge_code="SET", setup_charge_amount=Decimal(3)
        )
        self.world.plan("FREE", "0.00", "daily", is_free=True, payment_method_is_required=False)

    @initialize(listens=st.booleans(), plan=st.sampled_from(PLANS))
    def begin(self, listens: bool, plan: str) -> None:
        if listens:
            self.world.listen("http://a")
        self.new_customer(plan, None)

    @property
    def customers(self) -> list[Customer]:
        return list(self.world.state.customers(self.world.product))

    def pick(self, number: int) -> Customer:
        return self.customers[number % len(self.customers)]

    @rule(plan=st.sampled_from(PLANS), rate=st.sampled_from([None, Decimal("0.0825")]))
    def new_customer(self, plan: str, rate: Decimal | None) -> None:
        if len(self.customers) == 3:
            return
        self.names += 1
        self.world.customer(f"C{self.names}", self.world.product.plans[plan], tax_rate=rate)

    @rule(days=st.integers(0, 45), seconds=st.integers(0, 86399))
    def advance(self, days: int, seconds: int) -> None:
        self.world.advance(timedelta(days=days, seconds=seconds))

    @rule(status=st.sampled_from([200, 500]))
    def listener_changes(self, status: int) -> None:
        for url in self.world.answers:
            self.world.answers[url] = status

    def attempt(self, customer: Customer, command: object, *args: object, **named: object) -> None:
        """Carry a command out; if it is refused, and no payment was declined, nothing may have changed."""
        before = snapshot(customer)
        try:
            command(self.world.state, customer, *args, **named, at=self.world.now)  # type: ignore[operator]  # a command
        except Refusal as refusal:
            if refusal.status != 422:
                assert snapshot(customer) == before

    @rule(
        who=st.integers(0, 2),
        item=st.sampled_from(["GB", "seat", "nothing"]),
        quantity=quantities,
        late=periods,
    )
    def set_quantity(self, who: int, item: str, quantity: Decimal, late: bool) -> None:
        self.attempt(self.pick(who), usage.set_quantity, item, quantity, outstanding=late)

    @rule(who=st.integers(0, 2), item=st.sampled_from(["GB", "seat"]), quantity=quantities, late=periods)
    def remove_quantity(self, who: int, item: str, quantity: Decimal, late: bool) -> None:
        self.attempt(self.pick(who), usage.remove_quantity, item, quantity, outstanding=late)

    @rule(who=st.integers(0, 2), amount=amounts, quantity=st.integers(1, 3), late=periods)
    def add_charge(self, who: int, amount: Decimal, quantity: int, late: bool) -> None:
        new = NewCharge("CUSTOM", Decimal(quantity), amount)
        self.attempt(self.pick(who), charges.add_charge, new, outstanding=late)

    @rule(who=st.integers(0, 2), which=st.integers(0, 5), late=periods)
    def delete_charge(self, who: int, which: int, late: bool) -> None:
        customer = self.pick(who)
        ids = [line.id for made in customer.invoices for line in made.charges if line.code == "CUSTOM"]
        charge = ids[which % len(ids)] if ids else 1
        self.attempt(customer, charges.delete_charge, charge, outstanding=late)

    @rule(who=st.integers(0, 2))
    def run_outstanding(self, who: int) -> None:
        self.attempt(self.pick(who), billing.run_outstanding)

    @rule(who=st.integers(0, 2), amount=amounts)
    def one_time_invoice(self, who: int, amount: Decimal) -> None:
        self.attempt(self.pick(who), charges.one_time_invoice, [NewCharge("ONCE", Decimal(1), amount)])

    @rule(who=st.integers(0, 2), plan=st.sampled_from(PLANS))
    def change_plan(self, who: int, plan: str) -> None:
        self.attempt(self.pick(who), subscriptions.change, plan=self.world.product.plans[plan])

    @rule(who=st.integers(0, 2), days=st.integers(-2, 40))
    def change_bill_date(self, who: int, days: int) -> None:
        when = self.world.now + timedelta(days=days)
        self.attempt(self.pick(who), subscriptions.change, change_bill_date=when)

    @rule(who=st.integers(0, 2))
    def new_card(self, who: int) -> None:
        self.attempt(self.pick(who), subscriptions.change, payment=self.world.card())

    @rule(who=st.integers(0, 2))
    def cancel(self, who: int) -> None:
        self.attempt(self.pick(who), subscriptions.cancel)

    @rule(who=st.integers(0, 2), runs=st.integers(0, 6))
    def decline_next(self, who: int, runs: int) -> None:
        self.pick(who).declines = runs

    @rule(who=st.integers(0, 2), which=st.integers(0, 9), amount=st.decimals("0.01", "50", places=2))
    def refund(self, who: int, which: int, amount: Decimal) -> None:
        invoice = self.pick(who).invoices[which % len(self.pick(who).invoices)]
        self.attempt(self.pick(who), lambda state, _, at: payments.refund(state, invoice, amount, at))

    @rule(who=st.integers(0, 2))
    def delete(self, who: int) -> None:
        if len(self.customers) > 1:
            signup.delete_customer(self.world.state, self.pick(who), self.world.now)


class Billing(Commands):
    """What always holds, in a world in which no payment is voided."""

    @invariant()
    def money_is_conserved(self) -> None:
        for customer in self.customers:
            everything = customer.invoices
            settled = [made for made in everything if made.state is InvoiceState.PAID]
            # What was billed on settled invoices was collected before refunds, or carried forward.
            billed = sum((made.total + made.carried for made in settled), Decimal(0))
            taken = sum(
                (t.amount for made in settled for t in made.transactions if t.approved and not t.parent),
                Decimal(0),
            )
            forwarded = sum(
                (line.amount for made in everything for line in made.charges if line.code == CREDIT_FORWARD),
                sum((line.amount for line in customer.carried), Decimal(0)),
            )
            assert billed == taken + forwarded

    @invariant()
    def no_invoice_is_executed_twice(self) -> None:
        for customer in self.customers:
            for invoice in customer.invoices:
                approved = [made for made in invoice.transactions if made.approved and not made.parent]
                assert len(approved) == (invoice.state is InvoiceState.PAID)
                assert invoice.collected >= 0

    @invariant()
    def periods_neither_overlap_nor_leave_gaps(self) -> None:
        for customer in self.customers:
            cycle = sorted(
                (made for made in customer.invoices if made.type is InvoiceType.SUBSCRIPTION),
                key=lambda made: made.number,
            )
            for before, after in pairwise(cycle):
                assert after.previous_at is not None
                assert after.previous_at >= before.billing_at
                if not any(s.is_canceled for s in customer.subscriptions) and not self.was_reactivated(
                    customer
                ):
                    assert after.previous_at == before.billing_at

    def was_reactivated(self, customer: Customer) -> bool:
        return any(
            event.kind == "subscriptionReactivated" and event.customer is customer
            for event in [*self.world.events, *self.world.state._events]
        )

    @invariant()
    def ids_and_numbers_are_used_once(self) -> None:
        for customer in self.customers:
            ids = Counter(line.id for made in customer.invoices for line in made.charges)
            assert max(ids.values(), default=0) <= 1
            assert max(Counter(made.number for made in customer.invoices).values(), default=0) <= 1

    @invariant()
    def only_the_last_invoice_is_open(self) -> None:
        for customer in self.customers:
            for subscription in customer.subscriptions:
                assert not [m for m in subscription.invoices[:-1] if m.state is InvoiceState.OPEN]
                assert not any(
                    line.type in (ChargeType.RECURRING, ChargeType.ITEM)
                    for made in subscription.invoices
                    if made.state is InvoiceState.OPEN
                    for line in made.charges
                )


def snapshot(customer: Customer) -> object:
    """Everything of a customer that a call could change."""
    return (
        customer.code,
        dict(customer.details),
        customer.modified,
        customer.declines,
        list(customer.carried),
        [
            (
                subscription.plan.code,
                subscription.payment,
                subscription.cancel_type,
                subscription.canceled_at,
                subscription.anchor,
                subscription.cycle,
                [
                    (made.id, made.state, made.billing_at, made.run_at, dict(made.usage), list(made.charges))
                    for made in subscription.invoices
                ],
            )
            for subscription in customer.subscriptions
        ],
    )


Billing.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestBilling = Billing.TestCase
