"""A hook as the databases keep it: the columns, and the record that a row of them makes."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tallyhook_receiver.inbox.protocol import Record, State

__all__ = ["COLUMNS", "record"]

COLUMNS = "key, product, type, state, body, note, deliveries, attempts, received, changed"


def record(row: Sequence[Any], moment: Callable[[Any], datetime]) -> Record:
    """The record of a row of `COLUMNS`; `moment` reads the database's own kind of time, into UTC."""
    key, product, kind, state, body, note, deliveries, attempts, received, changed = row
    return Record(
        key=key,
        product=product,
        type=kind,
        state=State(state),
        body=body,
        note=note,
        deliveries=deliveries,
        attempts=attempts,
        received=moment(received),
        changed=moment(changed),
    )
