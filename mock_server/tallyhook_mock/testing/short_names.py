"""Short names for three fixtures. To use them, add this to the conftest.py at the root of your tests:

pytest_plugins = ["tallyhook_mock.testing.short_names"]
"""

from typing import Any

import pytest


@pytest.fixture
def client(cheddar_client: Any) -> Any:
    """A `tallyhook.Client` connected to `cheddar` without a socket."""
    return cheddar_client


@pytest.fixture
def async_client(cheddar_async_client: Any) -> Any:
    """A `tallyhook.AsyncClient` connected to `cheddar` without a socket."""
    return cheddar_async_client


@pytest.fixture
def receiver_client(cheddar_receiver_client: Any) -> Any:
    """A client that posts hooks made by `cheddar.hook` to the listener registered by `cheddar.listener`."""
    return cheddar_receiver_client
