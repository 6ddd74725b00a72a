"""Keys of hooks that an earlier release has kept, as this one makes them."""

from tallyhook import events
from tallyhook.errors import DecodeError
from tallyhook_receiver.sources.cheddar import event_key
from tallyhook_receiver.sources.source import body_key, inbox_key

__all__ = ["rekeyed"]


def rekeyed(product: str, body: bytes) -> str:
    """The key of a Cheddar hook, which all of them were."""
    try:
        return inbox_key(product, event_key(events.decode(body), body))
    except DecodeError:
        return inbox_key(product, body_key(body))
