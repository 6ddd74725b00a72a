"""Forecast how a new date for a billing period definition would change its next invoices.

The rules for amounts are documented, for monthly and yearly periods alike:

- Every period bills the full recurring amount. If a new date makes the current period longer, the extra days
  are free. If it makes the period shorter, nothing is refunded.
- A charge that is pending until the end of the period keeps its amount, even if it was prorated to a date
  that has since moved.

The new end of the current period is inferred: it is the new date in the month of the old end (for yearly
periods, in the year of the old end). If that day isn't in the future, the new end is the next day after today
on which the new date falls.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from tallyhook import money
from tallyhook._call import wrong_type
from tallyhook.fusebill.models import BillingPeriodDefinition
from tallyhook.fusebill.terms import Cycle, InvoiceDate
from tallyhook.tables import Column, Shown, Table

_INVOICES = 3


class PlannedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """A future invoice. It bills on `date`, at the end of the period that begins on `start`.

    If the definition has an `invoice_in_advance`, the invoice is sent that many days earlier (documented).
    """

    start: datetime
    date: datetime
    amount: Decimal

    @property
    def days(self) -> int:
        """The length of the invoice's period in days."""
        return (self.date - self.start).days

    @property
    def days_counted(self) -> int:
        """The length of the period in days as Fusebill counts them: including the day of the invoice."""
        return self.days + 1


class DryRun(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A definition's next invoices, before and after a change of its date.

    `print` shows both lists side by side. Amounts are before tax, and don't include charges that may still be
    added. If the definition has no subscriptions, there are no invoices.
    """

    definition: BillingPeriodDefinition
    before: tuple[PlannedInvoice, ...]
    after: tuple[PlannedInvoice, ...]

    @property
    def extra_days(self) -> int:
        """How many days the change adds to the current period; negative if the period gets shorter."""
        if not self.before:
            return 0
        return self.after[0].days - self.before[0].days

    def table(self) -> Table:
        return Table(
            title=f"definition {self.definition.id}, {self.definition.cycle}: dry run",
            columns=_COLUMNS,
            rows=tuple(
                (
                    str(number),
                    f"{before.date:%Y-%m-%d}",
                    f"{after.date:%Y-%m-%d}",
                    str(before.days),
                    str(after.days),
                    money.amount_text(before.amount),
                    money.amount_text(after.amount),
                )
                for number, (before, after) in enumerate(zip(self.before, self.after, strict=True), 1)
            ),
            remarks=tuple(self._remarks()),
        )

    def _remarks(self) -> Iterator[str]:
        if not self.before:
            yield "it has no subscriptions, so nothing is billed"
            return
        days = abs(self.extra_days)
        by = f"{days} {'day' if days == 1 else 'days'}"
        if self.extra_days > 0:
            yield f"the current period gets {by} longer, which costs nothing"
        elif self.extra_days < 0:
            yield f"the current period gets {by} shorter, and nothing is refunded"
        else:
            yield "the length of the current period doesn't change"
        yield f"Fusebill counts {self.after[0].days_counted} days, including the day of the invoice"
        if ahead := self.definition.invoice_in_advance:
            yield f"each invoice is sent {ahead} {'day' if ahead == 1 else 'days'} before its date"
        if pending := self.definition.pending_amount:
            yield f"the first invoice includes {money.amount_text(pending)} of pending charges, unchanged"


_COLUMNS = (
    Column("invoice", is_number=True),
    Column("date"),
    Column("moved to"),
    Column("days", is_number=True),
    Column("then", is_number=True),
    Column("amount", is_number=True),
    Column("then", is_number=True),
)


def dry_run(
    definition: BillingPeriodDefinition,
    *,
    invoice_day: int | None = None,
    invoice_month: int | None = None,
    now: datetime | None = None,
) -> DryRun:
    """Forecast how a new `invoice_day` or `invoice_month` would change a definition's next three invoices.

        >>> print(dry_run(client.get_billing_period_definition(12), invoice_day=6))

    This function makes no call and changes nothing. A moved invoice is always later than `now`, which is the
    current time by default. The forecast uses the current quantities and bills every period in full, although
    a first period that is billed in arrears may cost less.

    Raises:
        ValueError: there is no such day, or the definition has no dates.
    """
    start, end = definition.current_billing_period_start_date, definition.next_recharge_date
    if start is None or end is None or definition.invoice_day is None:
        raise ValueError("The definition has no dates")
    is_yearly = definition.cycle == Cycle.YEARLY
    month = definition.invoice_month if is_yearly else None
    if is_yearly and month is None:
        raise ValueError("The definition has no month")
    months = (12 if is_yearly else 1) * (definition.number_of_intervals or 1)
    old = _Dates(months, InvoiceDate(definition.invoice_day, month))
    new = _Dates(
        months,
        InvoiceDate(
            definition.invoice_day if invoice_day is None else invoice_day,
            month if invoice_month is None else invoice_month,
        ),
    )
    today = midnight(datetime.now(UTC) if now is None else now)
    moved = end if new == old else new.of_period_ending(end, today)
    return DryRun(
        definition=definition,
        before=_invoices(definition, start, end, old),
        after=_invoices(definition, start, moved, new),
    )


@dataclass(frozen=True, slots=True)
class _Dates:
    """Finds the days on which periods end. If a month is too short, its last day is used (inferred)."""

    months: int  # the length of a whole period
    on: InvoiceDate

    def of_period_ending(self, end: datetime, today: datetime) -> datetime:
        """Return the new end of the current period, whose old end is `end`."""
        moved = self._near(end)
        if moved > today:
            return moved
        date = self._near(today)
        return date if date > today else self._later(date, 1 if self.on.month is None else 12)

    def following(self, end: datetime) -> datetime:
        """Return the end of the following period, which begins at `end`."""
        return self._later(end, self.months)

    def _near(self, moment: datetime) -> datetime:
        """Return the invoice date in the month of `moment`.

        If the invoice date includes a month, return the invoice date in the year of `moment` instead.
        """
        month = moment.month if self.on.month is None else self.on.month
        return self._later(moment.replace(day=1, month=month), 0)

    def _later(self, moment: datetime, months: int) -> datetime:
        year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
        month += 1
        return datetime(year, month, min(self.on.day, monthrange(year, month)[1]), tzinfo=UTC)


def _invoices(
    definition: BillingPeriodDefinition, start: datetime, end: datetime, dates: _Dates
) -> tuple[PlannedInvoice, ...]:
    if not definition.subscriptions:
        return ()
    planned: list[PlannedInvoice] = []
    amount = money.total((definition.recurring_amount, definition.pending_amount))
    while len(planned) < _INVOICES:
        planned.append(PlannedInvoice(start=start, date=end, amount=amount))
        start, end = end, dates.following(end)
        amount = definition.recurring_amount
    return tuple(planned)


def midnight(moment: datetime) -> datetime:
    """Return the start of the day in UTC. Periods begin and end at such a time (inferred)."""
    if not isinstance(moment, datetime):
        raise wrong_type(moment, "now", "a datetime")
    if moment.tzinfo is None:
        raise ValueError("A datetime needs an offset")
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
