"""A model of everything around one review: the billing system, the network, two workers, persons, a clock.

The review in it is the real one: `Application`, the generator that does no I/O. The model explores what may
happen between any two of its steps, up to a number of faults, and looks at each state that comes of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.models import Charge, Customer, Invoice, Item, Plan, PlanItem, Subscription
from tallyhook.errors import Error, NoAnswer, PreconditionFailed, bare_error
from tallyhook.review import Outcome, Review, Unresolved
from tallyhook.review.apply import Application
from tallyhook.review.journal import Adding, Entry, decode, encode

START = datetime(2030, 3, 1, tzinfo=UTC)
UNKNOWN_FOR = timedelta(minutes=10)

PRICE = Decimal("5.00")
PLAN = Plan(
    id="p",
    code="P",
    recurring_charge_amount=Decimal(20),
    items=(PlanItem(code="GB", overage_amount=Decimal(1)),),
)
INVOICE = Invoice(id="i11", number=11, billing_datetime=START, items=(Item(code="GB", quantity=Decimal(0)),))
CUSTOMER = Customer(id="c", code="C", subscriptions=(Subscription(id="s", plan=PLAN, invoices=(INVOICE,)),))


class Declares(NamedTuple):
    """A handler's declaration: the quantity of GB (None: undeclared), charges of 5.00, and whether to run."""

    quantity: int | None
    charges: tuple[str, ...]
    runs: bool = False


class Line(NamedTuple):
    """A charge on the server. The review can't see `is_ours`."""

    id: int
    code: str
    description: str
    is_ours: bool


class Request(NamedTuple):
    """A write that was sent but hasn't arrived."""

    kind: str
    code: str = ""
    description: str = ""
    value: int = 0
    sent: int = 0


class Server(NamedTuple):
    """The invoice in the billing system."""

    quantity: int = 0
    lines: tuple[Line, ...] = ()
    next_id: int = 1
    paid_by: str = ""


class Worker(NamedTuple):
    """An attempt, stored as its inputs. Replaying them brings the generator to the same point."""

    declares: Declares
    journal: tuple[bytes, ...]
    began: int
    is_second_look: bool
    inputs: tuple[tuple[int, Any], ...] = ()


class World(NamedTuple):
    """A state of the whole model."""

    server: Server = Server()
    before: Server = Server()  # what a stale read shows
    time: int = 0
    jumped: int = 0  # minutes by which the clock is off
    flying: tuple[Request, ...] = ()
    journal: tuple[bytes, ...] = ()
    workers: tuple[Worker | None, Worker | None] = (None, None)
    holder: int = -1  # the worker that has the lease
    declares: int = 0
    faults: int = 0
    attempts: int = 0
    rested: bool = True  # whether the sender's retry pause is over
    persons: int = 0  # charges that a person added
    end: str = ""  # "acknowledged", "asked"
    acknowledged: Declares | None = None
    look_again: bool = False


