"""Applying reviews to a billing system that loses answers, in processes that die at every point."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from tests.cheddar import Clock, FakeCheddar, answer_lost, broken, lost_on_the_way, never_left

from tallyhook import AsyncClient, Error, NoAnswer, NotFound, PreconditionFailed, documents, events
from tallyhook.review import (
    EarlierInvoiceOutstanding,
    Outcome,
    OutcomeUnknown,
    Review,
    ReviewFailed,
    Standing,
    Unresolved,
)
from tallyhook.review.journal import (
    Added,
    Adding,
    Declared,
    Entry,
    Refused,
    Resolved,
    Verified,
    decode,
    encode,
)

FOREIGN = {"id": "f1", "chargeCode": "A", "quantity": "1", "eachAmount": "5.00", "description": "extra"}


class Cut(BaseException):
    """A power cut."""


class Memory:
    """A journal that outlives its process. It keeps each entry as bytes."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.points = Points()
        self.clock = Clock()

    async def entries(self) -> Sequence[Entry]:
        return [decode(entry) for entry in self.kept]

    async def append(self, entry: Entry) -> None:
        self.points.passed()
        self.kept.append(encode(entry))
        self.points.passed()

    def check(self) -> None:
        pass


class Points:
    """Counts the points at which the power may fail, and cuts it at one of them."""

    def __init__(self, cut_at: int = -1) -> None:
        self.cut_at = cut_at
        self.count = 0

    def passed(self) -> None:
        self.count += 1
        if self.count == self.cut_at:
            raise Cut


class CutHere:
    """A transport on which the power may fail before or after a call is applied."""

    def __init__(self, cheddar: FakeCheddar, points: Points) -> None:
        self.cheddar = cheddar
        self.points = points

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.points.passed()
        response = self.cheddar(request)
        self.points.passed()
        return response


def hook_review(cheddar: FakeCheddar) -> Review:
    return Review.from_hook(events.decode(cheddar.hook()))


def first(review: Review) -> Review:
    review.set_quantity("GB", 15)
    review.set_quantity("USERS", 2)
    review.charge("A", 5, "extra")
    review.charge("B", "2.50", quantity=3)
    review.charge("B", "2.50", quantity=3)
    review.credit("C", 4)
    return review


def second(review: Review) -> Review:
    review.set_quantity("GB", 7)
    review.charge("A", 5, "extra")
    review.charge("B", "2.50", quantity=3)
    review.charge("D", 8)
    return review


FIRST = [
    ("A", "1", Decimal("5.00"), "extra"),
    ("B", "3", Decimal("2.50"), ""),
    ("B", "3", Decimal("2.50"), ""),
    ("C", "1", Decimal("-4.00"), ""),
]
SECOND = [
    ("A", "1", Decimal("5.00"), "extra"),
    ("B", "3", Decimal("2.50"), ""),
    ("D", "1", Decimal("8.00"), ""),
]


async def attempt(cheddar: FakeCheddar, memory: Memory, declare: Callable[[Review], Review]) -> Outcome:
    async with cheddar.async_client(retries=0) as client:
        return await declare(hook_review(cheddar)).aapply(client, memory, now=memory.clock)


async def until_done(cheddar: FakeCheddar, memory: Memory, declare: Callable[[Review], Review]) -> Outcome:
    """Repeats attempts as the sender's retries do."""
    for _ in range(5):
        try:
            return await attempt(cheddar, memory, declare)
        except Unresolved:
            raise
        except OutcomeUnknown as unknown:
            memory.clock.put_on(unknown.retry_after)
        except Error:
            continue
    raise AssertionError("five attempts were not enough")


async def test_applies_what_was_declared() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    outcome = await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST
    assert cheddar.billed_items == {"GB": 15, "USERS": 2}
    assert (cheddar.open_items["GB"], cheddar.open_charges) == (1, [])
    assert (outcome.total_before, outcome.total_after) == (Decimal("22.50"), Decimal("88.50"))
    assert outcome.standing is Standing.OUTSTANDING
    assert outcome.applied == outcome.found
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome
    kinds = [type(entry) for entry in await memory.entries()]
    assert kinds == [Declared] + [Adding, Added] * 4 + [Verified]


async def test_applying_again_changes_nothing() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    await attempt(cheddar, memory, first)
    cheddar.calls.clear()
    outcome = await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST
    assert outcome.applied == ()
    assert set(cheddar.calls) == {"get"}


