"""Pools of connections side by side, so that calls at one time don't share one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

__all__ = ["Lanes"]


class _Lane:
    __slots__ = ("calls", "transport")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.calls = 0


class Lanes:
    """A transport for every call under way, up to `most`; `make` makes another one.

    A pool of httpcore's asks every idle connection, before and after each call, whether its other end has
    left. From a dozen connections on that takes longer than the calls; a pool of one has one to ask.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], most: int) -> None:
        self._make = make
        self._most = most
        self._lanes: list[_Lane] = []

    @contextmanager
    def free(self) -> Iterator[httpx.AsyncBaseTransport]:
        """The first transport that has nothing to do, or little; it is taken until this is left."""
        lane = next((lane for lane in self._lanes if not lane.calls), None)
        if lane is None:
            if len(self._lanes) < self._most:
                lane = _Lane(self._make())
                self._lanes.append(lane)
            else:
                lane = min(self._lanes, key=lambda lane: lane.calls)
        lane.calls += 1
        try:
            yield lane.transport
        finally:
            lane.calls -= 1

    async def aclose(self) -> None:
        """Close the connections; the transports can open others."""
        for lane in self._lanes:
            await lane.transport.aclose()
