"""What every test shares."""

import os

import pytest
from hypothesis import settings

# A busy machine is no failure of the code: no test is timed by the example.
settings.register_profile("test", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
