"""The billing systems of one mock. A new one is a folder here, and a line in `SYSTEMS`.

The files of a folder have the same names in each. `model` has its `State`, a `BillingSystem`; the others are
there if they are needed: `api` (its `face`), `hooks` (their `POLICY`), `catalog` (its section), `control` and
`console` (their `ROUTES`), `picture` (what `tell`s a life).

Where a docstring says `Standing:`, or has it in brackets, that is how a rule is known: it is documented, said
by the vendor's staff in some year, recorded, relied on by clients, or inferred. docs/NAME.md has the rules.
"""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

from tallyhook_mock.core.base import BillingSystem
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.core.ids import Ids

__all__ = ["SYSTEMS", "Systems", "actions", "part", "parts", "policies"]

# What each calls the accounts that it bills.
SYSTEMS = {
    "cheddar": "customers",
    "cleverbridge": "subscriptions",
    "fusebill": "customers",
    "chargemonk": "subscriptions",
}

S = TypeVar("S", bound=BillingSystem)


def part(system: str, file: str) -> ModuleType | None:
    """The module of a system by its name, such as `control`; None if it has none."""
    name = f"{__name__}.{system}.{file}"
    return import_module(name) if find_spec(name) is not None else None


def parts(file: str) -> dict[str, ModuleType]:
    """The modules of this name, by system."""
    found = {system: part(system, file) for system in SYSTEMS}
    return {system: module for system, module in found.items() if module is not None}


def actions() -> list[str]:
    """The calls of all APIs, by the names that faults know them by: `customers/add-charge`."""
    return [action for api in parts("api").values() for action in api.ACTIONS]


def policies() -> dict[str, Policy]:
    """How those beside Cheddar that send hooks do it, by system."""
    return {system: module.POLICY for system, module in parts("hooks").items()}


class Systems:
    """They share a clock, and nothing else.

    Attributes:
        cheddar: the one with products.
        others: those beside Cheddar, by name.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        """`ids` are Cheddar's and those of all hooks; the others' may be the same in every world."""
        # Loaded with a world: a command needs only the names of the systems.
        from tallyhook_mock.systems.cheddar.state import State as Cheddar

        self.cheddar = Cheddar(ids)
        self.others: Mapping[str, BillingSystem] = {
            name: module.State() for name, module in parts("state").items() if name != "cheddar"
        }
        self._all: tuple[Cheddar | BillingSystem, ...] = (self.cheddar, *self.others.values())

    def of(self, kind: type[S]) -> S:
        """The system beside Cheddar with this state."""
        return next(system for system in self.others.values() if isinstance(system, kind))

    def next_due(self) -> datetime | None:
        """The next moment at which any of them has something to do."""
        moments = [due for system in self._all if (due := system.next_due()) is not None]
        return min(moments, default=None)

    def step(self, at: datetime) -> bool:
        """Carry out one thing that is due at `at`; False if nothing is."""
        return self.cheddar.step(at) or any(system.step(at) for system in self.others.values())
