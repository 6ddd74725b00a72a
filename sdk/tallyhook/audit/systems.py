"""Adapters for the four billing systems that can be audited.

Each adapter's `items` maps the item names in the audit to the billing system's names, so that one function
works for all systems.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from tallyhook import chargemonk, cleverbridge, fusebill, money
from tallyhook._call import Call
from tallyhook.audit.outcome import AuditFailed, Change
from tallyhook.audit.window import Kind, Window
from tallyhook.chargemonk.calls import add_charge
from tallyhook.cheddar.client import Client as CheddarClient
from tallyhook.cheddar.models import Customer
from tallyhook.errors import APIError, DecodeError, Error, NotFound
from tallyhook.review import OutcomeUnknown, Review, SetQuantity

A = TypeVar("A")


class Cheddar:
    """Audits invoices that Cheddar holds until they are run. Changes are made with a review."""

    name = "cheddar"
    not_promised: tuple[str, ...] = ()
    adds = False
    reaches_next = True  # a call for the outstanding invoice reaches the next one once this one is run

    def __init__(self, client: CheddarClient, items: Mapping[str, str]) -> None:
        """Create the adapter. `items` maps the audit's item names to Cheddar's item codes."""
        self._client, self._items = client, items

    def windows(self, now: datetime) -> Iterator[Window]:
        """Yield a window for each held invoice.

        Canceled subscriptions are left out, because running their invoices would undo the cancellation. If a
        customer can't be read, raises LookupError after the windows of all other customers.
        """
        return _each(self._client.get_customers(), self._window, name=lambda customer: customer.code)

    def _window(self, customer: Customer) -> Window | None:
        subscription = customer.subscription
        invoice = subscription.outstanding_invoice
        if invoice is None or invoice.transactions or subscription.is_canceled:
            return None
        period = Review.of(customer).period
        return Window(
            system=self.name,
            account=customer.code,
            start=period.start,
            end=period.end,
            opens=invoice.billing_datetime,
            kind=Kind.HOLD,
            invoice=invoice.id,
        )

    def read(self, window: Window) -> Mapping[str, Decimal | None]:
        """Return the quantities on the invoice; None for an item whose quantity it doesn't show."""
        customer = self._customer(window)
        found: dict[str, Decimal | None] = {}
        for name, code in self._items.items():
            probe = Review.of(customer)
            probe.set_quantity(code, 0)
            shown = next(
                (each for each in probe.compare(customer).changes if isinstance(each, SetQuantity)), None
            )
            found[name] = Decimal(0) if shown is None else shown.was
        return found

    def check(self, window: Window, change: Change) -> None:
        money.quantity(change.after)

    def write(self, window: Window, change: Change) -> None:
        code = self._items[change.item]
        review = Review.of(self._customer(window))
        review.set_quantity(code, change.after)
        outcome = review.apply(self._client)
        if outcome.look_again:
            raise OutcomeUnknown("the answer to setting a quantity was lost; run it again later")

    def execute(self, window: Window, declared: Mapping[str, Decimal]) -> None:
        review = Review.of(self._customer(window))
        for name, quantity in declared.items():
            review.set_quantity(self._items[name], quantity)
        review.run_when_done()
        outcome = review.apply(self._client)
        if not outcome.ran:
            raise AuditFailed(outcome.note)

    def _customer(self, window: Window) -> Customer:
        customer = self._client.get_customer(window.account)
        invoice = customer.subscription.outstanding_invoice
        if invoice is None or invoice.id != window.invoice:
            raise LookupError(f"invoice {window.invoice} of {window.account} is no longer outstanding")
        return customer


