"""The harness: a mock, a proxy that causes faults, receivers that die, and an audit of every invoice."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import msgspec
from tests.postgres import Postgres

from benchmarks.crash.books import PLAN, PLAN_CODE, Usage, usage_of
from benchmarks.crash.crew import Crew
from benchmarks.crash.disk import Disk
from benchmarks.crash.faults import HOOKS, NO_SCENE, Scene
from benchmarks.crash.listener import LEASE, UNKNOWN_FOR, Settings, listening_socket
from benchmarks.crash.people import Person, announced, content, custom
from benchmarks.crash.proxy import Mischief, Proxy
from tallyhook import AsyncClient, Invoice, PaymentInput
from tallyhook.review.journal import Adding, Entry, GivenUp
from tallyhook_mock import Mock, create_app
from tallyhook_mock.core.hooks import Delivery, DeliveryState
from tallyhook_mock.sender import Sender
from tallyhook_mock.server import serving
from tallyhook_receiver import Record, State, open_inbox

__all__ = ["Harness", "Options", "Tally", "summed"]

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
BYSTANDER = "bystander"
MONTH = timedelta(days=31)
HOUR = timedelta(hours=1)

# A hook that is not acknowledged after this many attempts shows a bug in the receiver, not bad luck.
_MOST_TRIES = 120

# The probability that somebody changes an invoice, at each write and between two attempts. This is far more
# often than in reality, but rare enough that most reviews can finish.
_MEDDLES = 0.03

# The time limit for one period in seconds. It is long enough for a busy machine.
_PERIOD = 900


@dataclass(frozen=True)
class Options:
    """How to run the harness.

    `hooks` is the number of customers who are billed at the same time. `kinds` are the names in KINDS of the
    faults to cause. If there is a `scene`, no other faults happen.
    """

    seed: int = 1
    receivers: int = 1
    hooks: int = 1
    kinds: frozenset[str] = frozenset()
    mutant: str = ""
    marks: bool = True
    deaths: bool = True
    scene: Scene = NO_SCENE


@dataclass
class Tally:
    """The results of all runs.

    `double` and `lost` count charges that the receivers added twice or not at all. The following fields count
    invoices:

    - `quantity`: executed with another quantity than the declared one;
    - `early`: executed before the hour was over;
    - `stuck`: never acknowledged, never paid, or a person was asked without a good reason;
    - `asked`: a person was asked for a good reason: somebody had changed the invoice, the server kept no
      marks, one charge was lost three times, or the hour had ended because the clock was set ahead.

    Invoices about which a person was asked are audited too, except if the hook was not acknowledged and the
    invoice is still held or was run by a person. `reasons` counts the questions. `kills` counts receivers
    that died during their work, `stops` receivers that were stopped, and `cuts` power cuts and restarts of
    the database.
    """

    runs: int = 0
    invoices: int = 0
    kills: int = 0
    stops: int = 0
    cuts: int = 0
    asked: int = 0
    double: int = 0
    lost: int = 0
    quantity: int = 0
    early: int = 0
    stuck: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    what: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.double or self.lost or self.quantity or self.early or self.stuck)


def summed(tallies: Sequence[Tally]) -> Tally:
    """Return the sum of all tallies."""
    whole = Tally()
    for tally in tallies:
        for name, value in vars(tally).items():
            setattr(whole, name, getattr(whole, name) + value)
    return whole


class Harness:
    """Bills customers, period after period. `run` adds the results to `tally`."""

    def __init__(
        self,
        options: Options,
        mock: Mock,
        proxy: Proxy,
        client: AsyncClient,
        settings: Settings,
        database: Postgres | Disk,
        codes: dict[str, str],
    ) -> None:
        self.tally = Tally()
        self._options = options
        self._mock = mock
        self._proxy = proxy
        self._client = client
        self._settings = settings
        self._database = database
        self._dice = random.Random(options.seed)
        self._length = 0  # how many points an undisturbed review passes
        self._turn = 0
        self._customers = 0
        self._codes = codes

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, options: Options, inbox: str, database: Postgres | Disk
    ) -> AsyncIterator["Harness"]:
        """Yield a harness whose mock and proxy are being served. The receivers' address is reserved."""
        # The timeout is short, so that a stopped receiver doesn't keep the hook from the other receivers.
        sender = Sender(timeout=LEASE if "stop" in options.kinds or options.scene.sleeps_at else 5)
        mock = Mock(CATALOG, start=datetime(2026, 1, 1, tzinfo=UTC), sender=sender, seed=options.seed)
        codes: dict[str, str] = {}

        def customer_of(named: str) -> str:
            return codes.get(named, named)

        with listening_socket() as reserved:
            port = reserved.getsockname()[1]
            async with (
                serving(create_app(mock)) as url,
                AsyncClient(
                    "ACME",
                    "ops@example.com",
                    "pass",
                    base_url=f"{url}/xml",
                    limits=httpx.Limits(max_keepalive_connections=0),
                ) as client,
            ):
                proxy = Proxy(url, customer_of, BYSTANDER)
                async with serving(proxy) as between:
                    mock.listen("ACME", f"http://127.0.0.1:{port}/hooks", frozenset({"subscriptionBillable"}))
                    settings = Settings(
                        options.seed,
                        port,
                        f"{between}/xml",
                        inbox,
                        SECRET,
                        os.getpid(),
                        sleeps_at=options.scene.sleeps_at,
                        mutant=options.mutant,
                        flushes=isinstance(database, Disk) and "power" in options.kinds,
                        marks=options.marks,
                    )
                    if "documents" in options.kinds:
                        await _sign_up(client, BYSTANDER)
                    try:
                        yield cls(options, mock, proxy, client, settings, database, codes)
                    finally:
                        await proxy.aclose()

    async def run(self) -> None:
        """Play one period. If receivers are to die, repeat this until at least one receiver was killed."""
        if not self._length and (self._options.deaths or "stop" in self._options.kinds):
            await self._measure()
        kills = -1
        while kills < (1 if self._options.deaths else 0):
            kills = await self._play()  # a run in which no receiver reaches its point of death proves nothing
        self.tally.runs += 1

    async def _measure(self) -> None:
        """Count the points that a review passes without any faults."""
        await self._play(is_pilot=True)

    async def _play(self, *, is_pilot: bool = False) -> int:
        """Play one period, and return how many receivers were killed."""
        count = 1 if is_pilot else self._options.hooks
        plays = [await self._begin(self._next_code()) for _ in range(count)]
        crew = Crew(
            self._settings,
            1 if is_pilot else self._options.receivers,
            (lambda: (0, 0)) if is_pilot else self._deaths(),
            self._dice.getrandbits(32),
        )
        try:
            async with self._watched(crew, plays):
                await self._play_with(crew, plays, is_pilot=is_pilot)
        finally:
            await crew.dismiss()
            self._proxy.mischief.clear()
            self._mock.faults.clear()
            await self._proxy.idle()
        await self._advance(2 * HOUR)
        self.tally.kills += crew.kills
        self.tally.stops += crew.stops
        if is_pilot:
            self._length = crew.points
        else:
            for play in plays:
                await self._audit(play, crew.version.value)
        for play in plays:
            await self._client.delete_customer(play.code)
        return crew.kills

    async def _play_with(self, crew: Crew, plays: list["_Play"], *, is_pilot: bool) -> None:
        await crew.muster()
        (listener,) = self._mock.state.hooks.listeners.values()
        self._mock.pause(listener)
        await self._advance(MONTH)
        scene = self._options.scene
        for play in plays:
            if scene is not NO_SCENE:
                await self._stage(play, scene)
            elif not is_pilot:
                await self._disturb(play)
        self._mock.resume(listener)
        await self._bill(plays, crew, is_pilot=is_pilot)
        if scene.sleeps_at:
            await crew.wake(turns_back=scene.turns_back)

    @asynccontextmanager
    async def _watched(self, crew: Crew, plays: list["_Play"]) -> AsyncIterator[None]:
        """Raise RuntimeError if a period doesn't end in time. The message helps to find the cause."""
        limit = asyncio.timeout(_PERIOD)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            lines = [*crew.told(), self._proxy.told()]
            for play in plays:
                lines += [f"{play.code}:", *play.told()]
            raise RuntimeError("\n".join([f"no end within {_PERIOD} s", *lines])) from error

    def _next_code(self) -> str:
        """Return a new customer's code. In a scene, take a customer whose review doesn't run the invoice."""
        while True:
            code = f"C{self._customers}"
            self._customers += 1
            if self._options.scene is NO_SCENE or not usage_of(self._options.seed, code).runs_at_once:
                return code

    async def _begin(self, code: str) -> "_Play":
        usage = usage_of(self._options.seed, code)
        customer = await _sign_up(self._client, code)
        self._codes[customer] = code
        person = Person(self._client, code, usage, self._dice.getrandbits(32))
        return _Play(code, usage, person, Mischief(frozenset(), random.Random(0)))

    def _deaths(self) -> Callable[[], tuple[int, int]]:
        """Return a function that decides at which points the next receiver dies and stops.

        The first receivers die at the first point in the first run, at the second point in the second run,
        and so on. Their successors die at random points, or not at all.
        """
        self._turn += 1
        length = max(1, self._length * self._options.hooks // self._options.receivers)
        first = (self._turn - 1) % length + 1
        appointed = [first] * self._options.receivers if self._options.deaths else []

        def next_death() -> tuple[int, int]:
            stops = "stop" in self._options.kinds and self._dice.random() < 0.5
            stops_at = self._dice.randint(1, length) if stops else 0
            if appointed:
                return appointed.pop(), stops_at
            if not self._options.deaths:
                return 0, stops_at
            return self._dice.choice([0, self._dice.randint(1, length)]), stops_at

        return next_death

    async def _disturb(self, play: "_Play") -> None:
        """Plan random faults for this customer's calls and hooks. They are the same for the same seed."""
        kinds = self._options.kinds
        rewrites = self._dice.choice(["", "", "case", "spaces", "cut"]) if "documents" in kinds else ""
        # A charge that was added but answered with an error can be recognised only by its mark.
        refuses = self._options.marks and rewrites != "cut"
        play.mischief = Mischief(kinds, random.Random(self._dice.getrandbits(32)), rewrites, refuses=refuses)
        if "people" in kinds:
            await play.person.prepare()

            async def meddle(action: str) -> None:
                await play.person.act(_MEDDLES)

            play.mischief.before = meddle
        self._proxy.mischief[play.code] = play.mischief
        for fault in HOOKS:
            self._mock.plan(
                msgspec.structs.replace(fault, customer=play.code, seed=self._dice.getrandbits(32))
            )

    async def _stage(self, play: "_Play", scene: Scene) -> None:
        play.mischief = Mischief(frozenset(), random.Random(0), loses=False)
        if scene.forgets:
            await play.person.imitate()
            play.mischief.forgets = "customers/add-charge"
        self._proxy.mischief[play.code] = play.mischief

    async def _bill(self, plays: list["_Play"], crew: Crew, *, is_pilot: bool) -> None:
        """Have the hooks delivered until they are acknowledged and the second looks are done."""
        for play in plays:
            play.delivery = self._delivery(play.code)
        for _ in range(_MOST_TRIES):
            await crew.muster()
            open_ = [play for play in plays if not play.is_over]
            if not open_:
                break
            if not is_pilot:
                await self._happen(plays, crew)
            if any(play.status == 503 for play in open_):
                await self._pass(crew, taken=any(play.is_taken for play in open_))
            at = max(min(play.delivery.next_at for play in open_), self._mock.clock.now())
            cutting = asyncio.create_task(self._cut(crew)) if not is_pilot else None
            await self._mock.advance(at)
            if cutting is not None:
                await cutting
            for play in open_:
                play.note()
        await self._look_again(plays, crew)

    async def _look_again(self, plays: list["_Play"], crew: Crew) -> None:
        """Let time pass within the held hour, until no second look is left to do."""
        by = UNKNOWN_FOR + timedelta(seconds=90)
        for _ in range(_MOST_TRIES):
            await crew.muster()
            await self._pass(crew, by, taken=True)
            await asyncio.sleep(0.4)
            due = await self._next_look(plays)
            if due is None:
                return
            now = datetime.now(UTC) + timedelta(seconds=crew.ahead.value)
            by = max(timedelta(seconds=65), due - now)  # longer if the clock was set back

    async def _next_look(self, plays: list["_Play"]) -> datetime | None:
        """Read the hooks' records and journals from the inbox. Return when the next second look is due."""
        inbox = open_inbox(self._settings.inbox)
        await inbox.open()
        try:
            records = await inbox.list(limit=10_000)
            for play in plays:
                for record in records:
                    if f'"code":"{play.code}"'.encode() in record.body:
                        play.record = record
                        play.entries = await inbox.entries(record.key)
                        play.is_asked |= record.state is State.UNRESOLVED
        finally:
            await inbox.close()
        looks = [play.record.due for play in plays if play.record is not None and play.record.due is not None]
        return min(looks, default=None)

    async def _pass(
        self, crew: Crew, by: timedelta = UNKNOWN_FOR + timedelta(seconds=90), *, taken: bool
    ) -> None:
        """Let time pass on the receivers' clock, unless a receiver is stopped.

        Before that, wait until all requests have arrived and, if `taken` is True, until the leases end.
        """
        if taken:
            await asyncio.sleep(LEASE)
        if not (crew.are_all_awake or self._options.scene.sleeps_at):
            return  # another receiver takes over, and the stopped one resumes while that one works
        await self._proxy.idle()
        crew.ahead.value += by.total_seconds()

    async def _happen(self, plays: list["_Play"], crew: Crew) -> None:
        """Cause the faults that happen between two attempts."""
        kinds, dice = self._options.kinds, self._dice
        if "people" in kinds:
            for play in plays:
                await play.person.act(_MEDDLES)
        if "declarations" in kinds and dice.random() < 0.2 and crew.version.value < 3:
            crew.version.value += 1
        if "clock" in kinds and dice.random() < 0.3:
            hours = dice.choice([-30, -2, 2, 30])
            if hours > 0:  # otherwise the review would give up requests that are on their way: docs/review.md
                await self._proxy.idle()
            for play in plays:
                play.has_lost_its_hour |= hours > 0
            crew.ahead.value += hours * 3600

    async def _cut(self, crew: Crew) -> None:
        """Sometimes let the machine or the database die during an attempt."""
        kind = "database" if isinstance(self._database, Postgres) else "power"
        if kind not in self._options.kinds or self._dice.random() > 0.3:
            return
        await asyncio.sleep(self._dice.uniform(0, 0.15))
        self.tally.cuts += 1
        if isinstance(self._database, Disk):
            await crew.cut()
            self._database.cut()
            crew.recruit(self._options.receivers)
            await crew.muster()
        else:
            await asyncio.to_thread(self._restart, self._database, self._dice.random() < 0.5)

    def _restart(self, database: Postgres, is_killed: bool) -> None:
        end = database.kill if is_killed else database.stop
        end()
        for _ in range(100):
            try:
                database.start()
            except RuntimeError:  # the child processes of the killed database haven't ended yet
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the database does not start any more")

    def _delivery(self, code: str) -> Delivery:
        log = self._mock.state.hooks.log.values()
        hook = next(hook for hook in reversed(log) if hook.customer == code)
        (delivery,) = hook.deliveries
        return delivery

    async def _advance(self, by: timedelta) -> None:
        await self._mock.advance(self._mock.clock.now() + by)

    async def _audit(self, play: "_Play", version: int) -> None:
        tally, person = self.tally, play.person
        tally.invoices += 1
        invoice = announced(await self._client.get_customer(play.code))
        paid_at, _ = _payment(invoice)
        is_acknowledged = play.delivery.state is DeliveryState.DELIVERED
        if not is_acknowledged:
            self._mock.cancel(play.delivery.hook)
        if play.is_asked:
            tally.reasons[play.question] += 1
            may_ask = (
                person.has_meddled
                or play.has_lost_its_hour
                or play.is_lost_thrice
                or play.mischief.rewrites == "cut"
                or (not self._options.marks and (play.mischief.strays > 0 or self._options.deaths))
            )
            if may_ask:
                tally.asked += 1
            else:
                self._wrong("stuck", 1, play, "a person is asked")
            if not is_acknowledged and (paid_at is None or person.has_run):
                return
        elif not is_acknowledged:
            self._wrong("stuck", 1, play, "never acknowledged")
            return
        # Any version of the declaration may have been applied, so the invoice must match one of them.
        found = [
            _compared(invoice, usage_of(self._options.seed, play.code, number), person)
            for number in range(version + 1)
        ]
        double, lost, is_quantity_wrong = min(found, key=lambda one: (one[0] + one[1], one[2]))
        self._wrong("double", double, play)
        self._wrong("lost", lost, play)
        self._wrong("quantity", int(is_quantity_wrong and not (double or lost)), play)
        if paid_at is None:
            self._wrong("stuck", 1, play, "never paid")
        elif not (play.usage.runs_at_once or person.has_run) and (
            not is_acknowledged or paid_at < play.acknowledged + HOUR
        ):
            self._wrong("early", 1, play)

    def _wrong(self, what: str, count: int, play: "_Play", note: str = "") -> None:
        if count:
            setattr(self.tally, what, getattr(self.tally, what) + count)
            self.tally.what.append(f"{play.code}: {what} {count} {note}".rstrip())
            self.tally.what += play.told()


@dataclass
class _Play:
    """One customer's period."""

    code: str
    usage: Usage
    person: Person
    mischief: Mischief
    delivery: Delivery = field(init=False)
    is_asked: bool = False
    has_lost_its_hour: bool = False  # because a clock was set ahead
    record: Record | None = None
    entries: Sequence[Entry] = ()

    @property
    def status(self) -> int | None:
        return self.delivery.attempts[-1].status if self.delivery.attempts else None

    @property
    def is_taken(self) -> bool:
        """Whether the last attempt got no answer, or the answer said that another worker has the hook."""
        last = self.delivery.attempts[-1] if self.delivery.attempts else None
        return last is not None and (last.status is None or "another worker" in last.answer)

    @property
    def is_lost_thrice(self) -> bool:
        """Whether a charge was given up three times and was never added in any of the three attempts."""
        addings = {it.number: it for it in self.entries if isinstance(it, Adding)}
        given_up = [addings[it.number] for it in self.entries if isinstance(it, GivenUp)]
        lost = Counter(it.charge for it in given_up if it.description not in self.mischief.carried_out)
        return max(lost.values(), default=0) >= 3

    @property
    def question(self) -> str:
        """The question that a person was asked, from the error's message."""
        note = self.record.note if self.record is not None and self.record.state is State.UNRESOLVED else ""
        return note.partition(":")[0] or "something that was cleared up later"

    @property
    def is_over(self) -> bool:
        return self.is_asked or self.delivery.state is DeliveryState.DELIVERED

    @property
    def acknowledged(self) -> datetime:
        return next(attempt.at for attempt in self.delivery.attempts if attempt.acknowledged)

    def told(self) -> list[str]:
        """Return lines that help to find a cause: the answers, the inbox's last note and the journal."""
        answers = ", ".join(
            f"{made.status or 'none'} {made.answer}".strip() for made in self.delivery.attempts
        )
        person = self.person
        lines = [
            f"documents rewritten: {self.mischief.rewrites or 'no'}",
            f"a person added {dict(person.added)}, deleted {dict(person.deleted)}, ran it: {person.has_run}",
            f"answers: {answers}",
        ]
        if self.record is not None:
            lines.append(f"inbox: {self.record.state}, {self.record.note.strip()}")
        return [f"    {line}" for line in [*lines, *map(str, self.entries)]]

    def note(self) -> None:
        """Note whether the last answer says that a person must be asked."""
        last = self.delivery.attempts[-1] if self.delivery.attempts else None
        self.is_asked |= last is not None and last.status == 500 and "unresolved" in last.answer


def _compared(invoice: Invoice, usage: Usage, person: Person) -> tuple[int, int, bool]:
    """Return how many charges are too many, how many are missing, and whether the rest was paid wrongly."""
    expected, there = usage.counted + person.added, content(custom(invoice))
    double, lost = (there - expected).total(), (expected - there).total()
    lost = max(0, lost - person.deleted.total())  # the person may have deleted charges after the review
    _, paid = _payment(invoice)
    others = sum((charge.amount for charge in person.added.elements()), Decimal(0))
    missing = sum((charge.amount for charge in (expected - there).elements()), Decimal(0))
    return double, lost, paid != max(usage.due + others - missing, Decimal(0))


def _payment(invoice: Invoice) -> tuple[datetime | None, Decimal]:
    approved = [made for made in invoice.transactions if made.response == "approved"]
    moments = [made.transacted_datetime for made in approved]
    return (moments[0] if moments else None), sum((made.amount for made in approved), Decimal(0))


async def _sign_up(client: AsyncClient, code: str) -> str:
    """Create a customer, and return the customer's id."""
    customer = await client.new_customer(code, "Ida", "Lamp", f"{code}@example.com", PLAN_CODE, payment=CARD)
    return customer.id
