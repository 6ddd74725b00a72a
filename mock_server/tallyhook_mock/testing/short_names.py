"""Short names for three fixtures. To use them, put this into the conftest.py in the root of your tests:

pytest_plugins = ["tallyhook_mock.testing.short_names"]
"""

from typing import Any

import pytest


@pytest.fixture
def client(cheddar_client: Any) -> Any:
    """A `tallyhook.Client` that calls `cheddar` without a socket."""
    return cheddar_client


@pytest.fixture
def async_client(cheddar_async_client: Any) -> Any:
    """A `tallyhook.AsyncClient` that calls `cheddar` without a socket."""
    return cheddar_async_client


@pytest.fixture
def receiver_client(cheddar_receiver_client: Any) -> Any:
    """Posts hooks from `cheddar.hook` to the listener registered with `cheddar.listener`."""
    return cheddar_receiver_client
