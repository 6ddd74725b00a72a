"""A run on an account: what it refuses, what it leaves behind, and how it goes on after a cut."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tallyhook_mock.conform import state as states
from tallyhook_mock.conform.account import Account, Unusable
from tallyhook_mock.conform.plans import PLANS
from tallyhook_mock.conform.probe import Probe
from tallyhook_mock.conform.probes import PROBES
from tallyhook_mock.conform.rehearsal import Rehearsal
from tallyhook_mock.testing.session import Session

Change = Callable[[httpx.Request], httpx.Response | None]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    made = Session(lambda: tmp_path_factory.mktemp("session"))
    yield made
    made.close()


@pytest.fixture
def rehearsal(session: Session) -> Iterator[Rehearsal]:
    made = Rehearsal(session)
    yield made
    made.close()


class Between(httpx.BaseTransport):
    """What stands between a run and the service."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._http = rehearsal.http
        self.before: Change = lambda _: None
        self.after: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda _, answer: answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        answer = self.before(request)
        if answer is None:
            answer = self._http.send(request)
            answer.read()
            answer = httpx.Response(answer.status_code, text=answer.text)
        return self.after(request, answer)


@pytest.fixture
def between(rehearsal: Rehearsal) -> Between:
    return Between(rehearsal)


@pytest.fixture
def account(rehearsal: Rehearsal, between: Between) -> Account:
    own = rehearsal.account
    return Account(httpx.Client(transport=between), own.base_url, own.product, own.user, "conform")


