"""Posting hooks to a listener by hand."""

import httpx

from tallyhook_mock.testing.signed_hook import SignedHook
from tallyhook_mock.testing.world import World

__all__ = ["ReceiverClient"]


class ReceiverClient:
    """Sends hooks straight to the listener that was registered last: what the mock knows of them is nothing.

    LookupError if there is no listener.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, hook: SignedHook) -> httpx.Response:
        """One request, and its answer; a listener that breaks has answered 500, and the log says why."""
        url = self._url()
        return self._world.wait(lambda: self._world.doors.post(url, hook.body, hook.headers))

    async def asend(self, hook: SignedHook) -> httpx.Response:
        """`send`, to be awaited."""
        url = self._url()
        return await self._world.awaited(lambda: self._world.doors.post(url, hook.body, hook.headers))

    def _url(self) -> str:
        if not self._world.doors.by_url:
            raise LookupError("there is no listener: register your application with cheddar.listener(app)")
        return [*self._world.doors.by_url][-1]
