"""Cheddar's API as routes of respx, for code that makes its client itself and can't be handed a transport."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import respx

from tallyhook_mock.systems.cheddar.api import ROUTES

__all__ = ["routes"]


@contextmanager
def routes(base_url: str, transport: httpx.BaseTransport) -> Iterator[respx.MockRouter]:
    """While this is entered, calls to the real address are answered through the transport.

    Each call of the API is a route by its name, such as `router["customers/add-charge"]`, to be counted or
    given another answer. What goes elsewhere goes its way.
    """
    router = respx.MockRouter(assert_all_called=False)
    for controller, actions in ROUTES.items():
        for action in actions:
            name = f"{controller}/{action}"
            pattern = rf"^{re.escape(base_url)}/{name}(/|\?|$)"
            router.route(name=name, url__regex=pattern).mock(side_effect=transport.handle_request)
    router.route(name="elsewhere").pass_through()
    with router:
        yield router
