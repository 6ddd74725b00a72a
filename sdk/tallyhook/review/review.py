"""The review of one invoice. A handler uses it to declare what the invoice should have."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from tallyhook import money
from tallyhook._call import no_lone_surrogates, text
from tallyhook.cheddar.hooks import Hook
from tallyhook.cheddar.models import Customer, Invoice, Plan, Product, Subscription
from tallyhook.review.apply import GONE_AFTER, UNKNOWN_FOR
from tallyhook.review.compare import Changes, compare
from tallyhook.review.driver import adrive, drive, utc_now
from tallyhook.review.journal import Declaration, DeclaredCharge, Entry, Journal
from tallyhook.review.outcome import Outcome
from tallyhook.tables import Column, Shown, Table

if TYPE_CHECKING:
    from tallyhook.cheddar.client import AsyncClient, Client

_CHARGE_CODE_LENGTH = 36  # documented

_COLUMNS = (
    Column("code"),
    Column("shown", is_number=True),
    Column("declared", is_number=True),
    Column("description"),
)


class Period(msgspec.Struct, frozen=True):
    """The time that an invoice bills, from `start` up to, but not including, `end`."""

    start: datetime
    end: datetime


class Review(Shown):
    """A declaration of what an outstanding invoice should have. Nothing is sent until you apply it.

    A handler receives a review that was made from the hook. Without a hook, make a review from a customer
    document with `Review.of`. Items whose quantity you don't declare, and charges that this review didn't
    add, are left unchanged.
    """

    def __init__(
        self, customer: Customer, subscription: Subscription, invoice: Invoice, product: Product | None = None
    ) -> None:
        self.product = product
        self.customer = customer
        self.subscription = subscription
        self.invoice = invoice
        self._quantities: dict[str, Decimal] = {}
        self._charges: list[DeclaredCharge] = []
        self._run_when_done = False
        # A hook has the plan from the time when the invoice was held. In a document, the plan may have been
        # edited since.
        self.is_from_hook = product is not None
        self.verified: dict[str, Decimal] = {}  # the quantities that this object has set and read back
        self._is_closed = False
        self.is_late = False

    @classmethod
    def from_hook(cls, hook: Hook) -> "Review":
        """Return the review of the invoice in a hook.

        Raises ValueError if the hook has no customer or no invoice.
        """
        customer, invoice = hook.customer, hook.subscription.invoice
        is_named = (customer.id + customer.code).strip()
        if not is_named or invoice is None or not (invoice.id.strip() or invoice.number):
            raise ValueError("the hook has no customer or no invoice, so there is nothing to review")
        return cls(customer, hook.subscription, invoice, hook.product)

    @classmethod
    def of(cls, customer: Customer) -> "Review":
        """Return the review of a customer's outstanding invoice.

        Raises LookupError if no invoice is outstanding.
        """
        invoice = customer.subscription.outstanding_invoice if customer.subscriptions else None
        if invoice is None:
            raise LookupError("this customer has no outstanding invoice to review")
        return cls(customer, customer.subscription, invoice)

    @property
    def plan(self) -> Plan:
        """The plan that the invoice bills. You can declare quantities of the plan's items."""
        return self.subscription.plan

    @property
    def period(self) -> Period:
        """The billing period that ended. Raises LookupError if a date is missing.

        A hook contains both dates. In a customer document, the period starts at the billing date of the
        customer's previous invoice, which may belong to the subscription to an earlier plan. A first period
        starts when the invoice or the first subscription was created, whichever is earlier (inferred).
        """
        invoice = self.invoice
        end = invoice.billing_datetime
        if end is None:
            raise LookupError("the invoice has no billing date")
        start = invoice.previous_billing_datetime or self._previous_billing(end)
        if start is None:
            raise LookupError("the start of this invoice's period is unknown")
        return Period(start, end)

    def _previous_billing(self, end: datetime) -> datetime | None:
        """Return when the previous invoice was billed.

        For the first invoice, return when the invoice or the first subscription was created.
        """
        # A change of the plan starts a new subscription, but not a new period (documented).
        subscriptions = (self.subscription, *self.customer.subscriptions)
        billed = (
            it.billing_datetime for each in subscriptions for it in each.invoices if it.type != "one-time"
        )
        # The exception: after a plan that bills no periods, a new subscription also starts a new period.
        pairs = pairwise(self.customer.subscriptions)
        begun = (each.created_datetime for each, older in pairs if older.plan.billing_frequency == "none")
        if earlier := [it for it in (*billed, *begun) if it is not None and it < end]:
            return max(earlier)
        created = (self.invoice.created_datetime, *(each.created_datetime for each in subscriptions))
        return min((moment for moment in created if moment is not None), default=None)

    def quantity(self, item: str) -> Decimal:
        """Return the item's quantity on the invoice, for the period that ended; 0 if the invoice shows none.

        Raises ValueError if the plan doesn't track the item.
        """
        self._require(item)
        return next((shown.quantity for shown in self.invoice.items if shown.code == item), Decimal(0))

    def set_quantity(self, item: str, quantity: Decimal | int | str) -> None:
        """Declare the item's quantity at the end of the period: zero or more, with at most four decimals.

        Raises ValueError if the plan doesn't track the item, if the item's quantity is already declared, or
        if the quantity is invalid. Raises TypeError for a float.
        """
        self._require_open()
        self._require(item)
        if item in self._quantities:
            raise ValueError(f"the quantity of {item} is already declared: declare the sum once")
        exact = money.quantity(quantity)
        if exact < 0:
            raise ValueError(f"the quantity of {item} can't be negative: {quantity}")
        self._quantities[text(item, "an item's code")] = exact

    def charge(
        self, code: str, each_amount: Decimal | int | str, description: str = "", *, quantity: int = 1
    ) -> None:
        """Declare a custom charge. Each call declares another charge.

        `each_amount` is the price of one unit, with at most two decimals. Raises ValueError for a code that
        is empty or longer than 36 characters, for text with a lone surrogate, for too many decimals, or for a
        quantity below 1. Raises TypeError for a float, and for a code or description that is not a str.
        """
        self._require_open()
        code, description = text(code, "a charge's code"), text(description, "a charge's description")
        if not code.strip() or len(code) > _CHARGE_CODE_LENGTH:
            raise ValueError(f"a charge code must have 1 to {_CHARGE_CODE_LENGTH} characters: {code!r}")
        with no_lone_surrogates():
            (code + description).encode()
        amount, count = money.amount(each_amount), money.count(quantity)
        self._charges.append(
            DeclaredCharge(
                code=code,
                each_amount=amount,
                quantity=count,
                description=description,
            )
        )

    def credit(self, code: str, amount: Decimal | int | str, description: str = "") -> None:
        """Declare a credit. `amount` must be positive. Raises the same exceptions as `charge`."""
        exact = money.amount(amount)
        if exact <= 0:
            raise ValueError(f"the amount of a credit must be positive: {amount}")
        self.charge(code, exact.copy_negate(), description)

    def run_when_done(self) -> None:
        """Declare that the review also runs the invoice once it matches the declaration.

        Otherwise the billing system runs the invoice later. The invoice of a canceled subscription is not
        run, because the billing system wouldn't run it either.
        """
        self._require_open()
        self._run_when_done = True

    def close(self) -> None:
        """Accept no more declarations. A later declaration raises RuntimeError and sets `is_late` to True.

        A receiver closes the review when its handler returns. A declaration from a task or thread that the
        handler has left running would come too late.
        """
        self._is_closed = True

    def _require_open(self) -> None:
        if self._is_closed:
            self.is_late = True
            raise RuntimeError("this declaration is too late: the review's handler has returned")

    @property
    def declaration(self) -> Declaration:
        """What has been declared so far."""
        return Declaration(
            quantities=dict(self._quantities), charges=tuple(self._charges), run_when_done=self._run_when_done
        )

    def compare(self, customer: Customer, entries: Sequence[Entry] | None = None) -> Changes:
        """Return the changes that `apply` would make, according to this customer document (a dry run).

        If the invoice is already paid, returns what differs, although `apply` can't change it any more.
        `entries` is the journal so far; see `review.compare`.
        """
        return compare(self, customer, entries)

    def apply(self, client: "Client", *, unknown_for: timedelta = UNKNOWN_FOR, marks: bool = True) -> Outcome:
        """Make the invoice match the declaration, and read it back to verify it.

        If you have called `run_when_done`, the invoice is then run.

        `apply` works without a journal. If the content of a declared charge is already on the invoice, the
        charge isn't added again, so applying again changes nothing. Charges from an earlier, different
        declaration are kept.

        A new charge has a mark at the end of its description, ` (ref 4f9a1c2e07)`. The mark identifies the
        charge if the answer is lost. Customers see it on their invoices. `marks=False` leaves the mark out,
        but then a lost answer raises OutcomeUnknown more often.

        A request whose answer was lost may still arrive until `unknown_for` has passed. An invoice that is no
        longer outstanding isn't changed; the outcome's `standing` says so.

        Raises:
            OutcomeUnknown: an answer was lost, and the request may still arrive. Wait `retry_after` seconds
                before you apply again, because without a journal nothing remembers the request.
            Unresolved: the invoice was paid but differs from the declaration, or it is unclear which charges
                the review has added.
            ReviewFailed: the invoice still doesn't match the declaration, or an answer was about another
                customer.
            EarlierInvoiceOutstanding: an older invoice must be paid first.
            ValueError: the client's product isn't the hook's, or the client's timeout isn't shorter
                than `unknown_for`. Nothing was sent.
            Error: a call failed.
        """
        return drive(self, client, unknown_for=unknown_for, marks=marks)

    async def aapply(
        self,
        client: "AsyncClient",
        journal: Journal | None = None,
        *,
        now: Callable[[], datetime] = utc_now,
        unknown_for: timedelta = UNKNOWN_FOR,
        marks: bool = True,
        gone_after: timedelta = GONE_AFTER,
    ) -> Outcome:
        """Do what `apply` does, with an async client and, if you pass one, a journal.

        The journal has the ids of the charges that earlier attempts added, so a new attempt continues where
        the last one stopped. If you now declare different charges, they replace the earlier charges. If the
        answer to a request to add a charge was lost, the charge is found by its mark. If it isn't found, it
        is added again once its request is older than `unknown_for` by the clock `now`; until then, attempts
        raise OutcomeUnknown. If neither ids nor marks show whether the review has added a charge, attempts
        raise Unresolved.

        `unknown_for` must be longer than the client's timeout. Add a margin, because the billing system may
        apply a request late. A missing customer or invoice counts as gone only if another attempt, at least
        `gone_after` later, doesn't find it either; until then, attempts raise OutcomeUnknown.

        Raises the same exceptions as `apply`. An exception from the journal ends the attempt.
        """
        return await adrive(
            self, client, journal, now=now, unknown_for=unknown_for, marks=marks, gone_after=gone_after
        )

    async def alook_again(
        self,
        client: "AsyncClient",
        journal: Journal,
        *,
        now: Callable[[], datetime] = utc_now,
        unknown_for: timedelta = UNKNOWN_FOR,
        marks: bool = True,
        gone_after: timedelta = GONE_AFTER,
    ) -> Outcome:
        """Check an invoice again. Call this if `look_again` is True in the review's outcome.

        The declaration comes from the journal. If the invoice doesn't match it, the invoice is corrected, but
        not run. Raises the same exceptions as `aapply`, for example Unresolved if the paid invoice differs
        from the declaration.
        """
        return await adrive(
            self,
            client,
            journal,
            now=now,
            unknown_for=unknown_for,
            marks=marks,
            gone_after=gone_after,
            is_second_look=True,
        )

    def table(self) -> Table:
        """Return a table with the quantities on the invoice and the declaration so far."""
        declared = self._quantities
        items = [item.code for item in self.plan.items]
        return Table(
            title=f"review of invoice {self.invoice.number or self.invoice.id}"
            f" of customer {self.customer.code or self.customer.id}",
            columns=_COLUMNS,
            rows=(
                *(
                    (
                        code,
                        money.quantity_text(self.quantity(code)),
                        money.quantity_text(declared[code]) if code in declared else "",
                        "",
                    )
                    for code in items
                ),
                *((charge.code, "", charge.price, charge.description) for charge in self._charges),
            ),
            remarks=("the invoice is run when this is done",) if self._run_when_done else (),
        )

    def _require(self, item: str) -> None:
        codes = [planned.code for planned in self.plan.items]
        if item not in codes:
            known = ", ".join(codes) or "nothing"
            raise ValueError(f"plan {self.plan.code} doesn't track item {item!r}; it tracks {known}")

    def __repr__(self) -> str:
        declared = f"{len(self._quantities)} quantities, {len(self._charges)} charges"
        return f"<Review of invoice {self.invoice.number or self.invoice.id}: {declared}>"
