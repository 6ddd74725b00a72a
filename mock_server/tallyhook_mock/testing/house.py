"""What all tests of a run share, since it costs time to make: threads, and ports."""

from collections.abc import Callable
from pathlib import Path

from tallyhook_mock.testing.address import Address
from tallyhook_mock.testing.loop import Loop

__all__ = ["House"]

__tracebackhide__ = True  # pytest shows the line of the test


class House:
    """Two threads with an event loop each: the mock lives in one, listeners in the other.

    Apart, so that a listener that blocks its loop while it calls the mock is answered all the same. A port is
    opened when it is asked for first and stays open until the end. `make_directory` is asked for a place to
    keep the certificate, once.
    """

    def __init__(self, make_directory: Callable[[], Path]) -> None:
        self.loop = Loop("tallyhook-mock")
        self.listeners = Loop("tallyhook-listeners")
        self._make_directory = make_directory
        self._addresses: dict[bool, Address] = {}

    def address(self, *, tls: bool) -> Address:
        """A port of 127.0.0.1, the same one each time."""
        if tls not in self._addresses:
            self._addresses[tls] = Address(self.loop, self._make_directory() if tls else None)
        return self._addresses[tls]

    def close(self) -> None:
        for address in self._addresses.values():
            address.close()
        self.listeners.close()
        self.loop.close()
