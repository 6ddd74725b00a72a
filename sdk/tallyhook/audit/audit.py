"""Audit usage in any billing system: declare the quantities, compare, apply and verify."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

from tallyhook import _uptime, money
from tallyhook.audit.journal import (
    Added,
    Adding,
    Declared,
    Journal,
    MemoryJournal,
    Request,
    Running,
    Setting,
    Verified,
)
from tallyhook.audit.outcome import AuditFailed, Change, Outcome, Standing
from tallyhook.audit.window import Kind, Window
from tallyhook.errors import Error, NoAnswer
from tallyhook.review import OutcomeUnknown
from tallyhook.review.apply import UNKNOWN_FOR
from tallyhook.review.driver import utc_now


class System(Protocol):
    """A billing system that can be audited.

    Attributes:
        name: the system's name, as in `Window.system`.
        not_promised: descriptions of what the system can't guarantee, to show to people.
        adds: True if quantities are set by adding charges, so that a repeated call would charge twice.
    """

    name: str
    not_promised: tuple[str, ...]
    adds: bool

    def windows(self, now: datetime) -> Iterable[Window]:
        """Return the windows to audit now, including windows that have closed but aren't billed yet."""

    def read(self, window: Window) -> Mapping[str, Decimal | None]:
        """Return, by item, the quantities that would be billed now; None if the system doesn't show one.

        Raises LookupError if the window is already billed.
        """

    def check(self, window: Window, change: Change) -> None:
        """Raise AuditFailed or ValueError if an item can't be set to its declared quantity.

        This changes nothing. All changes are checked before the first is written.
        """

    def write(self, window: Window, change: Change) -> None:
        """Set one item to its declared quantity. Raises AuditFailed if that is impossible."""


@runtime_checkable
class Executor(Protocol):
    """A system that holds invoices until a call executes them.

    Attributes:
        reaches_next: whether a quantity that arrives after the execution would change the next invoice.
    """

    reaches_next: bool

    def execute(self, window: Window, declared: Mapping[str, Decimal]) -> None:
        """Execute the invoice.

        Raises AuditFailed if the execution is declined, or if the bill differs from the `declared`
        quantities.
        """


class Audit:
    """The audit of one window. Your function declares the usage by calling the audit's methods.

    Attributes:
        window: the account and period.
        runs: whether to execute the invoice once it matches the declaration.
    """

    def __init__(self, window: Window, quantities: Mapping[str, Decimal | None]) -> None:
        self.window = window
        self.runs = False
        self._quantities = dict(quantities)
        self._declared: dict[str, Decimal] = {}

    @property
    def items(self) -> Sequence[str]:
        """The names of the items that are billed by quantity."""
        return tuple(self._quantities)

    @property
    def declared(self) -> Mapping[str, Decimal]:
        return dict(self._declared)

    def quantity(self, item: str) -> Decimal:
        """Return the quantity that would be billed for an item now; 0 if the system doesn't show it.

        Raises LookupError if there is no such item.
        """
        self._require(item)
        return self._quantities[item] or Decimal(0)

    def set_quantity(self, item: str, quantity: Decimal | int | str) -> None:
        """Declare the quantity to bill for an item.

        Declare a quantity of 0 too, because an item that isn't declared is billed at its current quantity.

        Raises:
            LookupError: there is no such item.
            TypeError: the quantity is a float, which isn't exact.
            ValueError: the quantity is not a number, it is negative, or the item is already declared.
        """
        self._require(item)
        if item in self._declared:
            raise ValueError(f"the quantity of {item} is already declared: declare the sum once")
        self._declared[item] = money.exact_number(quantity, "a quantity", least=0)

    def run_when_done(self) -> None:
        """Declare that the invoice is to be executed once it matches the declaration.

        This has no effect in systems that don't hold invoices.
        """
        self.runs = True

    def compare(self) -> tuple[Change, ...]:
        """Return a change for each item whose quantity isn't known to be the declared quantity."""
        return tuple(
            Change(item=item, before=self._quantities[item], after=quantity)
            for item, quantity in self._declared.items()
            if self._quantities[item] != quantity
        )

    def _require(self, item: str) -> None:
        if item not in self._quantities:
            raise LookupError(f"{self.window.account} has no item {item!r}; it has {', '.join(self.items)}")