class Fusebill:
    """Audits draft invoices that are ready to be posted.

    If auto-post is off, these drafts wait until they are posted.
    """

    name = "fusebill"
    not_promised: tuple[str, ...] = (
        "drafts are found by polling, because no hook is documented",
        "a product that has no charge on the draft can't be added to it",
    )
    adds = False
    reaches_next = False  # a change names its draft

    def __init__(self, client: fusebill.Client, items: Mapping[str, str]) -> None:
        """Create the adapter. `items` maps the audit's item names to Fusebill's product codes."""
        self._client, self._items = client, items

    def windows(self, now: datetime) -> Iterator[Window]:
        """Yield a window for each draft invoice that has a product from `items`.

        If a draft can't be read, raises LookupError after the windows of all others. So does a page of drafts
        that can't be read, but the pages after it aren't read.
        """
        drafts: list[int | None] = []
        unreadable: list[Error] = []
        page, is_last = 0, False
        while not is_last:  # all pages before the first window, because posting a draft moves the others
            try:
                found = self._client.get_draft_invoices(page_number=page)
            except (APIError, DecodeError) as error:
                unreadable.append(error)
                break
            drafts += (draft.id for draft in found)
            unreadable += found.unreadable
            page, is_last = page + 1, len(found) + len(found.unreadable) < fusebill.PAGE_SIZE
        return _each(drafts, self._window, unreadable=unreadable)

    def _window(self, draft: int | None) -> Window | None:
        if draft is None:
            raise LookupError("the draft has no id")
        read = self._client.get_draft_invoice(draft)
        if not any(charge.product_code in self._items.values() for charge in read.draft_charges):
            return None
        starts = [each.start_service_date for each in read.draft_charges if each.start_service_date]
        return Window(
            system=self.name,
            account=str(read.customer_id),
            start=min(starts, default=None),
            end=read.effective_timestamp,
            opens=read.effective_timestamp,
            kind=Kind.HOLD,
            invoice=str(read.id),
        )

    def read(self, window: Window) -> Mapping[str, Decimal]:
        draft = self._draft(window)
        return {name: self._on(draft, code)[1] for name, code in self._items.items()}

    def check(self, window: Window, change: Change) -> None:
        self._wish(self._draft(window), change)

    def write(self, window: Window, change: Change) -> None:
        draft = self._draft(window)
        self._client.change_draft_invoice(draft, self._wish(draft, change))

    def execute(self, window: Window, declared: Mapping[str, Decimal]) -> None:
        posted = self._client.post_draft_invoice(int(window.invoice))
        if not posted.charges and posted.id is not None:
            posted = self._client.get_invoice(posted)
        for name, quantity in declared.items():
            billed = [
                charge.quantity for charge in posted.charges if charge.product_code == self._items[name]
            ]
            if billed != [quantity] and (billed or quantity):
                shown = ", ".join(map(str, billed)) or "nothing"
                raise AuditFailed(f"{name} was billed as {shown}, but {quantity} was declared")

    def _draft(self, window: Window) -> fusebill.DraftInvoice:
        try:
            return self._client.get_draft_invoice(int(window.invoice))
        except NotFound:
            raise LookupError(f"draft {window.invoice} is gone or already posted") from None

    def _wish(self, draft: fusebill.DraftInvoice, change: Change) -> fusebill.ChargeChange:
        charge, _ = self._on(draft, self._items[change.item])
        if charge is None or charge.id is None:
            raise AuditFailed(
                f"{change.item} is not on draft {draft.id}, and a charge can't be added to a draft"
            )
        return fusebill.ChargeChange(charge.id, quantity=change.after)

    @staticmethod
    def _on(draft: fusebill.DraftInvoice, code: str) -> tuple[fusebill.DraftCharge | None, Decimal]:
        """Return a product's charge on a draft and its quantity, or None and 0 if there is no such charge.

        Raises AuditFailed if there are several such charges, or if the charge has no quantity.
        """
        charges = [charge for charge in draft.draft_charges if charge.product_code == code]
        if len(charges) > 1:
            raise AuditFailed(f"draft {draft.id} has {len(charges)} charges of {code}; expected one")
        if not charges:
            return None, Decimal(0)
        if charges[0].quantity is None:
            raise AuditFailed(f"draft {draft.id} has no quantity for {code}")
        return charges[0], charges[0].quantity


