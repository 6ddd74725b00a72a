"""The harness: a mock with faults, receivers that die, and an auditor that trusts neither."""

import asyncio
import itertools
import multiprocessing
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from benchmarks.crash.books import PLAN, PLAN_CODE, Usage, usage_of
from benchmarks.crash.listener import LEASE, Settings, listening_socket, serve
from tallyhook import AsyncClient, Invoice, PaymentInput
from tallyhook_mock import Mock, create_app
from tallyhook_mock.core.hooks import Delivery, DeliveryState
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.server import serving

__all__ = ["Harness", "Tally"]

SECRET = "crash-secret"
CATALOG = {
    "users": [{"email": "ops@example.com", "password": "pass"}],
    "products": [{"code": "ACME", "secret": SECRET, "plans": [PLAN]}],
}
CARD = PaymentInput(
    cc_number="4111111111111111",
    cc_expiration="12/2090",
    cc_first_name="Ida",
    cc_last_name="Lamp",
    cc_zip="90210",
)
MONTH = timedelta(days=31)
HOUR = timedelta(hours=1)

FAULTS = (
    Fault(FaultKind.LATENCY, probability=0.05, seconds=0.02),
    Fault(FaultKind.ERROR, probability=0.03, status=500),
    Fault(FaultKind.ERROR, probability=0.03, status=502),
    Fault(FaultKind.ERROR, probability=0.03, status=503, retry_after=0),
    Fault(FaultKind.DROP_BEFORE, probability=0.04),
    Fault(FaultKind.DROP_AFTER, probability=0.08),
    Fault(FaultKind.TRUNCATE, probability=0.04),
    Fault(FaultKind.DUPLICATE, probability=0.15),
    Fault(FaultKind.TIMEOUT, probability=0.1, seconds=0.05),
    Fault(FaultKind.LOSE_ANSWER, probability=0.1),
)

# A delivery that has not got through after so many tries is a bug of the receiver, not bad luck.
_MOST_TRIES = 200


@dataclass
class Tally:
    """What went wrong, over all runs. `double` and `lost` count charges, `early` and `stuck` invoices."""

    runs: int = 0
    kills: int = 0
    double: int = 0
    lost: int = 0
    early: int = 0
    stuck: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.double or self.lost or self.early or self.stuck)


