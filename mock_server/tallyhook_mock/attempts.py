"""Attempts at a delivery, with the fault that strikes them."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from tallyhook_mock.delivery import Answer, Sender
from tallyhook_mock.engine.hooks import Attempt, Delivery
from tallyhook_mock.faults import Fault, FaultKind

__all__ = ["attempt_delivery"]


async def attempt_delivery(
    sender: Sender,
    delivery: Delivery,
    headers: Mapping[str, str],
    fault: Fault | None,
    now: Callable[[], datetime],
) -> list[Attempt]:
    """Send a hook to its listener, once, or twice side by side if it is duplicated.

    The attempts come in the order in which they are to be recorded: one that was acknowledged goes first,
    since for a sender that is the end of it.
    """
    url, body = delivery.listener.url, delivery.hook.body
    kind = None if fault is None else fault.kind
    if fault is not None and kind is FaultKind.TIMEOUT:
        answer = await sender.send(url, body, headers, timeout=fault.seconds)
        answers = [_lost(answer, f"no answer within {fault.seconds:g} s")]
    elif kind is FaultKind.LOSE_ANSWER:
        answers = [_lost(await sender.send(url, body, headers), "the answer was lost")]
    else:
        copies = 2 if kind is FaultKind.DUPLICATE else 1
        answers = await asyncio.gather(*(sender.send(url, body, headers) for _ in range(copies)))
    label = FaultKind.REORDER if delivery.is_postponed else kind or ""
    attempts = [
        Attempt(now(), answer.status, answer.seconds, answer.text, label, headers) for answer in answers
    ]
    return sorted(attempts, key=lambda attempt: not attempt.acknowledged)


def _lost(answer: Answer, why: str) -> Answer:
    """An answer of which nothing arrives; one that never came stays what it is."""
    return answer if answer.status is None else replace(answer, status=None, text=why)