def apply(
    function: Callable[[Audit], None],
    systems: Iterable[System],
    journal: Journal | None = None,
    *,
    dry_run: bool = False,
    now: Callable[[], datetime] | None = None,
    uptime: Callable[[], float] | None = None,
) -> Iterator[Outcome]:
    """Audit every window of every system with one function, and yield the outcomes.

    A window is the time in which a future bill can still be changed.

    A failure in one window doesn't stop the others. If the function raises an exception, nothing is changed
    in that window. This is a generator: nothing happens until you iterate over it, so iterate to the end. You
    can stop at any point and run the audit again: quantities are set to totals, and a system that adds
    charges looks for the charges of earlier runs before it adds any. An invoice is executed only after its
    lines have been read back. Systems that add charges need a journal.

    `now` returns the time as an aware datetime; by default it is the machine's time. `uptime` returns a
    monotonic time in seconds, so that setting the machine's clock doesn't shorten the wait after a lost
    answer. By default it is the machine's uptime, or None if you pass `now`. If `uptime` is None, only `now`
    is used.
    """
    if now is None:
        now, uptime = utc_now, uptime or _uptime.uptime
    kept: Journal = MemoryJournal() if journal is None else journal
    for system in systems:
        found = _windows(system, now())
        for window in found:
            if isinstance(window, Outcome):
                yield window
                continue
            application = _Application(system, window, function, kept, now, uptime)
            if journal is None and system.adds and not dry_run:
                yield application.outcome(Standing.FAILED, problem="adding charges needs a journal")
                continue
            yield application.run(dry_run=dry_run)


def _windows(system: System, now: datetime) -> Iterator[Window | Outcome]:
    """Yield the system's windows. If they can't all be listed, the last item is an outcome that says why."""
    try:
        yield from system.windows(now)
    except (Error, LookupError, ValueError) as error:
        nobody = Window(system=system.name, account="", start=None, end=None, kind=Kind.HOLD)
        problem = f"can't list all windows: {error}"
        yield Outcome(window=nobody, standing=Standing.FAILED, problem=problem)


