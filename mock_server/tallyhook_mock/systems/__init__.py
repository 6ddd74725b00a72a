"""The billing systems of one mock. A new one is a folder here, and its name in `SYSTEMS`."""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from tallyhook_mock.core.base import BillingSystem
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.chargemonk.model import State as Chargemonk
from tallyhook_mock.systems.cheddar.state import State as Cheddar
from tallyhook_mock.systems.cleverbridge.model import State as Cleverbridge
from tallyhook_mock.systems.fusebill.model import State as Fusebill

__all__ = ["POLICIES", "SENDERS", "SYSTEMS", "Systems", "parts"]

SYSTEMS = ("cheddar", "cleverbridge", "fusebill", "chargemonk")


def parts(file: str) -> list[ModuleType]:
    """The modules of this name, such as `control`, of the systems that have one."""
    names = [f"{__name__}.{system}.{file}" for system in SYSTEMS]
    return [import_module(name) for name in names if find_spec(name) is not None]


# What announces the hooks of the systems beside Cheddar that send any, and how those are sent, by name.
SENDERS: Mapping[str, ModuleType] = {part.POLICY.system: part for part in parts("hooks")}
POLICIES: Mapping[str, Policy] = {name: part.POLICY for name, part in SENDERS.items()}


class Systems:
    """They share a clock, and nothing else.

    Attributes:
        others: those beside Cheddar, by name.
    """

    def __init__(self, ids: Ids | None = None) -> None:
        """`ids` are Cheddar's and those of all hooks; the others' may be the same in every world."""
        self.cheddar = Cheddar(ids)
        self.cleverbridge = Cleverbridge()
        self.fusebill = Fusebill()
        self.chargemonk = Chargemonk()
        typed = {"cleverbridge": self.cleverbridge, "fusebill": self.fusebill, "chargemonk": self.chargemonk}
        self.others: Mapping[str, BillingSystem] = {
            name: typed[name] if name in typed else import_module(f"{__name__}.{name}.model").State()
            for name in SYSTEMS
            if name != "cheddar"
        }
        self._all: tuple[Cheddar | BillingSystem, ...] = (self.cheddar, *self.others.values())

    def next_due(self) -> datetime | None:
        """The next moment at which any of them has something to do."""
        moments = [due for system in self._all if (due := system.next_due()) is not None]
        return min(moments, default=None)

    def step(self, at: datetime) -> bool:
        """Carry out one thing that is due at `at`; False if nothing is."""
        return self.cheddar.step(at) or any(system.step(at) for system in self.others.values())
