"""Which of the systems beside Cheddar there is anything of."""

from tallyhook_mock.systems import Systems
from tallyhook_mock.systems.fusebill.model import State as Fusebill

__all__ = ["has_own_keys", "present"]


def present(systems: Systems) -> list[str]:
    """Those that a catalogue has a section for, or that somebody has brought an account into."""
    cleverbridge, fusebill, chargemonk = systems.cleverbridge, systems.fusebill, systems.chargemonk
    found = {
        "cleverbridge": cleverbridge.users or cleverbridge.products or cleverbridge.coupons,
        "fusebill": has_own_keys(fusebill) or fusebill.accounts(),
        "chargemonk": chargemonk.plans or chargemonk.add_ons,
    }
    return [name for name, there in found.items() if there]


def has_own_keys(fusebill: Fusebill) -> bool:
    """Whether the catalogue has said who may call."""
    return fusebill.api_keys != Fusebill().api_keys
