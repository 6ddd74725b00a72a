"""What every test shares."""

import os
import signal

import pytest
from hypothesis import settings

# `client`, `async_client` and `receiver_client`.
pytest_plugins = ["tallyhook_mock.testing.short_names"]

# A busy machine is no failure of the code: no test is timed by the example.
settings.register_profile("test", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

# A shell ignores SIGINT in what it starts with `&`, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
