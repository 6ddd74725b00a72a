"""Short names for three fixtures, for those who ask for them in the conftest.py at the root of their tests.

pytest_plugins = ["tallyhook_mock.testing.short_names"]
"""

from typing import Any

import pytest


@pytest.fixture
def client(cheddar_client: Any) -> Any:
    """A `tallyhook.Client` that leads into `cheddar` without a socket."""
    return cheddar_client


@pytest.fixture
def async_client(cheddar_async_client: Any) -> Any:
    """A `tallyhook.AsyncClient` that leads into `cheddar` without a socket."""
    return cheddar_async_client


@pytest.fixture
def receiver_client(cheddar_receiver_client: Any) -> Any:
    """Posts hooks that `cheddar.hook` made to the listener that was registered with `cheddar.listener`."""
    return cheddar_receiver_client
