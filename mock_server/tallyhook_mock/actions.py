"""The calls of all faces, by the names that faults know them by: `customers/add-charge`."""

from tallyhook_mock.systems.cheddar.api import ROUTES
from tallyhook_mock.systems.cleverbridge.faults import ACTIONS as CLEVERBRIDGE
from tallyhook_mock.systems.fusebill.api import ACTIONS as FUSEBILL

__all__ = ["ACTIONS"]

_CHEDDAR = tuple(f"{controller}/{action}" for controller in ROUTES for action in ROUTES[controller])

ACTIONS = (*_CHEDDAR, *CLEVERBRIDGE, *FUSEBILL)