async def test_another_declaration_replaces_the_first() -> None:
    cheddar, memory = FakeCheddar(billed_charges=[dict(FOREIGN)]), Memory()
    await attempt(cheddar, memory, first)
    await attempt(cheddar, memory, second)
    assert cheddar.content() == sorted([*SECOND, ("A", "1", Decimal("5.00"), "extra")])
    assert cheddar.billed_items["GB"] == 7
    assert FOREIGN in cheddar.billed_charges


async def test_a_charge_that_was_there_before_is_not_ours() -> None:
    cheddar, memory = FakeCheddar(billed_charges=[dict(FOREIGN)]), Memory()
    await attempt(cheddar, memory, lambda review: first(review))
    assert cheddar.content().count(FIRST[0]) == 2


async def test_nothing_is_sent_to_the_current_invoice() -> None:
    cheddar = FakeCheddar()
    await attempt(cheddar, Memory(), first)
    assert (cheddar.open_charges, cheddar.open_items) == ([], {"GB": 1, "USERS": 0})


# The entries and calls of an attempt that applies `first`. The power can fail before and after each.
POINTS = 2 * (1 + 2 * 4 + 1) + 2 * (1 + 2 + 4 + 1)


async def cut_attempt(cheddar: FakeCheddar, memory: Memory, points: Points, declare: Any) -> None:
    memory.points = points
    try:
        async with cheddar.async_client(retries=0, through=CutHere(cheddar, points)) as client:
            await declare(hook_review(cheddar)).aapply(client, memory, now=memory.clock)
    finally:
        memory.points = Points()


async def test_counts_all_points() -> None:
    points = Points()
    await cut_attempt(FakeCheddar(), Memory(), points, first)
    assert points.count == POINTS


@pytest.mark.parametrize("again", [first, second])
@pytest.mark.parametrize("cut_at", range(1, POINTS + 1))
async def test_the_power_may_go_at_any_point(cut_at: int, again: Callable[[Review], Review]) -> None:
    """Wherever an attempt is cut off, the next one ends with exactly what it declares."""
    cheddar, memory = FakeCheddar(billed_charges=[dict(FOREIGN)]), Memory()
    with pytest.raises(Cut):
        await cut_attempt(cheddar, memory, Points(cut_at), first)
    await until_done(cheddar, memory, again)
    expected = FIRST if again is first else SECOND
    assert cheddar.content() == sorted([*expected, ("A", "1", Decimal("5.00"), "extra")])
    assert cheddar.billed_items["GB"] == (15 if again is first else 7)
    assert FOREIGN in cheddar.billed_charges


@pytest.mark.parametrize("cut_at", range(1, 18))
async def test_the_power_may_go_while_a_first_declaration_is_replaced(cut_at: int) -> None:
    cheddar, memory = FakeCheddar(), Memory()
    await attempt(cheddar, memory, first)
    with pytest.raises(Cut):
        await cut_attempt(cheddar, memory, Points(cut_at), second)
    await until_done(cheddar, memory, second)
    assert cheddar.content() == SECOND
    assert cheddar.billed_items["GB"] == 7


@pytest.mark.parametrize("again", [first, second])
@pytest.mark.parametrize("fault", [never_left, lost_on_the_way, answer_lost, broken])
@pytest.mark.parametrize("call", range(1, 10))
async def test_any_call_may_fail(call: int, fault: Any, again: Callable[[Review], Review]) -> None:
    cheddar, memory = FakeCheddar(faults={call: fault}), Memory()
    try:
        await attempt(cheddar, memory, first)
    except Error:
        assert call not in cheddar.faults
    await until_done(cheddar, memory, again)
    assert cheddar.content() == (FIRST if again is first else SECOND)
    assert cheddar.billed_items["GB"] == (15 if again is first else 7)


@pytest.mark.parametrize("fault", [never_left, lost_on_the_way, answer_lost, broken])
@pytest.mark.parametrize("call", range(1, 9))
async def test_any_call_of_a_replacement_may_fail(call: int, fault: Any) -> None:
    cheddar, memory = FakeCheddar(), Memory()
    await attempt(cheddar, memory, first)
    cheddar.faults = {len(cheddar.calls) + call: fault}
    await until_done(cheddar, memory, second)
    assert cheddar.content() == SECOND
    assert cheddar.billed_items["GB"] == 7