class _Application:
    def __init__(
        self,
        system: System,
        window: Window,
        function: Callable[[Audit], None],
        journal: Journal,
        now: Callable[[], datetime],
        uptime: Callable[[], float] | None,
    ) -> None:
        self.system, self.window, self.function = system, window, function
        self.journal, self.now, self.uptime = journal, now, uptime
        self.changes: tuple[Change, ...] = ()

    def run(self, *, dry_run: bool) -> Outcome:
        try:
            return self._run(dry_run=dry_run)
        except NoAnswer as error:
            standing = Standing.UNKNOWN if error.maybe_applied else Standing.FAILED
            return self.outcome(standing, problem=str(error))
        except OutcomeUnknown as error:
            return self.outcome(Standing.UNKNOWN, problem=str(error))
        except (Error, LookupError, ValueError, TypeError) as error:
            return self.outcome(Standing.FAILED, problem=str(error))

    def _run(self, *, dry_run: bool) -> Outcome:
        window = self.window
        audit = Audit(window, self.system.read(window))
        try:
            self.function(audit)
        except (Error, LookupError, ValueError, TypeError):
            raise
        except Exception as error:  # whatever a user's database raises
            return self.outcome(Standing.FAILED, problem=f"{type(error).__name__}: {error}")
        self.changes = audit.compare()
        if window.is_late(self.now()):
            if not self.changes:
                return self.outcome(Standing.SET)
            closed = f"closed at {window.closes:%Y-%m-%d %H:%M}: a change now would not be on this bill"
            return self.outcome(Standing.LATE, problem=closed)
        if not dry_run and self._may_change(audit):
            problem = "an earlier request may still arrive; run it again later"
            return self.outcome(Standing.UNKNOWN, problem=problem)
        for change in self.changes:
            self.system.check(window, change)
        if dry_run:
            return self.outcome(Standing.DRY_RUN)
        if self.changes:
            written = {item: f"{quantity:f}" for item, quantity in audit.declared.items()}
            self.journal.append(Declared(window=window.key, at=self.now(), quantities=written))
        kind = Adding if self.system.adds else Setting
        for change in self.changes:
            self.journal.append(
                kind(
                    window=window.key,
                    at=self.now(),
                    item=change.item,
                    quantity=f"{change.after:f}",
                    up=self.uptime and self.uptime(),
                )
            )
            self.system.write(window, change)
            if self.system.adds:
                self.journal.append(Added(window=window.key, at=self.now(), item=change.item))
        is_late = bool(self.changes) and window.is_late(self.now())
        self._verify(audit)
        if is_late:
            closed = (
                f"closed at {window.closes:%Y-%m-%d %H:%M}, during the change: check if it is on this bill"
            )
            return self.outcome(Standing.LATE, problem=closed)
        if window.kind is not Kind.HOLD or not audit.runs:
            return self.outcome(Standing.SET)
        if not isinstance(self.system, Executor):
            raise AuditFailed(f"{self.system.name} has no call that executes an invoice")
        if self.system.reaches_next and self._is_under_way():
            problem = (
                "an earlier request may still arrive, and would change the next invoice; run it again later"
            )
            return self.outcome(Standing.UNKNOWN, problem=problem)
        self.journal.append(Running(window=window.key, at=self.now(), up=self.uptime and self.uptime()))
        self.system.execute(window, audit.declared)
        return self.outcome(Standing.EXECUTED)

    def _verify(self, audit: Audit) -> None:
        """Read the quantities back after they were set.

        Raises AuditFailed if one differs from the declaration. Then nothing is executed. A quantity that the
        system doesn't show can't differ.
        """
        if not self.changes:
            return
        stands = self.system.read(self.window)
        for item, quantity in audit.declared.items():
            if item not in stands or stands[item] not in (None, quantity):
                raise AuditFailed(f"{item} is {stands.get(item)} after it was set to {quantity}")
        self.journal.append(Verified(window=self.window.key, at=self.now()))

    def _may_change(self, audit: Audit) -> bool:
        """Return whether an earlier run's request may still arrive and make the bill wrong.

        Raises AuditFailed if a charge was added but isn't shown as it was sent, because each run would then
        add another charge.
        """
        declared = audit.declared
        shown = {item: audit.quantity(item) for item in audit.items}
        unknown: list[Request] = []
        for entry in self.journal.entries(self.window.key):
            match entry:
                case Verified():
                    unknown = []
                case Setting(item=item, quantity=quantity) if declared.get(item) != Decimal(quantity):
                    unknown.append(entry)
                case Adding(item=item, quantity=quantity) if shown.get(item, 0) < Decimal(quantity):
                    unknown.append(entry)
                case Added(item=item) if any(each.item == item for each in unknown):
                    raise AuditFailed(f"{item} was charged, but doesn't show as it was sent")
        return bool(unknown) and self._age(unknown[-1]) < UNKNOWN_FOR

    def _is_under_way(self) -> bool:
        """Return whether a request of an earlier run may still arrive.

        Each run begins with `Declared`. If all its quantities were answered, `Verified` follows. A request to
        execute the invoice, or a quantity that is sent with it, may always have been lost, since the invoice
        is still here.
        """
        unverified: list[Request | Running] = []
        latest: list[Request] = []
        for entry in self.journal.entries(self.window.key):
            match entry:
                case Declared():
                    unverified += latest
                    latest = []
                case Setting():
                    latest.append(entry)
                case Verified():
                    latest = []
                case Running():
                    unverified.append(entry)
        return any(self._age(entry) < UNKNOWN_FOR for entry in (*unverified, *latest))

    def _age(self, entry: Request | Running) -> timedelta:
        """Return the time since an entry was written, even if the clock has been set in the meantime.

        This is the shorter of the times that the clock and the machine's uptime show. If the machine was
        restarted, only the clock is used; if the clock was set back, only the uptime. An entry from another
        machine may seem younger than it is.
        """
        age = self.now() - entry.at
        if self.uptime is None or entry.up is None or (up := self.uptime() - entry.up) < 0:
            return age
        waited = timedelta(seconds=up)
        return waited if age < timedelta(0) else min(age, waited)

    def outcome(self, standing: Standing, *, problem: str = "") -> Outcome:
        return Outcome(
            window=self.window,
            standing=standing,
            changes=self.changes,
            problem=problem,
            not_promised=self.system.not_promised,
        )