class Registered:
    """A registrar that keeps the URLs."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def add(self, product: str, url: str) -> None:
        self.urls.append(url)

    def remove(self, url: str) -> None:
        self.urls = [each for each in self.urls if each != url]


def nothing_left(rehearsal: Rehearsal) -> bool:
    mock = rehearsal.world.mock
    product = mock.state.products["CONFORM"]
    return not rehearsal.account.customers() and not product.plans


def sign_up(rehearsal: Rehearsal, code: str) -> None:
    fields = {"code": "PLAN", "name": "Plan", "isFree": "1", "paymentMethodIsRequired": "0"}
    assert rehearsal.account.call("plans/new", fields).is_success
    names = {"firstName": "A", "lastName": "B", "email": "a@example.com", "subscription[planCode]": "PLAN"}
    assert rehearsal.account.call("customers/new", {"code": code, **names}).is_success


# -- refusals


def test_a_product_with_customers_is_refused(rehearsal: Rehearsal, tmp_path: Path) -> None:
    sign_up(rehearsal, "somebody")
    with pytest.raises(Unusable, match="the product CONFORM is not empty, it has 1 customers"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()
    assert [each.code for each in rehearsal.account.customers()] == ["somebody"]
    assert not (tmp_path / "state.json").exists()


def test_customers_of_an_earlier_run_are_to_be_cleaned(rehearsal: Rehearsal, tmp_path: Path) -> None:
    sign_up(rehearsal, "conform-month-end")
    with pytest.raises(Unusable, match="1 customers from an earlier run: remove them with"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()


def test_wrong_credentials(rehearsal: Rehearsal, tmp_path: Path) -> None:
    own = rehearsal.account
    rehearsal.account = Account(rehearsal.http, own.base_url, own.product, own.user, "wrong")
    with pytest.raises(Unusable, match=r"refuses conform@example.com \(401: Auth"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()
    rehearsal.account = Account(rehearsal.http, own.base_url, "OTHER", own.user, "conform")
    with pytest.raises(Unusable, match="the password and the product OTHER"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()
    rehearsal.account = own
    assert nothing_left(rehearsal)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(200, text="<html><p>Welcome"), "is not XML"),
        (httpx.Response(200, text="<html/>"), "does not list customers as Cheddar does"),
        (httpx.Response(503, text="down"), "does not list customers as Cheddar does: HTTP 503"),
    ],
)
def test_what_is_not_cheddar(
    rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path, answer: Any, told: str
) -> None:
    rehearsal.account, between.before = account, lambda _: answer
    with pytest.raises(Unusable, match=told):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()


def test_nothing_answers(rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    rehearsal.account, between.before = account, refuse
    with pytest.raises(Unusable, match="no answer from http://rehearsal/xml: connection refused"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()


def test_a_gateway_that_is_not_the_simulator_is_refused(
    rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path
) -> None:
    def real(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return httpx.Response(answer.status_code, text=answer.text.replace("Stripe_Simulator", "Stripe"))

    own, rehearsal.account, between.after = rehearsal.account, account, real
    with pytest.raises(Unusable, match="the gateway of CONFORM is Stripe, not the simulator"):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()
    rehearsal.account = own
    assert nothing_left(rehearsal)
    rehearsal.account, state = account, rehearsal.state()
    run = rehearsal.run(state, tmp_path / "state.json")
    run.start(["one_time_excess", "delete_all_confirm"], any_gateway=True)
    assert state.probes["one_time_excess"].finding is not None
    # Elsewhere nobody tries whether a careless delete-all deletes.
    assert "it needs an otherwise empty product" in state.probes["delete_all_confirm"].reason


def test_a_listener_that_no_hook_reaches(rehearsal: Rehearsal, tmp_path: Path) -> None:
    state, registered = rehearsal.state(), Registered()
    state.listener_url = "http://testserver/nowhere"
    rehearsal.world.call(
        lambda: [*map(rehearsal.world.mock.pause, rehearsal.world.mock.state.hooks.listeners.values())]
    )
    run = rehearsal.run(state, tmp_path / "state.json", hook_timeout=0.2, registrar=registered)
    with pytest.raises(Unusable, match=r"no hook arrived at http://testserver/nowhere within 0\.2 s"):
        run.start()
    assert nothing_left(rehearsal)
    assert registered.urls == []


def test_without_a_listener_the_others_are_played(rehearsal: Rehearsal, tmp_path: Path) -> None:
    state = rehearsal.state()
    rehearsal.run(state, tmp_path / "state.json", listener=None).start(
        ["one_time_excess", "canceled_hook_invoice"]
    )
    assert state.probes["canceled_hook_invoice"].reason == "it needs a listener: pass --listener-url"
    assert state.probes["one_time_excess"].finding is not None


def test_without_a_coupon_or_a_declining_zip(session: Session, tmp_path: Path) -> None:
    rehearsal = Rehearsal(session)
    try:
        rehearsal.world.mock.state.products["CONFORM"].promotions.clear()
        state = rehearsal.state()
        state.declining_zip = ""
        rules = ["promotion_scope", "declined_one_time"]
        rehearsal.run(state, tmp_path / "state.json").start(rules)
        assert "the product has no promotion" in state.probes["promotion_scope"].reason
        assert "pass --declining-zip" in state.probes["declined_one_time"].reason
    finally:
        rehearsal.close()


def test_plans_that_the_service_does_not_make_are_made_by_hand_and_stay(
    rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path
) -> None:
    def makes_none(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(404, text="<error/>") if "/plans/new" in str(request.url) else None

    own, rehearsal.account, between.before = rehearsal.account, account, makes_none
    with pytest.raises(
        Unusable, match=r"did not make the plan conform-free .* create it on its pages, with billing"
    ):
        rehearsal.run(rehearsal.state(), tmp_path / "state.json").start()
    for name, terms in PLANS.items():
        made = own.call("plans/new", {"code": f"conform-{name}", "name": name, **terms})
        assert made.is_success
    state = rehearsal.state()
    rehearsal.run(state, tmp_path / "state.json").start(["one_time_excess"])
    assert state.probes["one_time_excess"].finding is not None
    assert len(rehearsal.world.mock.state.products["CONFORM"].plans) == len(PLANS)
    wrong = {"code": "conform-monthly", "recurringChargeAmount": "30.00"}
    assert own.call("plans/edit", wrong).is_success
    state = rehearsal.state()
    rehearsal.run(state, tmp_path / "state.json").start(["void_with_amount"])
    reason = state.probes["void_with_amount"].reason
    assert reason == "the plan conform-monthly has recurringChargeAmount: 30.00 instead of 300.00"


def test_a_probe_that_breaks_off_leaves_nothing(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(visit: Any) -> None:
        visit.new("monthly")
        raise ZeroDivisionError("in the middle")

    monkeypatch.setitem(PROBES, "tax_rounding", Probe("tax_rounding", (breaks,)))  # type: ignore[arg-type] # a dict
    state = rehearsal.state()
    rehearsal.run(state, tmp_path / "state.json").start(["tax_rounding", "one_time_excess"])
    assert state.probes["tax_rounding"].reason == "the probe failed, ZeroDivisionError: in the middle"
    assert state.probes["one_time_excess"].finding is not None
    assert nothing_left(rehearsal)


def test_no_call_is_the_same_as_the_one_before(
    rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path
) -> None:
    """As Cheddar's duplicate check has it."""
    last = b""

    def checked(request: httpx.Request) -> httpx.Response | None:
        nonlocal last
        this = str(request.url).encode() + request.content
        last, is_same = this, this == last
        return httpx.Response(422, text="<error>duplicate</error>") if is_same else None

    rehearsal.account, between.before, state = account, checked, rehearsal.state()
    rehearsal.run(state, tmp_path / "state.json").start(
        ["canceled_again", "tax_rounding", "void_with_amount"]
    )
    assert all(progress.finding for progress in state.probes.values()), state.probes


