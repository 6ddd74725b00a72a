"""Fusebill's rules for billing period definitions, recharges and subscriptions."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.money import NOTHING, cents
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate, day_of
from tallyhook_mock.systems.fusebill.invoices import check_not_on_hold, collect_held, make_draft
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Charge,
    Customer,
    Frequency,
    Part,
    Reset,
    Settings,
    Subscription,
    SubscriptionProduct,
    Timing,
)
from tallyhook_mock.systems.fusebill.refusal import conflict, invalid
from tallyhook_mock.systems.fusebill.state import State

__all__ = [
    "NewCustomer",
    "NewSubscription",
    "activate",
    "activation_date",
    "add_charge",
    "cancel",
    "check_target",
    "create_definition",
    "definition_of",
    "delete_definition",
    "draft_subscription",
    "edit_definition",
    "move",
    "new_customer",
    "plan_recharge",
    "start",
]


def activation_date(customer: Customer, type: BillingPeriodType, cycle: Cycle, intervals: int) -> InvoiceDate:
    """Return the default date for a billing period definition of this type (inferred).

    Raises Refusal if the type has no default date, or if it uses the date of the first activation and no
    subscription has been activated yet.
    """
    if type is BillingPeriodType.CUSTOMER_ACTIVATION:
        return InvoiceDate.of(cycle, customer.created, intervals)
    if type is BillingPeriodType.SPECIFIED_DATE:
        raise invalid("invoiceDay", f"required for {type}")
    activated = [each.activated for each in customer.subscriptions if each.activated is not None]
    if not activated:
        raise invalid("billingPeriodType", "the customer has no subscription yet; specify a date")
    return InvoiceDate.of(cycle, min(activated), intervals)


def definition_of(
    customer: Customer,
    date: InvoiceDate,
    *,
    at: datetime,
    type: BillingPeriodType = BillingPeriodType.SPECIFIED_DATE,
    settings: Settings | None = None,
    manually_created: bool = False,
    end: datetime | None = None,
) -> BillingPeriodDefinition:
    """Return a new billing period definition with the id 0. It is not added to the state.

    Its first period lasts from the day of `at` to the next invoice date, or to `end` if that is given.
    """
    end = end or date.first_end(day_of(at))
    return BillingPeriodDefinition(
        0,
        customer,
        date.settled,
        type,
        settings or Settings(),
        created=at,
        start=day_of(at),
        end=end,
        cycle_days=(end - date.later(end, -1)).days,
        manually_created=manually_created,
    )


def create_definition(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """Add a billing period definition from `definition_of` to its customer, and schedule its recharge.

    A definition without subscriptions bills nothing (documented).
    """
    definition.id = state.ids.next()
    state.add_definition(definition)
    plan_recharge(state, definition, at)
    note = f"recharges on {definition.end.date()}"
    state.emit("periodCreated", at, definition.customer, item=_name(definition), note=note)


def edit_definition(
    state: State,
    definition: BillingPeriodDefinition,
    *,
    at: datetime,
    date: InvoiceDate | None = None,
    settings: Settings | None = None,
) -> None:
    """Move a billing period definition's date, or change its settings. Arguments that are None are ignored.

    After a move, the current period ends on the new date, at the same cost (documented). Raises Refusal if
    the cycle would change.
    """
    if date is not None and date.frequency != definition.date.frequency:
        raise conflict("cycle", f"a definition stays {_said(definition.date)}; create another one")
    if settings is not None and settings != definition.settings:
        definition.settings = settings
        state.emit("periodChanged", at, definition.customer, item=_name(definition), note="settings")
    if date is not None and date != definition.date:
        _move_date(state, definition, date, at)


def delete_definition(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """Delete a billing period definition. Raises Refusal if it still has subscriptions (documented)."""
    if definition.subscriptions:
        named = ", ".join(str(subscription.id) for subscription in definition.subscriptions)
        raise conflict("id", f"the subscriptions {named} are in it; move them to another definition first")
    state.remove_definition(definition)
    state.emit("periodDeleted", at, definition.customer, item=_name(definition))


def _move_date(state: State, definition: BillingPeriodDefinition, date: InvoiceDate, at: datetime) -> None:
    before = definition.end
    definition.date, definition.type = date.settled, BillingPeriodType.SPECIFIED_DATE
    definition.end = date.instead_of(before, at)
    for subscription in definition.subscriptions:
        follow(subscription, before)
    plan_recharge(state, definition, at)
    note = f"recharge moved from {before.date()} to {definition.end.date()}"
    state.emit("periodMoved", at, definition.customer, item=_name(definition), note=note)


def _name(definition: BillingPeriodDefinition) -> str:
    return f"definition {definition.id}"


def plan_recharge(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """Schedule a billing period definition's next recharge.

    If the settings ask for an invoice before the recharge, that invoice is also scheduled. If its day has
    passed, because the date was moved, it is due now (inferred).

    Standing: documented; inferred.
    """
    days = definition.settings.invoice_in_advance
    ahead = definition.end - timedelta(days=days)
    definition.ahead = max(ahead, at) if days and ahead > definition.start else None
    if definition.ahead is not None:
        state.agenda.schedule(definition.ahead, _invoice_ahead, definition)
    state.agenda.schedule(definition.end, _recharge, definition)


def begin(subscription: Subscription, start: datetime, part: Part | None = None) -> list[Line]:
    """Begin a subscription's period. Returns the lines to bill now, which the caller puts on an invoice.

    `part` prorates a period that is not whole. Units that were invoiced in advance are not billed again.
    """
    subscription.start = start
    lines = []
    for product in subscription.products:
        if product.plan.reset is Reset.START:
            product.quantity = product.plan.quantity
        lines += _starting(product, product.quantity, start, subscription.end, part)
        product.charged = max(product.quantity, product.ahead)
        product.owes, product.ahead = part, NOTHING
    return lines


def _starting(
    product: SubscriptionProduct, quantity: Decimal, start: datetime, end: datetime, part: Part | None = None
) -> list[Line]:
    """Return the line that bills a period's `quantity` at its start, less the units invoiced in advance.

    There is none if the product is charged at the end, or if nothing is left to bill.
    """
    plan, units = product.plan, quantity - product.ahead
    if plan.timing is not Timing.START or units <= 0:
        return []
    amount = cents(units * plan.price)
    return [Line(product.item, plan.name, units, plan.price, part(amount) if part else amount, start, end)]


def follow(subscription: Subscription, before: datetime) -> None:
    """Update a subscription's invoice lines after the end of its current period was moved from `before`.

    The lines of the current period then end at the new end, and those of a next period that is already
    invoiced begin there, so that no day is billed twice (inferred). The amounts don't change: additional days
    cost nothing, and lost days are not refunded (documented).
    """
    end = subscription.end
    following = subscription.definition.date.later(end, 1)

    def followed(line: Line) -> Line:
        if line.item in subscription.items and line.start == subscription.start:
            return replace(line, end=end)
        if line.item in subscription.items and line.start == before:
            return replace(line, start=end, end=following)
        return line

    customer = subscription.customer
    for draft in customer.drafts:
        for charge in draft.charges:
            charge.line = followed(charge.line)
    for invoice in customer.invoices:
        if any(followed(line) is not line for line in invoice.bill.lines):
            place = customer.bills.index(invoice.bill)
            invoice.bill = replace(invoice.bill, lines=tuple(map(followed, invoice.bill.lines)))
            customer.bills[place] = invoice.bill


def _invoice_ahead(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """Invoice the next billing period before it begins, unless the date was moved since this was scheduled.

    What is added after that, such as a subscription or a unit, is invoiced when the period begins (inferred).
    """
    if definition.is_deleted or definition.ahead != at:
        return
    following = definition.date.later(definition.end, 1)
    lines = []
    for subscription in _billed(definition):
        for product in subscription.products:
            own = _starting(product, product.next_quantity, definition.end, following)
            product.ahead += sum((line.quantity for line in own), NOTHING)
            lines += own
    if lines:
        make_draft(state, definition.customer, lines, at, definition)


def _recharge(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """End a billing period definition's current period and begin the next.

    All its subscriptions are billed on one invoice. A definition without subscriptions only moves to its next
    period.
    """
    if definition.is_deleted or definition.end > at:  # deleted, or moved since this was scheduled
        return
    moment, following = definition.end, definition.date.later(definition.end, 1)
    billed = _billed(definition)
    lines = [line for subscription in billed for line in _finish(subscription)]
    definition.start, definition.end = moment, following
    definition.cycle_days = definition.days
    definition.count += 1
    for subscription in billed:
        lines += begin(subscription, moment)
    collect_held(state, definition.customer, lines, moment, definition)
    plan_recharge(state, definition, at)


def _billed(definition: BillingPeriodDefinition) -> list[Subscription]:
    """Return the subscriptions to bill. There are none if the customer is on hold (inferred)."""
    return definition.subscriptions if definition.customer.status == "Active" else []


def _finish(subscription: Subscription) -> Iterable[Line]:
    """End a subscription's period, and yield the lines to bill.

    The lines bill the products that are charged at the end of the period, with their quantities at that time,
    and the charges that were waiting for the end of the period.

    Standing: documented.
    """
    for product in subscription.products:
        if product.plan.timing is Timing.END and product.quantity:
            amount = product.amount if product.owes is None else product.owes(product.amount)
            yield subscription.line(product, amount)
        if product.plan.reset is Reset.END:
            product.quantity, product.items = product.plan.quantity, ()
    yield from (charge.line for charge in subscription.charges)
    subscription.charges.clear()


class NewCustomer(Value, frozen=True):
    name: str
    currency: str
    id: int | None = None
    auto_post: bool | None = None
    details: Mapping[str, str] = {}
    status: str = "Active"


class NewSubscription(Value, frozen=True):
    """A subscription to create.

    If `date` is None, the subscription bills on the day of the month or year on which it begins. If `prorate`
    is true, a partial first period is prorated.
    """

    frequency: Frequency
    date: InvoiceDate | None = None
    prorate: bool = True
    id: int | None = None
    reference: str = ""


def new_customer(state: State, new: NewCustomer, at: datetime) -> Customer:
    """Create a customer. Raises Refusal if the id is taken."""
    customer = Customer(state.customer_id(new.id), new.name, new.currency, at, new.status, new.auto_post)
    customer.details.update(new.details)
    state.add_customer(customer)
    state.emit("customerCreated", at, customer, note=new.name)
    return customer


def draft_subscription(state: State, customer: Customer, new: NewSubscription, at: datetime) -> Subscription:
    """Create a subscription that bills nothing until it is activated. Raises Refusal if the id is taken."""
    subscription = Subscription(
        state.subscription_id(new.id), customer, None, new.frequency, [], at, reference=new.reference
    )
    for number, plan in enumerate(new.frequency.products):
        item = f"product {state.product_ids.next()}"
        if number == 0:
            item = subscription.item
        subscription.products.append(SubscriptionProduct(state.product_ids.last, plan, plan.quantity, item))
    state.add_subscription(subscription)
    return subscription


def activate(
    state: State,
    customer: Customer,
    new: NewSubscription,
    at: datetime,
    into: BillingPeriodDefinition | None = None,
) -> Subscription:
    """Create a subscription and activate it in the billing period definition `into`.

    If `into` is None, the customer's definition with the subscription's date is used, or created if there is
    none. Products charged at the start of a period are invoiced now, prorated or in full. Raises Refusal if
    the definition has a different customer or frequency, if the customer isn't active, or if the id is taken.

    Standing: inferred.
    """
    if into is not None:
        check_target(into, customer, new.frequency)
    _check_active(customer)
    subscription = draft_subscription(state, customer, new, at)
    start(state, subscription, at, date=new.date, prorate=new.prorate, into=into)
    return subscription


def start(
    state: State,
    subscription: Subscription,
    at: datetime,
    *,
    date: InvoiceDate | None = None,
    prorate: bool = True,
    into: BillingPeriodDefinition | None = None,
    holds: bool = False,
) -> None:
    """Activate a draft subscription. Raises Refusal if it isn't a draft, or if the customer isn't active."""
    customer, frequency = subscription.customer, subscription.frequency
    if subscription.status != "Draft":
        raise conflict(
            "subscriptionId", f"{subscription.id} is {subscription.status}; only a draft can be activated"
        )
    _check_active(customer)
    wanted = date or InvoiceDate.of(frequency.cycle, at, frequency.intervals)
    if into is None:
        into = next((each for each in customer.definitions if each.date == wanted), None)
    if into is None:
        kind = BillingPeriodType.SPECIFIED_DATE
        if date is None:
            kind = BillingPeriodType.FIRST_SUBSCRIPTION_ACTIVATION
        into = definition_of(customer, wanted, at=at, type=kind)
        create_definition(state, into, at)
    day = day_of(at)
    subscription.place, subscription.status, subscription.activated = into, "Active", at
    into.subscriptions.append(subscription)
    note = f"{subscription.plan_code} in definition {into.id}"
    number = subscription.id
    state.emit("subscriptionActivated", at, customer, item=subscription.item, note=note, subject=number)
    lines = begin(subscription, day, into.part_from(day) if prorate else None)
    if lines:
        make_draft(state, customer, lines, at, into, holds=holds)


def _check_active(customer: Customer) -> None:
    if customer.status != "Active":
        raise conflict("customerId", f"customer {customer.id} is {customer.status}")


def cancel(state: State, subscription: Subscription, at: datetime) -> None:
    """Cancel a subscription. Usage of the period so far is invoiced, and nothing is refunded (inferred)."""
    definition = subscription.definition
    lines = list(_finish(subscription))
    definition.subscriptions.remove(subscription)
    subscription.place, subscription.status = None, "Cancelled"
    customer, number = subscription.customer, subscription.id
    state.emit("subscriptionCancelled", at, customer, item=subscription.item, subject=number)
    if lines:
        make_draft(state, subscription.customer, lines, at, definition)


def move(
    state: State, subscription: Subscription, into: BillingPeriodDefinition | InvoiceDate, at: datetime
) -> None:
    """Move a subscription to another billing period definition of its customer, or to a new one.

    `into` is the existing definition, or the date of the new one. The subscription's current period then ends
    when the current period of that definition ends. For a new definition, this is when the period would end
    if the subscription's old definition were moved to the date. The cost stays the same (inferred from moving
    a date). Raises Refusal if the definition has a different customer or frequency.
    """
    if isinstance(into, BillingPeriodDefinition):
        check_target(into, subscription.customer, subscription.frequency)
    elif into.frequency != subscription.definition.date.frequency:
        raise conflict("cycle", f"the subscription can't change from {_said(subscription.definition.date)}")
    if into is subscription.definition:
        return
    if isinstance(into, InvoiceDate):
        end = into.instead_of(subscription.end, at)
        into = definition_of(subscription.customer, into, at=at, end=end)
        create_definition(state, into, at)
    before = subscription.definition
    before.subscriptions.remove(subscription)
    into.subscriptions.append(subscription)
    subscription.place = into
    follow(subscription, before.end)
    note = f"to definition {into.id}, recharge moved from {before.end.date()} to {into.end.date()}"
    state.emit("subscriptionMoved", at, subscription.customer, item=subscription.item, note=note)


def add_charge(
    state: State,
    subscription: Subscription,
    *,
    name: str,
    amount: Decimal,
    prorate: bool,
    at_period_end: bool,
    at: datetime,
) -> Charge:
    """Charge a subscription once, in full or prorated for the rest of the period.

    A prorated amount is calculated now, up to the period's current end, even if it isn't billed until then.
    If the period's end is moved afterwards, the charge is billed on the new date, with the same amount
    (documented). Raises Refusal if the subscription is not active, or if it would be charged now and the
    customer is on hold.
    """
    definition, day = subscription.definition, day_of(at)
    if not at_period_end:
        check_not_on_hold(subscription.customer)
    charge = Charge(state.ids.next(), name, amount, at)
    if prorate:
        charge = replace(charge, amount=definition.prorate(amount, day), start=day, end=definition.end)
    note = f"{name}, {'at the end of the period' if at_period_end else 'now'}"
    state.emit(
        "chargeAdded", at, subscription.customer, item=subscription.item, amount=charge.amount, note=note
    )
    if at_period_end:
        subscription.charges.append(charge)
    else:
        make_draft(state, subscription.customer, [charge.line], at, definition)
    return charge


def check_target(definition: BillingPeriodDefinition, customer: Customer, frequency: Frequency) -> None:
    """Raise Refusal if a billing period definition can't have a subscription of this customer and frequency.

    Standing: documented.
    """
    key = "billingPeriodDefinitionId"
    if definition.customer is not customer:
        raise conflict(
            key, f"{definition.id} belongs to another customer; choose one of customer {customer.id}"
        )
    if definition.date.frequency != (frequency.cycle, frequency.intervals):
        wanted = InvoiceDate(frequency.cycle, 1, 1, frequency.intervals)
        raise conflict(
            key,
            f"{definition.id} is {_said(definition.date)}; a frequency can't change, "
            f"{_said(wanted)} is needed",
        )


def _said(date: InvoiceDate) -> str:
    return date.cycle if date.intervals == 1 else f"{date.cycle} × {date.intervals}"
