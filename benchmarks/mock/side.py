"""The servers to measure: their processes, and the requests that they get."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import post

__all__ = ["Bare", "Localstripe", "Side", "Tallyhook", "first_answer", "free_port"]

_COMPILED = Path(tempfile.gettempdir(), "tallyhook-benchmarks")
_STRIDE = 7919  # a prime, so that every customer gets a charge before any customer gets another one
_PATIENCE = 30.0  # seconds until a server must have answered
_ASKED = b"GET /xml/plans/get HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Side:
    """A server to measure.

    `customers` returns the requests that create a number of customers. `charges` returns the requests that
    add a number of charges, each to another customer.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._made = 0
        self._charged = 0

    @property
    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def customer(self, number: int) -> bytes:
        raise NotImplementedError

    def charge(self, number: int) -> bytes:
        """Return the request that adds a charge to the customer with this number."""
        raise NotImplementedError

    def customers(self, count: int) -> list[bytes]:
        first, self._made = self._made, self._made + count
        return [self.customer(number) for number in range(first, first + count)]

    def charges(self, count: int) -> list[bytes]:
        """Return requests that add `count` charges, spread evenly over the customers."""
        first, self._charged = self._charged, self._charged + count
        return [self.charge(number * _STRIDE % self.stored) for number in range(first, first + count)]

    @property
    def stored(self) -> int:
        """The number of customers that can be charged."""
        return self._made

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server for the length of a `with` block."""
        process = _start(self)
        try:
            _wait_for(self.port, process)
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE)


class Tallyhook(Side):
    """The mock with its small catalogue."""

    @property
    def command(self) -> Sequence[str]:
        return (sys.executable, "-m", "benchmarks.mock.served", str(self.port))

    def customer(self, number: int) -> bytes:
        form = (
            f"code=C{number}&firstName=Ida&lastName=Lamp&email=ida{number}%40example.com"
            "&subscription%5BplanCode%5D=FREE"
        )
        return post("/xml/customers/new/productCode/ACME", form, _signed_in("ops@example.com:cheddar"))

    def charge(self, number: int) -> bytes:
        return post(
            f"/xml/customers/add-charge/productCode/ACME/code/C{number}",
            "chargeCode=SUPPORT&quantity=1&eachAmount=5.00&description=an+hour+of+help",
            _signed_in("ops@example.com:cheddar"),
        )


class Bare(Tallyhook):
    """A route that only reads requests. It gets the same requests as the mock."""

    @property
    def command(self) -> Sequence[str]:
        return (sys.executable, "-m", "benchmarks.mock.bare", str(self.port))


class Localstripe(Side):
    """localstripe, from its own virtual environment. `ids` are the ids of its customers."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    @property
    def stored(self) -> int:
        return len(self.ids)

    @property
    def command(self) -> Sequence[str]:
        python = Path(os.environ.get("TALLYHOOK_RIVALS", ".venv-rivals/bin/python"))
        program = python.with_name("localstripe")
        if not program.exists():
            sys.exit(f"{program} is missing; run `make bench`, which installs it")
        return (str(program), "--from-scratch", "--port", str(self.port))

    def customer(self, number: int) -> bytes:
        form = f"name=Ida+Lamp&email=ida{number}%40example.com&description=a+light"
        return post("/v1/customers", form, _signed_in("sk_test_123:"))

    def charge(self, number: int) -> bytes:
        form = f"customer={self.ids[number]}&amount=500&currency=usd&description=an+hour+of+help"
        return post("/v1/invoiceitems", form, _signed_in("sk_test_123:"))


def first_answer(side: Side) -> float:
    """Return the seconds from the start of a server's process to its first answer."""
    started = time.perf_counter()
    process = _start(side)
    try:
        _wait_for(side.port, process)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _start(side: Side) -> "subprocess.Popen[bytes]":
    # Python saves and loads compiled code, as for an installed package, even if the environment disables it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(_COMPILED)
    return subprocess.Popen(
        side.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(_ASKED)
                if connection.recv(1):
                    return
        except OSError:
            time.sleep(0.001)
    raise RuntimeError(f"no answer from {process.args!r}")


def _signed_in(credentials: str) -> str:
    return f"Authorization: Basic {b64encode(credentials.encode()).decode()}\r\n"
