"""A run checks the account, runs the probes as far as possible, and cleans up afterwards."""

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from tallyhook_mock.conform import state as states
from tallyhook_mock.conform.account import Account, Customer, Unusable
from tallyhook_mock.conform.hooks import Listener
from tallyhook_mock.conform.plans import LATER
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, told
from tallyhook_mock.conform.probes import PROBES
from tallyhook_mock.conform.state import Progress, State

__all__ = ["PREFIX", "Registrar", "Run"]

PREFIX = "conform-"
_CLOCK, _GATEWAY = "clock", "gateway"


class Registrar(Protocol):
    """Registers a listener's URL with the service, and removes it."""

    def add(self, product: str, url: str) -> None: ...
    def remove(self, url: str) -> None: ...


class Run:
    """A run on one account, saved to a file after each step.

    `sleep` is called to wait. The run waits at most `patience` in total. Probes that need to wait longer are
    continued by a later call of `go_on`. `listener` receives the hooks that the service sends to
    `state.listener_url`. If there is a `registrar`, it registers this URL with the service. `tell` is called
    with progress messages.
    """

    def __init__(
        self,
        account: Account,
        state: State,
        file: Path,
        *,
        sleep: Callable[[timedelta], None],
        patience: timedelta,
        listener: Listener | None = None,
        registrar: Registrar | None = None,
        tell: Callable[[str], None] = lambda line: None,
        shuffle: random.Random | None = None,
        settle: float = 5.0,
        hook_timeout: float = 60.0,
    ) -> None:
        self.account, self.state, self.file = account, state, file
        self._sleep, self._patience = sleep, patience
        self._listener, self._registrar, self._tell = listener, registrar, tell
        self._random = shuffle or random.Random()
        self._settle, self._hook_timeout = settle, hook_timeout
        self._plans: set[str] = set()  # plans that are known to exist

    # -- start and cleanup

    def start(self, rules: Iterable[str] = PROBES, *, any_gateway: bool = False) -> None:
        """Check the account, then run the probes for these rules. Raises Unusable if the check fails."""
        there = self.account.customers()
        ours = [each for each in there if self._is_ours(each)]
        if len(ours) < len(there):
            raise Unusable(
                f"the product {self.account.product} is not empty, it has {len(there) - len(ours)} customers:"
                " conform only runs in a test product without customers"
            )
        if ours:
            raise Unusable(
                f"the product {self.account.product} has {len(ours)} customers from an earlier run:"
                " remove them with `tallyhook conform clean`"
            )
        self.state.probes = {rule: Progress() for rule in rules}
        self._save()
        try:
            gateway = self._gateway()
            if "simulat" not in gateway.casefold() and not any_gateway:
                raise Unusable(
                    f"the gateway of {self.account.product} is {gateway or 'unknown'}, not the simulator:"
                    " conform would charge cards; choose a test product, or pass --any-gateway"
                )
            self._listen()
            self.state.is_checked = True
        except NotFoundOut as error:
            self.clean()
            raise Unusable(f"the account can't be used: {error}") from None
        except BaseException:
            self.clean()
            raise
        self._go(may_be_alone=not any_gateway)

    def go_on(self) -> None:
        """Continue the probes whose waiting time is over.

        Raises Unusable if the first run was interrupted before the account was checked.
        """
        if not self.state.is_checked:
            raise Unusable(
                "the run was interrupted before its account was checked: remove it with"
                " `tallyhook conform clean`, and start again"
            )
        for check in (_CLOCK, _GATEWAY):  # an earlier run may have been interrupted while creating these
            self._delete(self._of(check))
        if self._listener is not None:
            self._listen()
        self._go(may_be_alone=False)

    def clean(self) -> int:
        """Remove the run's customers and plans from the account. Returns the number of customers.

        If there is a registrar, the run's listener is removed too. Raises Unusable if something
        can't be removed.
        """
        removed = self._delete(self._is_ours)
        for code in tuple(self.state.plans):
            answer = self.account.call("plans/delete", {"code": code})
            if not answer.is_success and answer.status != 404:
                raise Unusable(f"the plan {code} can't be deleted: {answer.error}")
            self.state.plans.remove(code)
        if self.state.listener_url and self._registrar is not None:
            self._registrar.remove(self.state.listener_url)
        return removed

    def _gateway(self) -> str:
        """Return the name of the product's gateway.

        To find it out, a customer with a card and a bill date in 25 days is created and then deleted.
        """
        visit = self._visit(_GATEWAY, Progress())
        later = visit.server_time() + timedelta(days=25)
        try:
            customer = visit.new(LATER, more={"subscription[initialBillDate]": f"{later:%Y-%m-%d}"})
        finally:
            self._delete(self._of(_GATEWAY))
        return customer.gateway

    def _listen(self) -> None:
        """Register the listener. Raises Unusable if no hook arrives."""
        url = self.state.listener_url
        if self._listener is None or not url:
            return
        if self._registrar is not None:
            self._save()
            self._registrar.add(self.account.product, url)
        visit = self._visit(_CLOCK, Progress())
        visit.server_time()
        if visit.hook_about("newSubscription", "now") is None:
            raise Unusable(
                f"no hook arrived at {url} within {self._hook_timeout:g} s: is it reachable from the service,"
                " and registered with the product for every event?"
            )

    # -- probes

    def _go(self, *, may_be_alone: bool) -> None:
        waited = timedelta()
        now = self._now()
        alone = [rule for rule in self._open() if Need.ALONE in PROBES[rule].needs]
        for rule in alone:
            if may_be_alone:
                self._play(PROBES[rule], now)
            else:
                self._end(rule, Progress(reason="it needs an otherwise empty product and the simulator"))
        while todo := self._open():
            self._random.shuffle(todo)
            for rule in todo:
                until = self.state.probes[rule].wait_until
                if until is None or until <= now:
                    self._play(PROBES[rule], now)
            untils = [until for rule in self._open() if (until := self.state.probes[rule].wait_until)]
            if not untils:
                continue
            pause = max(min(untils) - now, timedelta()) + timedelta(seconds=1)
            if waited + pause > self._patience:
                return
            self._tell(f"waiting until {min(untils):%Y-%m-%d %H:%M:%S} for {len(untils)} probes")
            self._sleep(pause)
            waited += pause
            before, now = now, self._now()
            if now <= before:
                self._tell("the service's clock is frozen")
                return
        self.clean()
        self._save()

    def _open(self) -> list[str]:
        return [rule for rule, progress in self.state.probes.items() if not progress.is_done]

    def _play(self, probe: Probe, now: datetime) -> None:
        """Take a probe's steps until the probe ends or has to wait."""
        progress = self.state.probes[probe.rule]
        if progress.is_at_work:  # the program was interrupted during a step
            self._delete(self._of(probe.rule))
            progress = self.state.probes[probe.rule] = Progress(tries=progress.tries + 1)
        if reason := self._is_missing(probe):
            self._end(probe.rule, Progress(reason=reason))
            return
        if probe.refuses and self._listener is not None:
            self._listener.refused.add(f"{self.state.prefix}{_dashed(probe.rule)}")
        visit = self._visit(probe.rule, progress)
        while not progress.is_done:
            progress.is_at_work, progress.wait_until = True, None
            self._save()
            outcome = self._outcome(probe, progress, visit)
            progress.is_at_work = False
            if isinstance(outcome, Wait):
                progress.step += not outcome.again
                progress.wait_until = outcome.until
                self._save()
                return
            if outcome is None:
                progress.step += 1
        self._delete(self._of(probe.rule))
        self._end(probe.rule, progress)

    def _outcome(self, probe: Probe, progress: Progress, visit: Visit) -> Finding | Wait | None:
        try:
            outcome = probe.steps[progress.step](visit)
        except NotFoundOut as error:
            progress.reason = str(error)
            return None
        except Unusable:
            raise
        except Exception as error:  # an unexpected document only ends this probe
            progress.reason = f"the probe failed, {type(error).__name__}: {error}"
            return None
        if isinstance(outcome, Finding):
            progress.finding = outcome
        return outcome

    def _is_missing(self, probe: Probe) -> str:
        if Need.LISTENER in probe.needs and (self._listener is None or not self.state.listener_url):
            return "it needs a listener: pass --listener-url"
        if Need.DECLINES in probe.needs and not self.state.declining_zip:
            return "it needs a zip for which the simulator declines charges: pass --declining-zip"
        return ""

    def _end(self, rule: str, progress: Progress) -> None:
        self.state.probes[rule] = progress
        self._save()
        found = progress.finding
        self._tell(f"{rule}: {told(found.value) if found else f'not found out: {progress.reason}'}")

    # -- the account

    def _visit(self, rule: str, progress: Progress) -> Visit:
        return Visit(
            rule=_dashed(rule),
            account=self.account,
            listener=self._listener,
            prefix=self.state.prefix,
            memory=progress.memory,
            tries=progress.tries,
            made_plans=self.state.plans,
            known_plans=self._plans,
            save=self._save,
            declining_zip=self.state.declining_zip,
            settle=self._settle,
            hook_timeout=self._hook_timeout,
        )

    def _now(self) -> datetime:
        try:
            return self._visit(_CLOCK, Progress()).server_time()
        except NotFoundOut as error:
            raise Unusable(f"the account can't be used: {error}") from None

    def _save(self) -> None:
        states.save(self.state, self.file)

    def _is_ours(self, customer: Customer) -> bool:
        return customer.code.startswith(self.state.prefix)

    def _of(self, rule: str) -> Callable[[Customer], bool]:
        name = f"{self.state.prefix}{_dashed(rule)}"
        return lambda customer: customer.code == name or customer.code.startswith((f"{name}-", f"{name}@"))

    def _delete(self, fits: Callable[[Customer], bool]) -> int:
        found = [each for each in self.account.customers() if fits(each)]
        for each in found:
            answer = self.account.call("customers/delete", {"code": each.code})
            if not answer.is_success and answer.status != 404:
                raise Unusable(f"the customer {each.code} can't be deleted: {answer.error}")
        return len(found)


def _dashed(rule: str) -> str:
    return rule.replace("_", "-")