class Cleverbridge:
    """Audits subscription items. A quantity is billed only if it is set before the reminder date."""

    name = "cleverbridge"
    not_promised: tuple[str, ...] = (
        "nothing holds the bill: quantities must be set before the reminder date",
        "this API doesn't show what was billed; only the item's quantity was read back",
    )
    adds = False

    def __init__(
        self,
        client: cleverbridge.Client,
        subscriptions: Iterable[str],
        items: Mapping[str, int],
        *,
        ahead: timedelta = timedelta(days=1),
    ) -> None:
        """Create the adapter. `items` maps the audit's item names to Cleverbridge's RunningNumbers.

        A window is audited once at most `ahead` is left until it closes, because most usage should be known
        by then. Raises TypeError if `subscriptions` is a single str.
        """
        if isinstance(subscriptions, str):
            raise TypeError("subscriptions must be a list of ids, not a single str")
        self._client, self._subscriptions = client, tuple(subscriptions)
        self._items, self._ahead = items, ahead

    def windows(self, now: datetime) -> Iterator[Window]:
        """Yield a window for each active subscription whose window closes soon.

        If a subscription can't be read, raises LookupError after the windows of all others.
        """
        return _each(self._subscriptions, lambda named: self._window(named, now))

    def _window(self, named: str, now: datetime) -> Window | None:
        subscription = self._client.get_subscription(named)
        closes, end = subscription.next_billing_date_reminder, subscription.next_billing_date
        if subscription.subscription_status not in tuple(cleverbridge.SubscriptionStatus):
            raise LookupError(f"its status is unknown: {subscription.subscription_status}")
        if not subscription.is_active:
            return None
        if end is None:
            raise LookupError("it is active, but has no next billing date")
        closes = closes or end
        if closes > now + self._ahead:
            return None
        return Window(
            system=self.name,
            account=named,
            start=None,
            end=end,
            closes=closes,
            kind=Kind.DEADLINE,
        )

    def read(self, window: Window) -> Mapping[str, Decimal]:
        """Return the quantities that were set last. They don't show whether a late change is on this bill."""
        subscription = self._subscription(window)
        found: dict[str, Decimal] = {}
        for name, number in self._items.items():
            quantity = subscription.item(number).quantity
            if quantity is None:
                raise AuditFailed(f"{window.account} has no quantity for item {number}")
            found[name] = Decimal(quantity)
        return found

    def check(self, window: Window, change: Change) -> None:
        if change.after != change.after.to_integral_value():
            raise AuditFailed(f"{change.item}: a quantity must be a whole number here, not {change.after:f}")

    def write(self, window: Window, change: Change) -> None:
        subscription = self._subscription(window)
        item = subscription.item(self._items[change.item])
        self._client.update_subscription_item(subscription, item, int(change.after), generate_mail=False)

    def _subscription(self, window: Window) -> cleverbridge.Subscription:
        subscription = self._client.get_subscription(window.account)
        if subscription.next_billing_date != window.end:
            raise LookupError(f"{window.account} now has another billing date")
        return subscription


