"""Invariants after any sequence of calls and clock advances, with client and mock over real HTTP."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from tests.end_to_end import accounting
from tests.end_to_end.dovecote import CATALOG, PLANS
from tests.end_to_end.wire import PAYPAL, Wire, card, check_writing
from tests.mock_server.loopback import Listener, listening

from tallyhook import (
    APIError,
    ChargeInput,
    Customer,
    Invoice,
    InvoicePeriod,
    ItemInput,
    PaymentInput,
    calls,
    events,
)
from tallyhook_mock import Server, serve

DECLINED = "6000"

plans = st.sampled_from([plan["code"] for plan in PLANS])
plans_to_be = plans | st.just("NEW")
coupons = st.sampled_from([None, None, "SPRING", "FRIEND", "NOBODY"])
amounts = st.decimals("-99.99", "99.99", places=2)
quantities = st.decimals("0", "30", places=4)
rates = st.sampled_from([None, Decimal("0.0825"), Decimal("0.2")])
periods = st.sampled_from(InvoicePeriod)
payments = st.sampled_from(
    [card(), card(), card(cc_zip="05001"), card(cc_zip="01000"), card(cc_expiration="02/2026"), PAYPAL]
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Cn"]), max_size=20)
who = st.integers(0, 2)
which = st.integers(0, 30)


class Billing(RuleBasedStateMachine):
    """A few customers, a listener with changing answers, and a clock that only goes forward."""

    server: ClassVar[Server]
    listener: ClassVar[Listener]

    def __init__(self) -> None:
        super().__init__()
        self.server.reset()
        self.server.mock.state.hooks.pauses = (timedelta(days=20),)  # few attempts, to be fast
        self.listener.received.clear()
        self.listener.answer = lambda _: 200
        self.wire = Wire(self.server, "DOVECOTE")
        self.client = self.wire.client
        self.names = 0
        self.customers: tuple[Customer, ...] = ()
        self.document = b""
        self.interrupted: set[str] = set()
        self.deleted: set[str] = set()  # charges that a call deleted
        self.charges: dict[str, dict[str, Decimal]] = {}  # amounts of charges, by customer
        self.settled: dict[str, Invoice] = {}

    def teardown(self) -> None:
        self.client.close()

    # -- how calls are made

    def attempt(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Make a call. If it is refused without a declined transaction, nothing may have changed."""
        try:
            answer = call(*args, **named)
        except APIError as refusal:
            if refusal.aux_code == DECLINED and refusal.customer is not None:
                self.wire.check_likeness([replace(refusal.customer, errors=())])
            else:
                self.check_that_nothing_changed()
            return None
        if isinstance(answer, Customer):
            self.wire.check([answer], self.wire.body)
        return answer

    def check_that_nothing_changed(self) -> None:
        assert self.wire.look() == (self.customers, self.document)

    def pick(self, number: int) -> Customer:
        return self.customers[number % len(self.customers)]

    def pick_invoice(self, number: int) -> Invoice | int:
        """An invoice, or if there is none, a number that may have been one before."""
        found = [invoice for customer in self.customers for invoice in accounting.invoices(customer)]
        return found[number % len(found)] if found else number + 1

    def new_code(self) -> str:
        self.names += 1
        return f"C/{self.names} +é"

    # -- customers

    @initialize(
        plan=plans,
        listens=st.sampled_from([None, ["subscriptionBillable"], []]),
        status=st.sampled_from([200, 500]),
        declines=st.sampled_from([0, 0, 2, 6]),
        days=st.integers(0, 45),
    )
    def begin(self, plan: str, listens: list[str] | None, status: int, declines: int, days: int) -> None:
        if listens is not None:
            self.server.listen(self.listener.url, listens)
        code = self.new_code()
        self.client.new_customer(code, "Ada", "Dove", "ada@dovecote.example", plan, payment=card())
        self.server.decline(code, declines)
        self.listener_answers(status)
        self.server.advance(f"{days}d")

    @rule(
        plan=plans_to_be,
        payment=payments | st.none(),
        coupon=coupons,
        rate=rates,
        first_bill=st.none() | st.integers(1, 60),
        charge=st.none() | amounts,
        quantity=st.none() | st.tuples(st.sampled_from(["GB", "seat"]), quantities),
    )
    def new_customer(
        self,
        plan: str,
        payment: PaymentInput | None,
        coupon: str | None,
        rate: Decimal | None,
        first_bill: int | None,
        charge: Decimal | None,
        quantity: tuple[str, Decimal] | None,
    ) -> None:
        if len(self.customers) < 3:
            self.attempt(
                self.client.new_customer,
                self.new_code(),
                "Bo",
                "Dove",
                "bo@dovecote.example",
                plan,
                payment=payment,
                coupon_code=coupon,
                initial_bill_date=self.after(first_bill) if first_bill else None,
                charges=[ChargeInput("FIRST", charge)] if charge is not None else [],
                items=[ItemInput(*quantity)] if quantity else [],
                tax_rate=rate,
            )

    @rule(plan=plans, twice=st.booleans())
    def import_customers(self, plan: str, twice: bool) -> None:
        if len(self.customers) < 2:
            codes = [self.new_code(), self.new_code()]
            people = [
                calls.new_customer(code, "Cy", "Dove", "cy@dovecote.example", plan, payment=card())
                for code in [codes[0], codes[0 if twice else 1]]
            ]
            self.attempt(self.client.import_customers, people)

    @precondition(lambda self: self.customers)
    @rule(
        who=who,
        notes=texts,
        rate=rates,
        exempt=st.booleans(),
        data=st.dictionaries(st.sampled_from("ab"), texts, max_size=2),
    )
    def edit_customer(
        self, who: int, notes: str, rate: Decimal | None, exempt: bool, data: dict[str, str]
    ) -> None:
        fields = {"notes": notes, "tax_rate": rate, "is_tax_exempt": exempt, "meta_data": data}
        self.attempt(self.client.edit_customer, self.pick(who), **fields)

    @precondition(lambda self: self.customers)
    @rule(
        who=who,
        plan=plans_to_be | st.none(),
        payment=payments | st.none(),
        coupon=coupons,
        company=st.none() | texts,
        days=st.none() | st.integers(-2, 40),
    )
    def edit(
        self,
        who: int,
        plan: str | None,
        payment: PaymentInput | None,
        coupon: str | None,
        company: str | None,
        days: int | None,
    ) -> None:
        when = None if days is None else self.after(days) if days else "now"
        changes = {"plan_code": plan, "payment": payment, "coupon_code": coupon, "change_bill_date": when}
        if company is None:
            self.attempt(self.client.edit_subscription, self.pick(who), **changes)
        else:
            self.attempt(self.client.edit, self.pick(who), company=company, **changes)

    @precondition(lambda self: self.customers)
    @rule(
        who=who, what=st.sampled_from(["rename", "clash", "nothing", "email", "approve", "revert", "cancel"])
    )
    def small_calls(self, who: int, what: str) -> None:
        customer = self.pick(who)
        match what:
            case "rename":
                self.attempt(self.client.edit_customer, customer, code=self.new_code())
            case "clash":
                self.attempt(self.client.edit_customer, customer, code=self.pick(who + 1).code)
            case "nothing":
                self.client.edit_customer(customer)
                self.check_that_nothing_changed()
            case "revert":
                self.attempt(self.client.paypal_revert, customer)
            case "email":
                self.attempt(self.client.send_email, self.pick_invoice(who))
            case "approve" if customer.subscription.cancel_type == "paypal-wait":
                payer = self.server.customer(customer.code)
                self.server.call(lambda: self.server.mock.approve_paypal(payer))
            case "cancel":
                self.attempt(self.client.cancel, customer)

    @precondition(lambda self: len(self.customers) > 1)
    @rule(who=who)
    def delete_customer(self, who: int) -> None:
        self.client.delete_customer(self.pick(who))

    @precondition(lambda self: len(self.customers) > 2)
    @rule()
    def delete_all_customers(self) -> None:
        self.client.delete_all_customers(int(self.server.now.timestamp()))

    @rule(what=st.sampled_from(["new", "edit", "delete"]), price=st.decimals("0.00", "50", places=2))
    def change_plans(self, what: str, price: Decimal) -> None:
        """An edited plan applies at once to its customers (K6). Nothing else changes for them."""
        match what:
            case "new":
                terms = {"billing_frequency": "weekly", "recurring_charge_amount": price}
                self.attempt(self.client.new_plan, "NEW", "New", **terms)
            case "edit":
                self.client.edit_plan("FLAT", recurring_charge_amount=price)
            case "delete":
                self.attempt(self.client.delete_plan, "NEW")
        check_writing(self.client.get_plans(), self.wire.body)
        if what != "edit":
            self.check_that_nothing_changed()
            return
        for before, now in zip(self.customers, self.wire.look()[0], strict=True):
            if now.subscription.plan.code == "FLAT":
                assert now.subscription.plan.recurring_charge_amount == price
            else:
                assert now == before

    # -- usage, charges, money

    @precondition(lambda self: self.customers)
    @rule(
        who=who,
        verb=st.sampled_from(["set", "add", "remove"]),
        which=st.integers(0, 3),
        quantity=quantities,
        period=periods,
    )
    def change_quantity(
        self, who: int, verb: str, which: int, quantity: Decimal, period: InvoicePeriod
    ) -> None:
        customer, change = self.pick(who), getattr(self.client, f"{verb}_item_quantity")
        items = [item.code for item in customer.subscription.plan.items] or ["nothing"]
        self.attempt(change, customer, items[which % len(items)], quantity, invoice_period=period)

    @precondition(lambda self: self.customers)
    @rule(who=who, amount=amounts, quantity=st.integers(1, 3), period=periods)
    def add_charge(self, who: int, amount: Decimal, quantity: int, period: InvoicePeriod) -> None:
        self.attempt(
            self.client.add_charge, self.pick(who), "CUSTOM", quantity, amount, invoice_period=period
        )

    @precondition(lambda self: self.customers)
    @rule(who=who, which=which, period=periods)
    def delete_charge(self, who: int, which: int, period: InvoicePeriod) -> None:
        customer = self.pick(who)
        found = [charge.id for _, charge in accounting.charges(customer) if charge.code == "CUSTOM"]
        if found:
            charge = found[which % len(found)]
            if self.attempt(self.client.delete_charge, customer, charge, invoice_period=period):
                self.deleted.add(charge)

    @precondition(lambda self: self.customers)
    @rule(who=who, amount=amounts)
    def new_invoice(self, who: int, amount: Decimal) -> None:
        self.attempt(self.client.new_invoice, self.pick(who), [ChargeInput("CUSTOM", amount)])

    @precondition(lambda self: self.customers)
    @rule(who=who)
    def run_outstanding(self, who: int) -> None:
        self.attempt(self.client.run_outstanding, self.pick(who))

    @precondition(lambda self: self.customers)
    @rule(which=which, amount=st.sampled_from([Decimal(text) for text in ("0.01", "2.50", "20.00")]))
    def refund(self, which: int, amount: Decimal) -> None:
        self.attempt(self.client.refund, self.pick_invoice(which), amount)

    @precondition(lambda self: self.customers)
    @rule(which=which, verb=st.sampled_from(["void", "void_or_refund"]))
    def give_back(self, which: int, verb: str) -> None:
        self.attempt(getattr(self.client, verb), self.pick_invoice(which))

    # -- outside events

    @rule(days=st.integers(0, 40), seconds=st.integers(0, 86399))
    def advance(self, days: int, seconds: int) -> None:
        self.server.advance(f"{days}d{seconds}s")

    @rule(status=st.sampled_from([200, 500]))
    def listener_answers(self, status: int) -> None:
        """Set the listener's answer to billable hooks. With 500, their invoices stay held."""
        self.listener.answer = lambda hook: status if hook.type == "subscriptionBillable" else 200

    @precondition(lambda self: self.customers)
    @rule(who=who, runs=st.integers(0, 6))
    def decline_next(self, who: int, runs: int) -> None:
        self.server.decline(self.pick(who).code, runs)

    def after(self, days: int) -> datetime:
        return self.server.now + timedelta(days=days)

    # -- invariants

    @invariant()
    def documents_tell_the_engines_state_and_the_books_are_in_order(self) -> None:
        self.customers, self.document = self.wire.look()
        self.wire.check(self.customers, self.document)
        for customer in self.customers:
            accounting.check(customer)
            self.check_gaps(customer)
            self.check_past(customer)
        self.check_hooks()

    def check_gaps(self, customer: Customer) -> None:
        """Only a cancellation, or a plan that bills once, makes a gap between two periods."""
        if customer.subscription.is_canceled or customer.subscription.current_invoice is None:
            self.interrupted.add(customer.id)
        if customer.id not in self.interrupted:
            assert accounting.gaps(customer) == []

    def check_past(self, customer: Customer) -> None:
        """Billed invoices don't change, and no charge is lost."""
        for invoice in accounting.invoices(customer):
            if invoice.is_paid:
                known = self.settled.setdefault(invoice.id, invoice)
                assert (invoice.number, invoice.charges) == (known.number, known.charges)
                assert invoice.transactions[: len(known.transactions)] == known.transactions
                self.settled[invoice.id] = invoice
        before = self.charges.get(customer.id, {})
        now = {
            charge.id: charge.amount
            for invoice, charge in accounting.charges(customer)
            if charge.type == "custom" or not self.came_due_while_canceled(customer, invoice)
        }
        for charge, amount in before.items():
            assert charge in now or charge in self.deleted or not amount
        self.charges[customer.id] = now

    def came_due_while_canceled(self, customer: Customer, invoice: Invoice) -> bool:
        """Whether the invoice came due while canceled: a new sign-up replaces its recurring charges (K54)."""
        canceled = customer.subscription.canceled_datetime
        return canceled is not None and invoice.type == "subscription" and invoice.billing_datetime > canceled

    def check_hooks(self) -> None:
        """Hooks can be decoded, and a billable one has the period that its invoice ends."""
        known = {
            invoice.id: (customer, invoice)
            for customer in self.customers
            for invoice in accounting.invoices(customer)
        }
        for received in self.listener.received:
            hook = events.decode(received.body)
            told = hook.subscription.invoice
            if isinstance(hook, events.SubscriptionBillable) and told is not None and told.id in known:
                customer, invoice = known[told.id]
                assert told.billing_datetime == invoice.billing_datetime
                begun = told.previous_billing_datetime
                earlier = [
                    other.billing_datetime
                    for other in accounting.invoices(customer)
                    if other.type == "subscription" and other.number < told.number  # type: ignore[operator]  # mock's have one
                ]
                if earlier:
                    assert begun is not None
                    assert begun >= earlier[-1]
                    assert begun == earlier[-1] or customer.id in self.interrupted
        self.listener.received.clear()


@pytest.fixture(scope="module", autouse=True)
def _served() -> Iterator[None]:
    with listening() as Billing.listener, serve(CATALOG) as Billing.server:
        yield


Billing.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
TestBilling = Billing.TestCase
