"""One virtual month: everybody's usage is set, everybody is billed."""

import gc
import time
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.engine.town import END, ITEM, START, Town
from tallyhook_mock.systems.cheddar import usage

__all__ = ["Month", "play_month"]


@dataclass(frozen=True)
class Month:
    """What a month took: seconds of one core, and bytes of memory for each subscription at the peak."""

    seconds: float
    bytes_each: float


def play_month(subscriptions: int) -> Month:
    """Play a month without a listener, in a process of its own. RuntimeError if the money does not add up.

    Timed is what `Mock.advance` has the engine do, and the usage: a quantity is set for every subscription,
    then each thing that is due is carried out at its moment and the events are taken. Making the customers is
    not timed, but what they weigh is counted: the bytes are what the process grew by from before the first
    customer to the most it ever had, so that customer, card, paid invoice and open invoice are in them.
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
    """Bytes that this process has (VmRSS) or at most had (VmHWM), as Linux tells."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))
