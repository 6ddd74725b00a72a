"""The test kit without pytest: for unittest, scripts, and tests that need two mocks."""

import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tallyhook_mock.testing.cheddar import Cheddar
from tallyhook_mock.testing.session import Session
from tallyhook_mock.testing.world import World

__all__ = ["cheddar"]

__tracebackhide__ = True  # pytest shows the line of the test

F = TypeVar("F", bound=Callable[..., Any])

_START = "2026-01-01T00:00:00Z"


class cheddar:  # noqa: N801 # used as a function: with tallyhook_mock.cheddar() as cheddar
    """A mock of Cheddar in this process, as a context manager or as a decorator.

        with tallyhook_mock.cheddar() as cheddar:
            cheddar.bill("C1")

        @tallyhook_mock.cheddar(catalog="catalog.toml")
        def test_it(self, cheddar):
            ...

    Each call of a decorated function gets a new mock as the argument `cheddar`. `catalog` is a mapping, a
    catalogue file, or None for the small default catalogue. The clock starts at `start`. If `strict` is true,
    calls with parameters that Cheddar doesn't know are refused. If `quiet` is true, exceptions of listeners
    are not logged. Entering the context raises CatalogError if the catalogue is invalid, and ValueError if
    `start` is invalid.
    """

    def __init__(
        self,
        catalog: Mapping[str, object] | Path | str | None = None,
        *,
        start: str | datetime = _START,
        strict: bool = True,
        quiet: bool = False,
    ) -> None:
        self._make = functools.partial(World, catalog=catalog, start=start, strict=strict, quiet=quiet)
        self._stacks: list[ExitStack] = []

    def __enter__(self) -> Cheddar:
        with ExitStack() as stack:
            session = Session(
                lambda: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallyhook-")))
            )
            stack.callback(session.close)
            world = self._make(session)
            stack.callback(world.close)
            self._stacks.append(stack.pop_all())
        return Cheddar(world)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._stacks.pop().close()

    def __call__(self, function: F) -> F:
        """Wrap the function so that each call gets a new mock."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **named: Any) -> Any:
                with self as made:
                    return await function(*args, cheddar=made, **named)
        else:

            @functools.wraps(function)
            def run(*args: Any, **named: Any) -> Any:
                with self as made:
                    return function(*args, cheddar=made, **named)

        # Hide the argument `cheddar`. Otherwise pytest would look for a fixture with this name.
        signature = inspect.signature(function)
        left = [each for name, each in signature.parameters.items() if name != "cheddar"]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined] # read by inspect
        return run  # type: ignore[return-value] # called with one argument less
