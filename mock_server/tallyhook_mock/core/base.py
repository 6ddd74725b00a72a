"""The building blocks of billing systems: values, entities, refusals and events.

A mock can hold a million subscriptions because each takes little memory. Values are compact, all empty
collections share the empty tuple, and a growing list is a tuple that is replaced with a longer one.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

import msgspec

__all__ = ["Entity", "Happening", "Refusal", "Value"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """An immutable value.

    Values never form cycles, so the garbage collector can ignore them.
    """

    def __deepcopy__(self, _: object) -> Self:
        return self


class Entity(msgspec.Struct, eq=False):
    """A mutable object, compared by identity. Entities may form reference cycles."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A restore makes an empty entity first and then sets its fields, so circular references are possible.
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _blank, (type(self),), (None, fields)


def _blank(kind: type[Entity]) -> Entity:
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return kind(*(None,) * required)


class Refusal(ValueError):
    """Raised when a call or a command is refused. A refused call or command changes nothing.

    `status` is the HTTP status of the answer, and `headers` are extra headers for the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Happening(Value, frozen=True):
    """Something that happened to an `account`, for the timeline.

    `invoice` is an invoice number, `amount` the amount billed, `item` the item concerned, and `quantity` the
    item's new quantity. `subject` is the id of the object that a hook would be about. A field that doesn't
    apply is None, 0 or empty.
    """

    kind: str
    at: datetime
    actor: str
    account: str
    note: str = ""
    invoice: int | None = None
    amount: Decimal | None = None
    item: str = ""
    quantity: Decimal | None = None
    subject: int = 0
