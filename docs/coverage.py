"""Writes docs/coverage.md: every call, who answers it, who makes it, and which test does both.

Run it with `python docs/coverage.py`. Nothing in the table is typed by hand: the paths and handlers are those
of the mock's routes, the client's methods are asked what they would send, and the tests say what they make.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tallyhook import ChargeInput, Client, calls
from tallyhook.cheddar.client import Method
from tallyhook_mock.systems.cheddar.api import ROUTES

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are not installed

from tests.end_to_end import test_every_call
from tests.end_to_end.calls_made import Made, made_by

COLUMNS = ("call", "mock", "client", "test")
HEAD = """# Coverage

Look up the method for a call of Cheddar's API. The table shows its path under `/xml/`, the function of
[the mock](../mock_server/tallyhook_mock/systems/cheddar/api.py) that answers it, the method of `Client` and
`AsyncClient`, and the [test](../tests/end_to_end/test_every_call.py) in which each client makes the call over
HTTP. [coverage.py](coverage.py) writes this page from the code.

"""
# Enough of an argument for a method to describe its call, by the parameter's name.
ARGUMENTS: dict[str, Any] = {
    "quantity": 1,
    "each_amount": 1,
    "amount": 1,
    "confirm": 0,
    "charges": [ChargeInput("DESK", 1)],
    "customers": [calls.new_customer("C", "A", "B", "c@example.com", "PLAN")],
}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """The table's rows as plain text; a cell without content is empty."""
    methods, tests = _methods(), _tests()
    aliases = {made.call: made.alias_of for made in tests if made.alias_of}
    handlers = {
        f"{controller}/{action}": handler
        for controller, actions in ROUTES.items()
        for action, handler in actions.items()
    }
    for path in dict.fromkeys((*handlers, *methods)):
        mock = _named(handlers[path]) if path in handlers else ""
        clients = [(f"`{method}`", Made(method)) for method in methods.get(path, ())]
        if path in aliases:
            clients.append((f"alias of `{aliases[path]}`", Made(path, aliases[path])))
        for client, made in clients or [("", Made(""))]:
            yield f"`{path}`", mock, client, tests.get(made, "")


def document() -> str:
    """The whole of docs/coverage.md."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows()]
    return HEAD + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _methods() -> dict[str, list[str]]:
    """The client's methods by the path of the call that they describe."""
    found: dict[str, list[str]] = {}
    described = (
        (name, getattr(Client, name))
        for owner in Client.__mro__
        for name, member in vars(owner).items()
        if isinstance(member, Method)
    )
    for name, describe in described:
        # Who is meant is optional only where it may be said in another way.
        arguments = {
            parameter.name: ARGUMENTS.get(parameter.name, "X")
            for parameter in inspect.signature(describe).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
            and (parameter.default is parameter.empty or parameter.name == "customer")
        }
        found.setdefault(describe(**arguments).action, []).append(name)
    return found


def _tests() -> dict[Made, str]:
    """The names of the tests by what they make."""
    found: dict[Made, str] = {}
    for name, test in vars(test_every_call).items():
        if made := name.startswith("test_") and made_by(test):
            found[made] = f"{found[made]}, `{name}`" if made in found else f"`{name}`"
    return found


def _named(handler: Callable[..., str]) -> str:
    return f"`{handler.__module__.rpartition('.')[2]}.{handler.__name__}`"


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(document(), "utf-8")
