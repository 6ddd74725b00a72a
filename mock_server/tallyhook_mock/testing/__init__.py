"""The test kit: a separate mock for each test, and assert methods with readable failures.

The pytest plugin provides both as fixtures.
"""

from tallyhook_mock.testing.bill import Bill, Line
from tallyhook_mock.testing.cheddar import Cheddar, CheddarServer
from tallyhook_mock.testing.session import Session
from tallyhook_mock.testing.signed_hook import HookType, ReceiverClient, SignedHook
from tallyhook_mock.testing.world import World

__all__ = [
    "Bill",
    "Cheddar",
    "CheddarServer",
    "HookType",
    "Line",
    "ReceiverClient",
    "Session",
    "SignedHook",
    "World",
]