class Chargemonk:
    """Audits charges that are collected for the next invoice.

    The call that adds these charges is inferred; see `chargemonk.Client`.
    """

    name = "chargemonk"
    not_promised: tuple[str, ...] = (
        "nothing holds the bill: charges must be added before the renewal",
        "a charge can't be deleted through the API",
    )
    adds = True

    def __init__(
        self,
        client: chargemonk.Client,
        subscriptions: Mapping[str, datetime],
        items: Mapping[str, Decimal],
        *,
        ahead: timedelta = timedelta(days=1),
    ) -> None:
        """Create the adapter. `items` maps the audit's item names to unit prices.

        `subscriptions` maps each subscription's code to its renewal time, because no documented call shows a
        renewal time before the first invoice. Raises ValueError for a time without an offset.
        """
        if any(known.tzinfo is None for known in subscriptions.values()):
            raise ValueError("a renewal time needs an offset")
        self._client, self._subscriptions = client, subscriptions
        self._items, self._ahead = items, ahead

    def windows(self, now: datetime) -> Iterator[Window]:
        """Yield a window for each subscription that renews soon, according to its newest invoice.

        If a renewal time can't be read, raises LookupError after the windows of all other subscriptions.
        """
        newest_first = sorted(self._client.list_invoices(), key=_place, reverse=True)
        billed = {
            invoice.subscription.subscription_id: invoice.subscription
            for invoice in reversed(newest_first)
            if invoice.subscription is not None
        }
        return _each(self._subscriptions, lambda code: self._window(code, billed.get(code), now))

    def _window(
        self, code: str, billed: chargemonk.InvoiceSubscription | None, now: datetime
    ) -> Window | None:
        renewal = None if billed is None else billed.subscription_next_billing
        if renewal is None and billed is not None and billed.next_billing_seconds is not None:
            raise LookupError("its renewal time is in no calendar")
        # In UTC, so that the window has the same name in every time zone.
        end = (renewal or self._subscriptions[code]).astimezone(UTC)
        if end > now + self._ahead:
            return None
        return Window(
            system=self.name,
            account=code,
            start=None,
            end=end,
            closes=end,
            kind=Kind.COLLECT,
        )

    def read(self, window: Window) -> Mapping[str, Decimal]:
        charges = self._client.list_subscription_unbilled_charges(window.account)
        return {
            name: money.total(_units(each) for each in charges if each.description.startswith(_mark(name)))
            for name in self._items
        }

    def check(self, window: Window, change: Change) -> None:
        self._charge(window, change)

    def write(self, window: Window, change: Change) -> None:
        self._client.send(self._charge(window, change))

    def _charge(self, window: Window, change: Change) -> Call[None]:
        before = change.before or Decimal(0)
        more = money.total((change.after, before.copy_negate()))
        if more < 0:
            raise AuditFailed(f"{change.item}: {before:f} is already charged and can't be reduced")
        return add_charge(
            window.account,
            f"{_mark(change.item)}{window.end:%Y-%m-%d}",
            self._items[change.item],
            quantity=more,
        )


def _each(
    accounts: Iterable[A],
    window: Callable[[A], Window | None],
    *,
    name: Callable[[A], object] = str,
    unreadable: Iterable[Error] = (),
) -> Iterator[Window]:
    """Yield the windows of these accounts.

    If some can't be read, raises LookupError after the windows of all others. `name` returns an account's
    name in the error's message. `unreadable` has errors about further accounts.
    """
    problems: list[str] = []
    for account in accounts:
        try:
            found = window(account)
        except (APIError, DecodeError, LookupError) as error:
            problems.append(f"{name(account)}: {error}")
        else:
            if found is not None:
                yield found
    problems += map(str, unreadable)
    if problems:
        raise LookupError("; ".join(problems))


def _place(invoice: chargemonk.Invoice) -> tuple[Decimal, int]:
    """Return an invoice's date and number, to sort invoices by age: the order of a list isn't documented."""
    return invoice.invoice_date or Decimal(0), invoice.invoice_number or 0


def _units(charge: chargemonk.UnbilledCharge) -> Decimal:
    """Return a charge's quantity. Raises AuditFailed if it is missing: as 0, it would be charged again."""
    if charge.quantity is None:
        raise AuditFailed(f"the unbilled charge {charge.code} has no quantity")
    return charge.quantity


def _mark(item: str) -> str:
    """Return how the descriptions of this audit's charges for an item begin, to find these charges.

    The rest of a description is a date, which differs if the renewal was moved.
    """
    return f"{item}, up to "
