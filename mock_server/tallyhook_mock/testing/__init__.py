"""The test kit: a world of billing for each test, and asserts that explain themselves.

The pytest plugin makes fixtures of it.
"""

from tallyhook_mock.testing.bill import Bill, Line
from tallyhook_mock.testing.cheddar import Cheddar, CheddarServer
from tallyhook_mock.testing.house import House
from tallyhook_mock.testing.receiver_client import ReceiverClient
from tallyhook_mock.testing.signed_hook import HookType, SignedHook
from tallyhook_mock.testing.world import World

__all__ = [
    "Bill",
    "Cheddar",
    "CheddarServer",
    "HookType",
    "House",
    "Line",
    "ReceiverClient",
    "SignedHook",
    "World",
]