# -- over several days


def test_a_run_goes_on_on_another_day(rehearsal: Rehearsal, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    rules = ["long_cancel_setup", "proration_unit", "new_card_while_held", "one_time_excess"]
    rehearsal.run(rehearsal.state(), file, patience=timedelta()).start(rules)
    waiting = [rule for rule, progress in states.load(file).probes.items() if not progress.is_done]
    assert sorted(waiting) == ["long_cancel_setup", "new_card_while_held", "proration_unit"]
    rehearsal.run(states.load(file), file, patience=timedelta()).go_on()  # nothing is due yet
    assert len([each for each in states.load(file).probes.values() if not each.is_done]) == 3
    for _ in range(9):
        rehearsal.sleep(timedelta(hours=4))
        rehearsal.run(states.load(file), file, patience=timedelta()).go_on()
    done = states.load(file)
    values = {rule: progress.finding and progress.finding.value for rule, progress in done.probes.items()}
    assert values == {
        "long_cancel_setup": "charged",
        "proration_unit": "second",
        "new_card_while_held": "waits",
        "one_time_excess": "carried",
    }
    assert done.is_done
    assert nothing_left(rehearsal)


def test_a_clock_that_stands_still_ends_the_waiting(rehearsal: Rehearsal, tmp_path: Path) -> None:
    state = rehearsal.state()
    told: list[str] = []
    run = rehearsal.run(state, tmp_path / "state.json", sleep=lambda _: None, tell=told.append)
    run.start(["long_cancel_setup"])
    assert told[-1] == "the service's clock is frozen"
    assert not state.is_done


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "doesn't exist: start with"),
        ("{", "is not the state of a run"),
        ('{"product": 1}', "is not the state"),
    ],
)
def test_a_state_that_can_not_be_read(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "state.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Unusable, match=told):
        states.load(file)


def test_a_run_that_was_cut_before_its_account_was_checked_does_not_go_on(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    state = rehearsal.state()
    with pytest.raises(Unusable, match="the run was interrupted before its account was checked"):
        rehearsal.run(state, tmp_path / "state.json").go_on()
    assert nothing_left(rehearsal)


# -- cuts


class Cut(BaseException):
    """What ends a program: Ctrl-C, or a signal."""


@pytest.mark.parametrize("seed", range(50))
def test_after_a_cut_clean_leaves_nothing(
    rehearsal: Rehearsal, account: Account, between: Between, tmp_path: Path, seed: int
) -> None:
    """Cut at any request, before it leaves or before its answer is read; then cleaned, or gone on with."""
    draw = Random(seed)
    left, is_late = draw.randrange(1, 60), draw.random() < 0.5
    file, registered = tmp_path / "state.json", Registered()

    def count(_: httpx.Request) -> None:
        nonlocal left
        left -= 1
        if left == 0 and not is_late:
            raise Cut

    def cut(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if left <= 0 and is_late:
            raise Cut
        return answer

    own, rehearsal.account = rehearsal.account, account
    between.before, between.after = count, cut
    options = {"shuffle": draw, "registrar": registered}
    rules = draw.sample(sorted(PROBES), 8)
    state = rehearsal.state()
    with contextlib.suppress(Cut):
        rehearsal.run(state, file, **options).start(rules)
    # What is in memory is gone: there is only the file.
    rehearsal.account = own
    kept = states.load(file) if file.exists() else rehearsal.state()
    if seed % 5 == 0 and kept.is_checked:
        rehearsal.run(kept, file, **options).go_on()
        missing = {rule: each.reason for rule, each in kept.probes.items() if not each.finding}
        assert not set(missing) - {"delete_all_confirm"}, missing
    else:
        rehearsal.run(kept, file, **options).clean()
    assert nothing_left(rehearsal)
    assert registered.urls == []
