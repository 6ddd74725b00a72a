"""Manage the receivers' processes: count and replace dead ones, and resume stopped ones after a while."""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_double, c_int
from dataclasses import dataclass, replace
from typing import Any

from uvicorn.main import STARTUP_FAILURE

from benchmarks.crash.listener import LEASE, Settings, Shared, serve

__all__ = ["Crew"]


class Crew:
    """The receivers' processes.

    `deaths` is called for each new process. It returns the number of the point at which the process dies and
    of the point at which it stops.
    """

    # Forking from a process that has loaded everything takes a tenth of the time of a fresh start.
    _context = multiprocessing.get_context("forkserver")
    _context.set_forkserver_preload(
        ["benchmarks.crash.__main__", "httpcore", "uvicorn.lifespan.on", "uvicorn.protocols.http.auto"]
    )

    def __init__(
        self, settings: Settings, size: int, deaths: Callable[[], tuple[int, int]], seed: int
    ) -> None:
        self.kills = 0
        self.stops = 0
        self.ahead = self._context.RawValue(c_double, 0.0)
        self.version = self._context.RawValue(c_int, 0)
        self._sleeps = self._context.RawValue(c_int, 1 if settings.sleeps_at else 0)
        self._settings = settings
        self._deaths = deaths
        self._dice = random.Random(seed)
        self._members: list[_Member] = [self._recruit() for _ in range(size)]
        self._watching = asyncio.create_task(self._watch())

    @property
    def points(self) -> int:
        return sum(member.shared.passed.value for member in self._members)

    @property
    def are_all_awake(self) -> bool:
        return not any(member.shared.is_stopped.value for member in self._members)

    def told(self) -> list[str]:
        """Return a line about each receiver's state, and make live receivers print their stacks to stderr."""
        lines = []
        for member in self._members:
            shared, process = member.shared, member.process
            state = "stopped" if shared.is_stopped.value else "alive" if process.is_alive() else "dead"
            state += "" if shared.is_ready.value else ", not ready"
            lines.append(f"receiver {process.pid}: {state}, at point {shared.passed.value}")
            if process.is_alive():
                os.kill(process.pid, signal.SIGUSR1)
        return lines

    async def muster(self) -> None:
        """Replace dead receivers, and wait until all receivers listen."""
        for place, member in enumerate(self._members):
            if not member.process.is_alive():
                self._bury(member)
                self._members[place] = self._recruit()
        for member in self._members:
            # A receiver that dies while it starts is replaced by the next call.
            while not member.shared.is_ready.value and member.process.is_alive():
                await asyncio.sleep(0.01)

    async def wake(self, *, turns_back: bool) -> None:
        """Resume the sleeping receiver, and wait until it has finished its work.

        If `turns_back` is True, first set the clock back to the time at which that receiver stopped.
        """
        sleepers = [member for member in self._members if member.slept_at]
        if not sleepers:
            raise RuntimeError("no receiver came to the point at which it sleeps")
        (sleeper,) = sleepers
        if turns_back:
            self.ahead.value = sleeper.slept_at - time.time()
        passed = sleeper.shared.passed.value
        await self._wake(sleeper)
        await self._rest(sleeper, passed)

    async def _rest(self, member: "_Member", passed: int) -> None:
        """Wait until the receiver has passed more points than `passed`, and then no point for a second."""
        last = passed
        while member.process.is_alive():
            await asyncio.sleep(1)
            if passed != last == member.shared.passed.value:
                return
            last = member.shared.passed.value

    async def cut(self) -> None:
        """Kill all receivers at once, as if their machine had lost its power."""
        for member in self._members:
            if member.process.is_alive():
                member.process.kill()
            else:
                self._bury(member)
        await self._end()
        self._members = []

    def recruit(self, size: int) -> None:
        self._members = [self._recruit() for _ in range(size)]

    async def dismiss(self) -> None:
        self._watching.cancel()
        for member in self._members:
            if member.process.is_alive():
                member.process.kill()
            else:
                self._bury(member)
        await self._end()

    async def _end(self) -> None:
        for member in self._members:
            await asyncio.to_thread(member.process.join)
            if member.waking is not None:
                member.waking.cancel()
            member.shared.is_stopped.value = 0  # so that it isn't woken again
            member.process.close()

    def _bury(self, member: "_Member") -> None:
        if member.process.exitcode == STARTUP_FAILURE:
            # Its inbox could not be opened: a stopped receiver has locked it, or the database is down.
            return
        if member.process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"a receiver ended by itself, with {member.process.exitcode}")
        self.kills += 1

    async def _watch(self) -> None:
        """Resume each stopped receiver after another receiver has had time to take over."""
        while True:
            await asyncio.sleep(0.02)
            for member in self._members:
                is_waking = member.waking is not None and not member.waking.done()
                if not member.shared.is_stopped.value or is_waking or member.slept_at:
                    continue
                self.stops += 1
                if self._settings.sleeps_at:
                    member.slept_at = time.time() + self.ahead.value
                else:
                    member.waking = asyncio.create_task(self._wake_later(member))

    async def _wake_later(self, member: "_Member") -> None:
        await asyncio.sleep(self._dice.uniform(1.1, 2.5) * LEASE)
        await self._wake(member)

    async def _wake(self, member: "_Member") -> None:
        while member.shared.is_stopped.value:  # the signal is lost if the process is only about to stop
            with suppress(ProcessLookupError):
                os.kill(member.process.pid, signal.SIGCONT)
            await asyncio.sleep(0.05)

    def _recruit(self) -> "_Member":
        dies_at, stops_at = self._deaths()
        settings = replace(self._settings, dies_at=dies_at, stops_at=stops_at)
        shared = Shared(
            passed=self._context.RawValue(c_int, 0),
            is_stopped=self._context.RawValue(c_int, 0),
            is_ready=self._context.RawValue(c_int, 0),
            sleeps=self._sleeps,
            ahead=self.ahead,
            version=self.version,
        )
        process = self._context.Process(target=serve, args=(settings, shared), daemon=True)
        process.start()
        return _Member(process, shared)


@dataclass
class _Member:
    process: Any
    shared: Shared
    waking: asyncio.Task[None] | None = None
    slept_at: float = 0.0  # by the receivers' clock; only `wake` resumes a receiver that has this time
