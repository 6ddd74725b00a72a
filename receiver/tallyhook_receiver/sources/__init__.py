"""The senders of hooks: how each sender signs its hooks, and how to read them.

You can also pass your own object that implements `Source`.
"""

from tallyhook_receiver.sources.cheddar import Cheddar
from tallyhook_receiver.sources.cleverbridge import Cleverbridge, Notification
from tallyhook_receiver.sources.fusebill import Fusebill
from tallyhook_receiver.sources.shared_key import SharedKey
from tallyhook_receiver.sources.source import Event, Source, UnsignedSource
from tallyhook_receiver.sources.standard_webhooks import StandardWebhooks

__all__ = [
    "Cheddar",
    "Cleverbridge",
    "Event",
    "Fusebill",
    "Notification",
    "SharedKey",
    "Source",
    "StandardWebhooks",
    "UnsignedSource",
]
