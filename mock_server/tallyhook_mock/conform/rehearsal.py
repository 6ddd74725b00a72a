"""Runs probes on a mock in this process, with simulated time, to get the mock's answers."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tallyhook_mock.conform.account import Account
from tallyhook_mock.conform.hooks import Listener
from tallyhook_mock.conform.probe import Finding
from tallyhook_mock.conform.run import PREFIX, Run
from tallyhook_mock.conform.state import State
from tallyhook_mock.testing.session import Session
from tallyhook_mock.testing.transport import Transport
from tallyhook_mock.testing.world import World

__all__ = ["DECLINING_ZIP", "Rehearsal", "rehearse", "session"]

DECLINING_ZIP = "90001"
_USER, _PASSWORD, _PRODUCT = "conform@example.com", "conform", "CONFORM"
_FOREVER = timedelta.max


class Rehearsal:
    """A mock that follows the given rules, with the account and the listener that a run needs."""

    def __init__(self, session: Session, rules: Mapping[str, Any] | None = None) -> None:
        coupon = {"code": "CONFORM"}
        catalog = {
            "users": [{"email": _USER, "password": _PASSWORD}],
            "products": [
                {
                    "code": _PRODUCT,
                    "secret": "conform-secret",
                    "ccZipDeclines": DECLINING_ZIP,
                    "promotions": [
                        {"name": "Conform", "percentage": "10", "months": 1, "coupons": [coupon]},
                    ],
                }
            ],
            "rules": dict(rules or {}),
        }
        self.world = World(session, catalog, "2026-01-10T09:30:00Z", strict=False)
        self.http = httpx.Client(transport=Transport(self.world.calls, session.loop))
        self.account = Account(self.http, "http://rehearsal/xml", _PRODUCT, _USER, _PASSWORD)
        self.listener = Listener()
        self.url = self.world.listen(self.listener.app, "conform", frozenset(), lifespan=False)

    def close(self) -> None:
        self.http.close()
        self.world.close()

    def sleep(self, pause: timedelta) -> None:
        """Move the mock's clock forward by `pause`."""
        mock = self.world.mock
        self.world.wait(lambda: mock.advance(mock.clock.now() + pause))

    def state(self) -> State:
        return State(
            base_url=self.account.base_url,
            product=_PRODUCT,
            user=_USER,
            prefix=PREFIX,
            listener_url=self.url,
            declining_zip=DECLINING_ZIP,
        )

    def run(self, state: State, file: Path, **options: Any) -> Run:
        """Return a run on this mock. Its waiting time has no limit."""
        given: dict[str, Any] = {
            "sleep": self.sleep,
            "patience": _FOREVER,
            "listener": self.listener,
            "shuffle": Random(0),
            "settle": 0.05,
            "hook_timeout": 10.0,
        }
        return Run(self.account, state, file, **given | options)


@contextmanager
def session() -> Iterator[Session]:
    with TemporaryDirectory(prefix="tallyhook-conform-") as directory:
        made = Session(lambda: Path(directory))
        try:
            yield made
        finally:
            made.close()


def rehearse(probes: Iterable[str], rules: Mapping[str, Any] | None = None) -> dict[str, Finding]:
    """Run these probes on a mock that follows the given rules, and return their findings."""
    with session() as own, TemporaryDirectory(prefix="tallyhook-conform-") as directory:
        rehearsal = Rehearsal(own, rules)
        try:
            state = rehearsal.state()
            rehearsal.run(state, Path(directory) / "state.json").start(probes)
        finally:
            rehearsal.close()
    return {rule: done.finding for rule, done in state.probes.items() if done.finding is not None}
