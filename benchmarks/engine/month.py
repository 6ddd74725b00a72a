"""Play one virtual month, in which every customer's usage is set and every customer is billed."""

import gc
import time
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.engine.town import END, ITEM, START, Town
from tallyhook_mock.systems.cheddar import usage

__all__ = ["Month", "play_month"]


@dataclass(frozen=True)
class Month:
    """The cost of a month: CPU seconds, and the peak of memory in bytes per subscription."""

    seconds: float
    bytes_each: float


def play_month(subscriptions: int) -> Month:
    """Play a month without a listener. Call this in a new process.

    The time includes setting a quantity for every subscription, and everything that `Mock.advance` lets the
    engine do: each due step at its time, and taking the events. It doesn't include creating the customers.
    The memory is the growth of the process from before the first customer to its peak. So it includes each
    customer, card, paid invoice and open invoice.

    Raises RuntimeError if the collected sum is not the sum that was owed.
    """
    gc.collect()
    before = _memory("VmRSS")
    town = Town(subscriptions)
    state, collected = town.state, Decimal(0)
    started = time.process_time()
    for number, customer in enumerate(town.customers):
        usage.set_quantity(state, customer, ITEM, town.used(number), outstanding=False, at=START)
        state.take_events()
    while (due := state.next_due()) is not None and due <= END:
        state.step(due)
        for event in state.take_events():
            if event.transaction is not None:
                collected += event.transaction.amount
    seconds = time.process_time() - started
    weight = (_memory("VmHWM") - before) / subscriptions
    if collected != sum(map(town.owed, range(subscriptions))):
        raise RuntimeError(f"{collected} was collected, which is not what was owed")
    return Month(seconds, weight)


def _memory(name: str) -> int:
    """Return this process's memory in bytes as Linux reports it: now (VmRSS) or at the peak (VmHWM)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))
