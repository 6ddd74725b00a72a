"""The receivers' processes: the dead are counted and replaced, the stopped go on after a while."""

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.crash.listener import LEASE, Settings, Shared, serve

__all__ = ["Crew"]


class Crew:
    """`deaths` gives, for each new process, the points at which it dies and at which it stops."""

    # Forking from a process that has everything loaded takes a tenth of starting anew.
    _context = multiprocessing.get_context("forkserver")
    _context.set_forkserver_preload(["benchmarks.crash.listener", "rich.progress"])

    def __init__(
        self, settings: Settings, size: int, deaths: Callable[[], tuple[int, int]], seed: int
    ) -> None:
        self.kills = 0
        self.stops = 0
        self.ahead = self._context.Value("d", 0.0)
        self.version = self._context.Value("i", 0)
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

    async def muster(self) -> None:
        """Replace the dead, and wait until everybody listens."""
        for place, member in enumerate(self._members):
            if not member.process.is_alive():
                self._bury(member)
                self._members[place] = self._recruit()
        for member in self._members:
            while not await asyncio.to_thread(member.shared.is_ready.wait, 1):
                if not member.process.is_alive():
                    break  # at a point of its start; the next muster replaces it

    async def cut(self) -> None:
        """All die at once, with their machine."""
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
            member.process.close()

    def _bury(self, member: "_Member") -> None:
        if member.process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"a receiver ended by itself, with {member.process.exitcode}")
        self.kills += 1

    async def _watch(self) -> None:
        """Let the stopped go on, once another has had the time to take over."""
        waking: set[asyncio.Task[None]] = set()
        known: set[int] = set()
        while True:
            await asyncio.sleep(0.02)
            for member in self._members:
                pid = member.process.pid
                if member.shared.is_stopped.value and pid not in known:
                    known.add(pid)
                    self.stops += 1
                    waking.add(asyncio.create_task(self._wake(pid)))

    async def _wake(self, pid: int) -> None:
        await asyncio.sleep(self._dice.uniform(1.2, 2) * LEASE)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def _recruit(self) -> "_Member":
        dies_at, stops_at = self._deaths()
        settings = replace(self._settings, dies_at=dies_at, stops_at=stops_at)
        shared = Shared(
            passed=self._context.Value("i", 0),
            is_stopped=self._context.Value("i", 0),
            is_ready=self._context.Event(),
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
