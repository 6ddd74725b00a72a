"""Decorators that name the call a test makes. They are checked against the test, and the docs read them."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tallyhook import AsyncClient, Client

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True)
class Made:
    """A method of the client, or a path that the client omits because another path does the same."""

    call: str
    alias_of: str = ""


def makes(method: str) -> Callable[[Test], Test]:
    """The test calls this method of the client."""
    return _marked(Made(method))


def makes_alias(path: str, *, of: str) -> Callable[[Test], Test]:
    """The test calls this path, which does the same as the path `of`."""
    return _marked(Made(path, of))


def made_by(test: Callable[..., None]) -> Made | None:
    """The call in a test's decorator."""
    return getattr(test, "made", None)


def _marked(made: Made) -> Callable[[Test], Test]:
    def mark(test: Test) -> Test:
        vars(test)["made"] = made
        return test

    return mark


class Caller:
    """A sync or async client. It awaits and records its calls, so one scenario tests both kinds."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.called: set[str] = set()
        self._client = client
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.called.add(name)
            result = method(*args, **kwargs)
            return self._runner.run(result) if inspect.iscoroutine(result) else result

        return call

    def close(self) -> None:
        if isinstance(self._client, AsyncClient):
            self._runner.run(self._client.aclose())
        else:
            self._client.close()
        self._runner.close()