@pytest.mark.parametrize("arrival", range(1, 14))
@pytest.mark.parametrize("again", [first, second])
async def test_a_request_thought_lost_may_arrive_later(
    arrival: int, again: Callable[[Review], Review]
) -> None:
    """It arrives just before the nth later call. Its charge is ours, and is deleted if it is one too many."""
    cheddar, memory = FakeCheddar(), Memory()
    adding = 4  # get, set, set, and the first charge

    def delayed(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        cheddar.faults[adding + arrival] = arrive_first(apply)
        raise httpx.ReadTimeout("nothing came", request=request)

    def arrive_first(late: Callable[[], httpx.Response]) -> Any:
        def fault(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
            late()
            return apply()

        return fault

    cheddar.faults[adding] = delayed
    if arrival == 1:  # it has arrived when the invoice is read
        await attempt(cheddar, memory, first)
    else:
        with pytest.raises(ReviewFailed, match="lost"):
            await attempt(cheddar, memory, first)
    await until_done(cheddar, memory, again)
    if cheddar.faults:  # it arrives even later, so another delivery corrects the invoice
        (arrives,) = cheddar.faults.values()
        cheddar.faults = {len(cheddar.calls) + 1: arrives}
        await until_done(cheddar, memory, again)
    assert cheddar.content() == (FIRST if again is first else SECOND)


async def test_an_add_whose_answer_is_lost_is_not_sent_again_within_the_attempt() -> None:
    cheddar, memory = FakeCheddar(faults={4: lost_on_the_way}), Memory()
    with pytest.raises(
        ReviewFailed, match=r"was lost, and the charge isn't on the invoice \(yet\): A"
    ) as failed:
        await attempt(cheddar, memory, first)
    assert isinstance(failed.value.__cause__, NoAnswer)
    assert cheddar.calls == ["get", "set-item-quantity", "set-item-quantity", "add-charge", "get"]


async def test_an_add_whose_answer_is_lost_is_found_by_reading() -> None:
    cheddar, memory = FakeCheddar(faults={4: answer_lost}), Memory()
    await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST


async def test_a_refused_add_claims_nothing_later() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def declare(review: Review) -> Review:
        review.charge("REFUSED", 5)
        return review

    with pytest.raises(PreconditionFailed):
        await attempt(cheddar, memory, declare)
    assert isinstance((await memory.entries())[-1], Refused)
    cheddar.billed_charges.append({"id": "x", "chargeCode": "REFUSED", "quantity": "1", "eachAmount": "5"})
    await attempt(cheddar, memory, lambda review: review)
    assert [charge["id"] for charge in cheddar.billed_charges] == ["x"]


async def test_a_description_that_the_server_rewrites_is_still_ours() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def declare(review: Review) -> Review:
        review.charge("A", 5, "a long story")
        return review

    def shortens(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        cheddar.billed_charges[-1]["description"] = "a long"
        return httpx.Response(200, text=cheddar.document())

    cheddar.faults[2] = shortens
    await attempt(cheddar, memory, declare)
    await attempt(cheddar, memory, declare)
    assert len(cheddar.billed_charges) == 1


async def test_a_person_is_asked_about_a_description_without_its_mark_whose_answer_was_lost() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def declare(review: Review) -> Review:
        review.charge("A", 5, "a long story")
        return review

    def shortens(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        cheddar.billed_charges[-1]["description"] = "a long"
        raise httpx.ReadTimeout("nothing came", request=request)

    cheddar.faults[2] = shortens
    with pytest.raises(OutcomeUnknown):  # its mark may still appear
        await attempt(cheddar, memory, declare)
    with pytest.raises(Unresolved, match=r"it is unclear .* adding 1: A"):
        await until_done(cheddar, memory, declare)
    assert len(cheddar.billed_charges) == 1
    await memory.append(Resolved(number=1, charge_id=cheddar.billed_charges[0]["id"]))
    await attempt(cheddar, memory, declare)
    assert len(cheddar.billed_charges) == 1


async def test_a_late_charge_is_not_taken_for_one_that_only_resembles_it() -> None:
    """Two lost answers. The first charge arrives while the second, with another text only, is being sent."""
    cheddar, memory = FakeCheddar(), Memory()
    late: list[Callable[[], httpx.Response]] = []

    def declare(review: Review) -> Review:
        review.charge("A", 5, "seat of the 16th")
        review.charge("A", 5, "seat of the 17th")
        return review

    def delayed(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        raise httpx.ReadTimeout("nothing came", request=request)

    def overtaken(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.pop()()
        raise httpx.ReadTimeout("nothing came", request=request)

    cheddar.faults = {2: delayed, 6: overtaken}
    await until_done(cheddar, memory, declare)
    assert [description for *_, description in cheddar.content()] == ["seat of the 16th", "seat of the 17th"]


async def test_an_answer_that_does_not_show_the_charge() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    cheddar.faults[4] = lambda request, apply: httpx.Response(200, text=cheddar.document())
    with pytest.raises(ReviewFailed, match="the answer doesn't show it"):
        await attempt(cheddar, memory, first)


@pytest.mark.parametrize("included", [0, 5, 99999999.9])
@pytest.mark.parametrize(("used", "declared"), [(8, 11), (8, 8), (1, 4), (4, 0), (0, 5)])
async def test_an_included_quantity_that_the_hook_has_otherwise(
    used: int, declared: int, included: float
) -> None:
    """The plan was edited since: the overage doesn't say any more whether the quantity is right."""
    cheddar, memory = FakeCheddar(billed_items={"GB": Decimal(used), "USERS": Decimal(0)}), Memory()
    hook = json.loads(cheddar.hook())
    hook["subscription"]["plan"]["items"][0]["quantityIncluded"] = included

    def declare() -> Review:
        review = Review.from_hook(events.decode(json.dumps(hook).encode()))
        review.set_quantity("GB", declared)
        return review

    async with cheddar.async_client() as client:
        await declare().aapply(client, memory)
        assert cheddar.billed_items["GB"] == declared
        cheddar.paid = True
        cheddar.billed_items["GB"] += 3
        with pytest.raises(Unresolved, match="was paid, but differs"):
            await declare().aapply(client, memory)


async def test_an_invoice_that_was_put_off_is_left_alone() -> None:
    cheddar, memory = FakeCheddar(pushed_out=True), Memory()
    outcome = await attempt(cheddar, memory, first)
    assert outcome.standing is Standing.CURRENT
    assert outcome.note == "nothing to do: the invoice is current"
    assert cheddar.calls == ["get"]
    assert memory.kept == []


async def test_a_paid_invoice_that_is_not_what_was_declared_is_for_a_person() -> None:
    cheddar, memory = FakeCheddar(paid=True), Memory()
    problem = "was paid, but differs from what was declared: set     GB  3 → 15; "
    with pytest.raises(Unresolved, match=problem):
        await attempt(cheddar, memory, first)
    assert cheddar.calls == ["get"]
    await memory.append(Resolved(accept=True))
    outcome = await attempt(cheddar, memory, first)
    assert (outcome.standing, outcome.note) == (
        Standing.PAID,
        "someone accepted the invoice as it is",
    )


async def test_a_paid_invoice_with_everything_declared_on_it_is_done() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    await attempt(cheddar, memory, first)
    cheddar.paid = True
    for journal in (memory, Memory()):  # without its journal, a receiver compares the content
        outcome = await attempt(cheddar, journal, first)
        assert (outcome.standing, outcome.unverified) == (Standing.PAID, ())


async def test_an_invoice_that_is_due_and_stands_as_current_is_not_let_go() -> None:
    """Without a later bill date, no other hook would come. It isn't outstanding yet, or seems not to be."""
    cheddar, memory = FakeCheddar(pushed_out=True), Memory()
    review = first(Review.of(documents.customer(FakeCheddar().document().encode())))
    async with cheddar.async_client(retries=0) as client:
        assert (await review.aapply(client, memory, now=memory.clock)).standing is Standing.CURRENT
        review = first(hook_review(cheddar))
        due = cheddar.document().replace("2030-04-15", "2030-03-01")
        cheddar.faults[len(cheddar.calls) + 1] = lambda request, apply: httpx.Response(200, text=due)
        with pytest.raises(ReviewFailed, match="is due, but not outstanding"):
            await review.aapply(client, memory, now=memory.clock)
    assert (cheddar.calls, memory.kept) == (["get", "get"], [])


def not_found(message: str) -> Any:
    text = f'<error id="1" code="404" auxCode="">{message}</error>'
    return lambda request, apply: httpx.Response(404, text=text)


async def test_a_customer_that_is_gone() -> None:
    missing = not_found("Customer not found")
    cheddar, memory = FakeCheddar(faults={1: missing, 2: missing}), Memory()
    with pytest.raises(OutcomeUnknown, match="the customer was not found") as unknown:
        await attempt(cheddar, memory, first)
    memory.clock.put_on(unknown.value.retry_after)
    assert (await attempt(cheddar, memory, first)).standing is Standing.GONE


async def test_a_customer_that_was_not_found_once_is_not_gone() -> None:
    missing = not_found("Customer not found")
    cheddar, memory = FakeCheddar(faults={1: missing, 5: missing}), Memory()
    with pytest.raises(OutcomeUnknown):
        await attempt(cheddar, memory, lambda review: review)
    await attempt(cheddar, memory, lambda review: review)
    cheddar.faults = {len(cheddar.calls) + 1: missing}
    with pytest.raises(OutcomeUnknown):
        await attempt(cheddar, memory, lambda review: review)


async def test_a_bare_404_does_not_let_an_invoice_go() -> None:
    bare = lambda request, apply: httpx.Response(404, text="Customer not found")  # noqa: E731 - reads better
    cheddar, memory = FakeCheddar(faults={1: bare, 2: bare, 3: bare}), Memory()
    for _ in range(3):
        with pytest.raises(NotFound):
            await attempt(cheddar, memory, first)


async def test_a_document_that_lacks_the_invoice_is_believed_the_second_time() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def without(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        another = cheddar.document().replace("inv-11", "inv-99").replace("<number>11<", "<number>99<")
        return httpx.Response(200, text=another)

    cheddar.faults = {1: without, 2: without}
    with pytest.raises(OutcomeUnknown, match="no such unpaid invoice") as unknown:
        await attempt(cheddar, memory, first)
    memory.clock.put_on(unknown.value.retry_after)
    assert (await attempt(cheddar, memory, first)).standing is Standing.GONE


async def test_a_wrong_address_is_not_a_customer_that_is_gone() -> None:
    cheddar = FakeCheddar(faults={1: not_found("Nothing here")})
    with pytest.raises(NotFound):
        await attempt(cheddar, Memory(), first)


async def test_an_older_invoice_goes_first() -> None:
    cheddar = FakeCheddar(unpaid_before=True)
    with pytest.raises(EarlierInvoiceOutstanding, match="invoice 10"):
        await attempt(cheddar, Memory(), first)
    assert cheddar.calls == ["get"]


async def test_stops_when_the_invoice_is_run_in_between() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def run_by_hand(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        cheddar.paid = True
        return apply()

    cheddar.faults[3] = run_by_hand
    with pytest.raises(Unresolved, match="was paid, but differs from what was declared: add     A"):
        await attempt(cheddar, memory, first)
    assert cheddar.calls == ["get", "set-item-quantity", "set-item-quantity"]


async def test_a_quantity_that_does_not_stand_is_noticed() -> None:
    cheddar = FakeCheddar()
    cheddar.faults[2] = lambda request, apply: httpx.Response(200, text=cheddar.document())
    with pytest.raises(ReviewFailed, match="doesn't have what was sent: set     GB  3 → 15"):
        await attempt(cheddar, Memory(), first)


async def test_a_charge_that_somebody_deletes_is_noticed() -> None:
    cheddar = FakeCheddar()

    def deleted_by_hand(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        del cheddar.billed_charges[0]
        return apply()

    cheddar.faults[8] = deleted_by_hand
    with pytest.raises(ReviewFailed, match="doesn't have what was sent: add     A"):
        await attempt(cheddar, Memory(), first)


@pytest.mark.parametrize("keeps_mark", [True, False])
async def test_a_charge_that_lands_on_another_invoice_is_deleted_there(keeps_mark: bool) -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def elsewhere(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        charge = cheddar.billed_charges.pop()
        cheddar.open_charges.append(charge if keeps_mark else charge | {"description": ""})
        return httpx.Response(200, text=cheddar.document())

    cheddar.faults[4] = elsewhere
    with pytest.raises(ReviewFailed, match="was added to another invoice and has been deleted from it"):
        await attempt(cheddar, memory, first)
    assert cheddar.open_charges == []
    await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST


async def test_a_charge_that_lands_on_another_invoice_later_is_found_by_its_mark() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def elsewhere(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        cheddar.open_charges.append(cheddar.billed_charges.pop())
        raise httpx.ReadTimeout("nothing came", request=request)

    cheddar.faults[4] = elsewhere
    with pytest.raises(ReviewFailed, match="deleted from it"):
        await attempt(cheddar, memory, first)
    assert cheddar.open_charges == []


async def test_a_request_that_the_network_repeats_leaves_one_charge() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def twice(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        return apply()

    cheddar.faults[4] = twice
    await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST


async def test_a_charge_that_comes_back_with_another_amount_is_for_a_person() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def rounds(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        cheddar.billed_charges[-1]["eachAmount"] = "6.00"
        return httpx.Response(200, text=cheddar.document())

    cheddar.faults[4] = rounds
    with pytest.raises(Unresolved, match="another price or quantity"):
        await attempt(cheddar, memory, first)


async def test_a_run_that_is_not_shown_as_paid_is_waited_for() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    cheddar.faults[9] = lambda request, apply: httpx.Response(200, text=cheddar.document())
    with pytest.raises(OutcomeUnknown, match="was run, but isn't paid"):
        await attempt(cheddar, memory, running)
    with pytest.raises(OutcomeUnknown, match="is being run, but isn't paid"):
        await attempt(cheddar, memory, lambda review: review)  # the invoice must not change until then
    assert (await until_done(cheddar, memory, running)).ran


async def test_without_marks_descriptions_are_left_alone() -> None:
    cheddar, memory = FakeCheddar(), Memory()
    async with cheddar.async_client(retries=0) as client:
        await first(hook_review(cheddar)).aapply(client, memory, now=memory.clock, marks=False)
    assert [charge.get("description", "") for charge in cheddar.billed_charges] == ["extra", "", "", ""]


@pytest.mark.parametrize("marks", [True, False])
async def test_an_internal_error_is_no_refusal(marks: bool) -> None:
    """The charge was added before the error. Taken for refused, it would be added again without a mark."""
    cheddar, memory = FakeCheddar(), Memory()

    def added_and_broken(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        apply()
        return broken(request, apply)

    cheddar.faults[2] = added_and_broken
    for _ in range(3):
        review = hook_review(cheddar)
        review.charge("A", 5, "extra")
        async with cheddar.async_client(retries=0) as client:
            with suppress(OutcomeUnknown, Unresolved):
                await review.aapply(client, memory, now=memory.clock, marks=marks)
        memory.clock.put_on(300)
    assert cheddar.content() == FIRST[:1]


async def test_a_document_of_another_customer_is_not_read() -> None:
    """The request names the id, so a wrong code is all that tells a mixed-up cache."""
    cheddar = FakeCheddar()
    cheddar.faults[1] = lambda request, apply: httpx.Response(
        200, text=cheddar.document().replace('code="NORA"', 'code="OTTO"')
    )
    with pytest.raises(ReviewFailed, match="another customer's document: its code differs"):
        await attempt(cheddar, Memory(), first)
    assert cheddar.calls == ["get"]


@pytest.mark.parametrize(
    ("code", "id", "is_right"),
    [("ACME", "p-1", True), ("ACME", "p-2", False), ("OTHER", "p-1", False), (None, "P-1", True)],
)
async def test_a_client_of_another_product_sends_nothing(
    code: str | None, id: str | None, is_right: bool
) -> None:
    """The hook names its product by code and id, and both must fit."""
    cheddar = FakeCheddar()
    transport = httpx.MockTransport(cheddar)
    async with AsyncClient(code, "ops@example.com", "secret", product_id=id, transport=transport) as client:
        if is_right:
            await first(hook_review(cheddar)).aapply(client, Memory())
        else:
            with pytest.raises(ValueError, match="different product"):
                await first(hook_review(cheddar)).aapply(client, Memory())
    assert bool(cheddar.calls) is is_right


async def test_a_run_that_is_refused_is_not_waited_for() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    def refused(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        return httpx.Response(412, text="<error id='1' code='412' auxCode='customer:no'>No</error>")

    cheddar.faults[3] = refused  # get, get, run
    declare = lambda review: review.run_when_done() or review  # noqa: E731 - it is handed on under this name
    with pytest.raises(PreconditionFailed):
        await attempt(cheddar, memory, declare)
    assert (await memory.entries())[-1] == Refused(number=0)
    assert (await attempt(cheddar, memory, declare)).ran


async def test_a_paid_invoice_without_a_free_item_is_right() -> None:
    """What the plan doesn't charge for has no line on a bill, however much of it was used."""
    cheddar = FakeCheddar(paid=True, billed_items={"GB": Decimal(3)})
    hook = json.loads(cheddar.hook())
    for price, is_right in (("0.00", True), ("10.00", False)):
        hook["subscription"]["plan"]["items"][1]["overageAmount"] = price
        review = Review.from_hook(events.decode(json.dumps(hook).encode()))
        review.set_quantity("USERS", 4)
        async with cheddar.async_client(retries=0) as client:
            if is_right:
                assert (await review.aapply(client, Memory())).standing is Standing.PAID
            else:
                with pytest.raises(Unresolved, match="differs"):
                    await review.aapply(client, Memory())


async def test_a_clock_that_is_set_does_not_end_the_wait() -> None:
    cheddar, memory = FakeCheddar(faults={4: lost_on_the_way}), Memory()
    with pytest.raises(OutcomeUnknown):
        await attempt(cheddar, memory, first)
    for set_by in (86_400, -86_400, 1):
        memory.clock.put_on(set_by)
        with pytest.raises(OutcomeUnknown):
            await attempt(cheddar, memory, first)
    memory.clock.put_on(149)  # setting the clock counted as half of the wait at most
    await attempt(cheddar, memory, first)
    assert cheddar.content() == FIRST


async def test_a_request_that_is_held_up_before_it_leaves_is_not_sent() -> None:
    cheddar, memory = FakeCheddar(), Memory()

    class Slow(Memory):
        async def append(self, entry: Entry) -> None:
            await super().append(entry)
            if isinstance(entry, Adding):
                self.clock.put_on(60)

    slow = Slow()
    with pytest.raises(NoAnswer, match="delayed for too long"):
        await attempt(cheddar, slow, first)
    assert cheddar.billed_charges == []
    assert isinstance((await slow.entries())[-1], Refused)
    await until_done(cheddar, memory, first)


def test_entries_of_before_are_still_read() -> None:
    old = [
        b'{"type":"declared","declaration":{},"changes":["add     A  1 \xc3\x97 5.00"]}',
        b'{"type":"adding","number":1,"charge":{"code":"A","each_amount":"5.00"},"before":["c1"]}',
        b'{"type":"added","number":1,"charge_id":"c2"}',
        b'{"type":"refused","number":2}',
    ]
    assert [type(decode(entry)) for entry in old] == [Declared, Adding, Added, Refused]


def running(review: Review) -> Review:
    review.run_when_done()
    return first(review)


async def test_runs_when_done() -> None:
    cheddar = FakeCheddar()
    outcome = await attempt(cheddar, Memory(), running)
    assert outcome.ran
    assert cheddar.calls[-2:] == ["get", "run-outstanding"]
    assert cheddar.content() == FIRST


async def test_a_declined_run_is_no_failure() -> None:
    cheddar = FakeCheddar(decline=True)
    outcome = await attempt(cheddar, Memory(), running)
    assert (outcome.ran, outcome.note) == (False, "the run was declined (6000)")


async def test_a_run_whose_answer_is_lost_is_not_repeated() -> None:
    cheddar, memory = FakeCheddar(faults={9: answer_lost}), Memory()
    outcome = await attempt(cheddar, memory, running)
    assert (outcome.ran, outcome.look_again) == (True, True)
    assert (await attempt(cheddar, memory, running)).standing is Standing.PAID
    assert cheddar.calls.count("run-outstanding") == 1


def test_by_hand_with_the_sync_client() -> None:
    cheddar = FakeCheddar(billed_charges=[dict(FOREIGN)])
    with cheddar.client(retries=0) as client:
        review = first(Review.of(client.get_customer("NORA")))
        assert review.compare(client.get_customer("NORA")).total_after == Decimal("88.50")
        review.apply(client)
        assert cheddar.content() == FIRST  # the existing charge counts
        cheddar.calls.clear()
        assert review.apply(client).applied == ()
    assert set(cheddar.calls) == {"get"}


def test_by_hand_a_lost_answer_is_found_by_reading() -> None:
    cheddar = FakeCheddar(faults={5: answer_lost})
    with cheddar.client(retries=0) as client:
        first(Review.of(documents.customer(cheddar.document().encode()))).apply(client)
    assert cheddar.content() == FIRST
