"""A call as a method of both kinds of clients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from types import MethodType, NoneType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from tallyhook.sending import AsyncSender, Sendable, Sender

__all__ = ["Method"]

P = ParamSpec("P")
T = TypeVar("T")


class Method(Generic[P, T]):
    """A call as a method: on a `Sender` it returns the result, on an `AsyncSender` it is awaited for it.

    On the class it is the function itself that describes the call.
    """

    def __init__(self, describe: Callable[P, Sendable[T]]) -> None:
        self._describe = describe
        update_wrapper(self, describe)

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Sendable[T]]: ...
    @overload
    def __get__(self, client: Sender, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Sender | AsyncSender | None, owner: type) -> Callable[P, Any]:
        return self._describe if client is None else MethodType(self, client)

    def __call__(self, client: Sender | AsyncSender, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        return client.send(self._describe(*args, **kwargs))

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's, with the client before it and the result, of which it returns a call, behind it."""
        signature = inspect.signature(self._describe)
        (result,) = signature.return_annotation.__args__
        client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        return signature.replace(
            parameters=[client, *signature.parameters.values()],
            return_annotation=None if result is NoneType else result,
        )