class Harness:
    """Plays one customer's period after the other; `run` adds to `tally`."""

    def __init__(self, mock: Mock, client: AsyncClient, settings: Settings, receivers: int) -> None:
        self.tally = Tally()
        self._mock = mock
        self._client = client
        self._settings = settings
        self._receivers = receivers
        self._dice = random.Random(settings.seed)
        self._points: dict[tuple[int, bool], int] = {}  # how many points an undisturbed review passes
        self._turn: Counter[tuple[int, bool]] = Counter()
        self._customers = 0

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, inbox: str, seed: int, receivers: int, keeps_journal: bool
    ) -> AsyncIterator["Harness"]:
        """A harness with its mock served, and the address of the receivers reserved."""
        mock = Mock(CATALOG, start=datetime(2026, 1, 1, tzinfo=UTC))
        with listening_socket() as reserved:
            port = reserved.getsockname()[1]
            async with (
                serving(create_app(mock)) as url,
                AsyncClient("ACME", "ops@example.com", "pass", base_url=f"{url}/xml") as client,
            ):
                mock.listen("ACME", f"http://127.0.0.1:{port}/hooks", frozenset({"subscriptionBillable"}))
                settings = Settings(seed, port, f"{url}/xml", inbox, SECRET, keeps_journal=keeps_journal)
                yield cls(mock, client, settings, receivers)

    async def run(self) -> None:
        """One customer's period in which at least one receiver was killed."""
        kills = 0
        while not kills:  # a period whose appointed point was not reached proves nothing
            code = f"C{self._customers}"
            self._customers += 1
            kills = await self._play(code, with_deaths=True)
        self.tally.runs += 1

    async def _play(self, code: str, with_deaths: bool) -> int:
        """Play one period; how many receivers were killed in it."""
        usage = usage_of(self._settings.seed, code)
        deaths = self._deaths(usage, await self._length(usage)) if with_deaths else lambda: 0
        await self._client.new_customer(code, "Ida", "Lamp", "ida@example.com", PLAN_CODE, payment=CARD)
        crew = _Crew(self._settings, self._receivers, deaths)
        try:
            await crew.muster()
            if with_deaths:
                self._break_things(code)
            acknowledged = await self._bill(code, crew)
        finally:
            self._mock.faults.clear()
            await crew.dismiss()
        if with_deaths:
            self.tally.kills += crew.kills
            await self._audit(code, usage, acknowledged)
        else:
            self._points[_shape(usage)] = crew.points
        await self._client.delete_customer(code)
        return crew.kills

    async def _length(self, usage: Usage) -> int:
        """How many points an undisturbed review of this shape passes, found out by playing one."""
        shape = _shape(usage)
        if shape not in self._points:
            pilots = (f"pilot-{shape}-{number}" for number in itertools.count())
            pilot = next(code for code in pilots if _shape(usage_of(self._settings.seed, code)) == shape)
            await self._play(pilot, with_deaths=False)
        return self._points[shape]

    def _deaths(self, usage: Usage, length: int) -> Callable[[], int]:
        """When the receivers die, each in its turn: the first at every point one after the other."""
        shape = _shape(usage)
        self._turn[shape] += 1
        first = (self._turn[shape] - 1) % length + 1
        appointed = [first] * self._receivers

        def next_death() -> int:
            if appointed:
                return appointed.pop()
            return self._dice.choice([0, self._dice.randint(1, length)])

        return next_death

    def _break_things(self, code: str) -> None:
        """Faults on this customer's calls and hooks, by chance but the same for the same seed."""
        for fault in FAULTS:
            self._mock.plan(msgspec.structs.replace(fault, customer=code, seed=self._dice.getrandbits(32)))

    async def _bill(self, code: str, crew: "_Crew") -> datetime | None:
        """Let the bill date come and the hook be tried until it is acknowledged; when it was."""
        await self._advance(MONTH)
        hook = next(hook for hook in reversed(self._mock.state.hooks.log.values()) if hook.customer == code)
        (delivery,) = hook.deliveries
        for _ in range(_MOST_TRIES):
            await crew.muster()
            if delivery.state is DeliveryState.DELIVERED:
                break
            if delivery.attempts and delivery.attempts[-1].status == 503:
                await asyncio.sleep(LEASE)  # another receiver's lease, or a dead one's
            await self._mock.advance(max(delivery.next_at, self._mock.clock.now()))
        else:
            self.tally.stuck += 1
            return None
        await self._advance(2 * HOUR)
        return _acknowledged(delivery)

    async def _advance(self, by: timedelta) -> None:
        await self._mock.advance(self._mock.clock.now() + by)

    async def _audit(self, code: str, usage: Usage, acknowledged: datetime | None) -> None:
        if acknowledged is None:
            return
        self._mock.faults.clear()
        customer = await self._client.get_customer(code)
        initial = min(customer.subscription.invoices, key=lambda invoice: invoice.number or 0)
        invoice = next(made for made in reversed(customer.subscription.invoices) if made is not initial)
        asked = Counter((a.code, a.amount, a.description) for a in usage.adjustments)
        there = Counter((c.code, c.each_amount, c.description) for c in invoice.charges if c.type == "custom")
        self.tally.double += (there - asked).total()
        self.tally.lost += (asked - there).total()
        paid_at, paid = _payment(invoice)
        if paid_at is None:
            self.tally.stuck += 1
        elif not usage.runs_at_once and paid_at < acknowledged + HOUR:
            self.tally.early += 1
        elif paid != max(usage.due, Decimal(0)) and there == asked:
            self.tally.early += 1  # the charges are right: it was executed on a quantity of before


def _shape(usage: Usage) -> tuple[int, bool]:
    return len(usage.adjustments), usage.runs_at_once


def _acknowledged(delivery: Delivery) -> datetime:
    return next(attempt.at for attempt in delivery.attempts if attempt.acknowledged)


def _payment(invoice: Invoice) -> tuple[datetime | None, Decimal]:
    approved = [made for made in invoice.transactions if made.response == "approved"]
    moments = [made.transacted_datetime for made in approved]
    return (moments[0] if moments else None), sum((made.amount for made in approved), Decimal(0))


class _Crew:
    """The receivers' processes: dead ones are counted and replaced."""

    # Forking from a process that has everything loaded takes a tenth of starting anew.
    _context = multiprocessing.get_context("forkserver")
    _context.set_forkserver_preload(["benchmarks.crash.harness", "rich.progress"])

    def __init__(self, settings: Settings, size: int, deaths: Callable[[], int]) -> None:
        self.kills = 0
        self._settings = settings
        self._deaths = deaths
        self._members: list[_Member] = [self._recruit() for _ in range(size)]

    @property
    def points(self) -> int:
        return sum(member.passed.value for member in self._members)

    async def muster(self) -> None:
        """Replace the dead, and wait until everybody listens."""
        for place, member in enumerate(self._members):
            if not member.process.is_alive():
                self.kills += 1
                self._members[place] = self._recruit()
        for member in self._members:
            await asyncio.to_thread(member.is_ready.wait, 30)

    async def dismiss(self) -> None:
        for member in self._members:
            if not member.process.is_alive():
                self.kills += 1
            member.process.kill()
        for member in self._members:
            await asyncio.to_thread(member.process.join)
            member.process.close()

    def _recruit(self) -> "_Member":
        settings = replace(self._settings, dies_at=self._deaths())
        passed, is_ready = self._context.Value("i", 0), self._context.Event()
        process = self._context.Process(target=serve, args=(settings, passed, is_ready), daemon=True)
        process.start()
        return _Member(process, passed, is_ready)


@dataclass
class _Member:
    process: Any
    passed: Any
    is_ready: Any