@dataclass
class Model:
    """The events that may happen. The last fields are the assumptions, which tests can break.

    `ticks` is how often the clock ticks within `unknown_for`, and `life` within how many of these ticks a
    request arrives, or never does.
    """

    declarations: Sequence[Declares]
    faults: int = 2
    attempts: int = 7
    persons: bool = True
    two_workers: bool = True
    ticks: int = 2
    life: int = 2
    jumps: bool = False
    keeps_marks: bool = True
    marks: bool = True
    reuses_ids: bool = False
    reads_stale: bool = False
    forgets_entries: bool = False
    checks_leases: bool = True
    repeats_answered: bool = False
    mixes_refusals: bool = False
    makes: Callable[..., Application] = Application

    states: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, World]] = field(default_factory=list)

    def explore(self, limit: int = 10_000_000, stop_at_first: str = "") -> "Model":
        """Visit every state once, depth first. With a kind given, stop at its first violation."""
        seen: set[int] = set()
        stack = [World()]
        self._next = cache(self._replay)
        while stack and self.states < limit:
            world = stack.pop()
            key = hash(world)
            if key in seen:
                continue
            seen.add(key)
            self.states += 1
            if wrong := self._wrong(world):
                self.violations.append((wrong, world))
                if wrong == stop_at_first:
                    break
                continue
            after = list(self._after(world))
            if not after:
                self.ends[world.end or "stuck"] += 1
                if not world.end:
                    self.violations.append(("stuck", world))
            stack += after
        return self

    # Forbidden states

    def _wrong(self, world: World) -> str:
        server, declared = world.server, world.acknowledged
        persons = [line for line in server.lines if not line.is_ours]
        if len(persons) != world.persons:
            return "a person's charge was taken away"
        ours = Counter(line.code for line in server.lines if line.is_ours)
        if server.paid_by == "run" and not any(
            ours == Counter(each.charges) and server.quantity == each.quantity
            for each in self.declarations
            if each.runs
        ):
            return "early"
        if declared is None:
            return ""
        if ours != Counter(declared.charges):
            return "doubled" if ours > Counter(declared.charges) else "lost"
        if declared.quantity is not None and server.quantity != declared.quantity:
            return "wrong quantity"
        return ""

    # Possible next events

    def _after(self, world: World) -> Iterator[World]:
        for index, request in enumerate(world.flying):
            others = world.flying[:index] + world.flying[index + 1 :]
            yield self._apply(world, request)[0]._replace(flying=others)
        if world.end == "asked":
            return
        for index, worker in enumerate(world.workers):
            if worker is not None:
                yield from self._work(world, index)
        if world.end == "acknowledged" and not world.look_again:
            return
        yield from self._tick(world)
        is_turn = world.holder == -1 and world.rested
        if is_turn and world.attempts < self.attempts:
            index = 0 if world.workers[0] is None else 1
            if world.end:
                yield self._begin(world, index, is_second_look=True)
            elif world.workers[index] is None:
                yield self._begin(world, index)
                if world.faults < self.faults:
                    for other in range(len(self.declarations)):
                        if other != world.declares:
                            yield self._begin(world._replace(declares=other, faults=world.faults + 1), index)
        if world.faults < self.faults and not world.end:
            yield from self._others(world._replace(faults=world.faults + 1))

    def _tick(self, world: World) -> Iterator[World]:
        """Time passes: for free while no worker is active, otherwise because a worker is delayed."""
        if any(world.time + 1 - request.sent >= self.life for request in world.flying):
            return
        is_idle = world.holder == -1
        if is_idle and not world.rested:
            yield world._replace(time=world.time + 1, rested=True)
        elif not is_idle and world.faults < self.faults:
            yield world._replace(time=world.time + 1, faults=world.faults + 1)

    def _others(self, world: World) -> Iterator[World]:
        """Actions of people and clocks. Each costs a fault."""
        server = world.server
        if self.persons and not server.paid_by and world.attempts:
            if not world.persons:
                code = self.declarations[0].charges[0]
                line = Line(self._id(server), code, f"about {code}", is_ours=False)
                after = server._replace(lines=(*server.lines, line), next_id=server.next_id + 1)
                yield world._replace(server=after, before=server, persons=1)
            yield world._replace(server=server._replace(paid_by="person"), before=server)
        if self.jumps and not world.jumped:
            yield world._replace(jumped=600)
            yield world._replace(jumped=-600)
        if self.two_workers and world.holder == 0 and world.workers[1] is None:
            yield world._replace(
                holder=-1, rested=True
            )  # the lease expires while the first worker is stalled

    def _begin(self, world: World, index: int, is_second_look: bool = False) -> World:
        worker = Worker(self.declarations[world.declares], world.journal, self._clock(world), is_second_look)
        workers = _put(world.workers, index, worker)
        return world._replace(workers=workers, holder=index, attempts=world.attempts + 1, rested=False)

    def _clock(self, world: World) -> int:
        return world.time * int(UNKNOWN_FOR.total_seconds() // 60) // self.ticks + world.jumped

    # One step of a worker

    def _work(self, world: World, index: int) -> Iterator[World]:
        worker = world.workers[index]
        assert worker is not None
        kind, step = self._next(worker)
        cut = world._replace(
            workers=_put(world.workers, index, None),
            holder=-1 if world.holder == index else world.holder,
        )
        owns = world.holder == index or not self.checks_leases
        can_fail = world.faults < self.faults
        failing = world._replace(faults=world.faults + 1)
        cut_failing = cut._replace(faults=world.faults + 1)
        if kind == "ended":
            yield self._ended(cut, worker, step) if owns else cut
        elif not owns:
            yield cut  # its entry is rejected, and its request isn't sent
        elif kind == "entry":
            kept = (*world.journal, step)
            yield self._feed(world._replace(journal=kept), index, None)
            if can_fail:
                yield cut_failing._replace(journal=kept)
        elif kind == "read":
            yield self._feed(world, index, world.server)
            if can_fail:
                yield self._feed(failing, index, "bare")
                yield cut_failing
                if self.reads_stale:
                    yield self._feed(failing, index, world.before)
        else:
            is_held_up, request = step(self._clock(world)), kind
            request = request._replace(sent=world.time)
            if is_held_up:
                yield self._feed(world, index, "never left")
                return
            done, answer = self._apply(world, request)
            yield self._feed(done, index, answer)
            if can_fail:
                flying = tuple(sorted((*world.flying, request)))
                lost, _ = self._apply(failing, request)
                yield self._feed(failing, index, "bare")  # it never arrived
                yield self._feed(lost, index, "lost")  # it was applied
                yield self._feed(failing._replace(flying=flying), index, "lost")  # it will be applied later
                yield self._feed(failing, index, "never left")
                yield self._feed(failing, index, "refused")
                yield cut_failing._replace(flying=flying)
                if self.mixes_refusals:
                    yield self._feed(lost, index, "refused")  # the answer to another call
                if self.forgets_entries:
                    yield cut_failing._replace(flying=flying, journal=world.journal[:-1])
                if self.repeats_answered:
                    yield self._feed(done._replace(flying=flying, faults=failing.faults), index, answer)
                yield self._apply(cut_failing, request)[0]
                yield cut_failing

    def _ended(self, world: World, worker: Worker, end: Any) -> World:
        if isinstance(end, Outcome):
            return world._replace(
                end="acknowledged",
                acknowledged=world.acknowledged or worker.declares,
                look_again=end.look_again and not worker.is_second_look,
            )
        if isinstance(end, Unresolved):
            return world._replace(end="asked" if not world.acknowledged else world.end, look_again=False)
        return world

    def _feed(self, world: World, index: int, what: Any) -> World:
        worker = world.workers[index]
        assert worker is not None
        fed = worker._replace(inputs=(*worker.inputs, (self._clock(world), what)))
        return world._replace(workers=_put(world.workers, index, fed))

    def _apply(self, world: World, request: Request) -> tuple[World, Any]:
        """The server applies a request. Returns the new state and the answer."""
        server = world.server
        if server.paid_by:
            return world, "refused"  # no invoice is outstanding
        match request.kind:
            case "set":
                after = server._replace(quantity=request.value)
            case "add":
                description = request.description
                if not self.keeps_marks:
                    description = description.partition(" (ref")[0]
                line = Line(self._id(server), request.code, description, is_ours=True)
                after = server._replace(lines=(*server.lines, line), next_id=server.next_id + 1)
            case "delete":
                lines = tuple(line for line in server.lines if line.id != request.value)
                if lines == server.lines:
                    return world, "refused"
                after = server._replace(lines=lines)
            case _:
                after = server._replace(paid_by="run")
        persons = sum(not line.is_ours for line in after.lines)
        assert persons <= world.persons
        return world._replace(server=after, before=server), after

    def _id(self, server: Server) -> int:
        if not self.reuses_ids:
            return server.next_id
        return next(n for n in range(1, 99) if n not in [line.id for line in server.lines])

    # The real generator, advanced to a worker's position

    def _replay(self, worker: Worker) -> tuple[Any, Any]:
        clock = [worker.began]
        entries = list(map(_decode, worker.journal))
        made = sum(isinstance(entry, Adding) for entry in entries)

        def make_mark() -> str:
            nonlocal made
            made += 1
            return f"{made:010x}"

        application = self.makes(
            _review(worker.declares),
            entries,
            lambda: START + timedelta(minutes=clock[0]),
            UNKNOWN_FOR,
            self.marks,
            is_second_look=worker.is_second_look,
            make_mark=make_mark,
        )
        steps = application.steps()
        try:
            step: Any = next(steps)
            for clock[0], what in worker.inputs:
                if isinstance(what, str):
                    step = steps.throw(_error(what))
                else:
                    step = steps.send(None if what is None else _document(what))  # type: ignore[arg-type]  # mypy: a Server is hashable
        except StopIteration as stop:
            return "ended", stop.value
        except Error as error:
            return "ended", error
        if not isinstance(step, Call):
            return "entry", encode(step)
        if step.action == "customers/get":
            return "read", None

        def is_held_up(now: int) -> bool:
            clock[0] = now
            try:
                application.check()
            except NoAnswer:
                return True
            return False

        return _request(step), is_held_up


def _put(workers: tuple[Worker | None, Worker | None], index: int, worker: Worker | None) -> Any:
    return (worker, workers[1]) if index == 0 else (workers[0], worker)


@cache
def _decode(entry: bytes) -> Entry:
    return decode(entry)


def _review(declares: Declares) -> Review:
    review = Review(CUSTOMER, CUSTOMER.subscription, INVOICE)
    if declares.quantity is not None:
        review.set_quantity("GB", declares.quantity)
    for code in declares.charges:
        review.charge(code, PRICE, f"about {code}")
    if declares.runs:
        review.run_when_done()
    return review


def _error(what: str) -> Error:
    match what:
        case "never left":
            return NoAnswer("no connection", maybe_applied=False)
        case "refused":
            return PreconditionFailed(412, "no", documented=True)
        case "bare":
            return bare_error(502)
    return NoAnswer("nothing came", maybe_applied=True)


def _request(call: Call[Customer]) -> Request:
    fields = dict(call.query) | dict(call.form)
    match call.action:
        case "customers/set-item-quantity":
            return Request("set", value=int(fields["quantity"]))
        case "customers/add-charge":
            return Request("add", fields["chargeCode"], fields["description"])
        case "customers/delete-charge":
            return Request("delete", value=int(fields["chargeId"]))
        case "customers/run-outstanding":
            return Request("run")
    raise AssertionError(call.action)


@cache
def _document(server: Server) -> Customer:
    lines = [
        Charge(code="P", type="recurring", id="r11", quantity=Decimal(1), each_amount=Decimal(20)),
        Charge(code="GB", type="item", quantity=Decimal(server.quantity), each_amount=Decimal(1)),
    ]
    lines += [
        Charge(
            id=str(line.id),
            code=line.code,
            type="custom",
            quantity=Decimal(1),
            each_amount=PRICE,
            description=line.description,
        )
        for line in server.lines
    ]
    paid = "t11" if server.paid_by else ""
    held = Invoice(
        id="i11", number=11, billing_datetime=START, charges=tuple(lines), paid_transaction_id=paid
    )
    following = Invoice(
        id="i12",
        number=12,
        billing_datetime=START + timedelta(days=31),
        charges=(Charge(code="P", type="recurring", quantity=Decimal(1), each_amount=Decimal(20)),),
    )
    subscription = Subscription(id="s", plan=PLAN, invoices=(following, held), created_datetime=START)
    return Customer(id="c", code="C", subscriptions=(subscription,))
