"""Serves the mock with uvicorn: the socket, the settings, and a server in a thread for tests."""

import asyncio
import gc
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from starlette.types import ASGIApp

from tallyhook_mock.app import create_app
from tallyhook_mock.catalog.reading import load_catalog
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.connection import Connection
from tallyhook_mock.core.hooks import CHEDDAR, Hook, Listener
from tallyhook_mock.core.money import exact
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.faults import Armed, Fault
from tallyhook_mock.mock import Mock
from tallyhook_mock.sender import Sender
from tallyhook_mock.systems.cheddar.model import Customer

__all__ = [
    "NotifyingServer",
    "RealTimeLoop",
    "Server",
    "bind",
    "configure",
    "own_process",
    "serve",
    "serving",
]

if TYPE_CHECKING:
    from tallyhook_mock.picture.life import Life
    from tallyhook_mock.tls import Identity


# The garbage collector scans newer objects this many times before it scans all of them.
_SEARCHES = 100

T = TypeVar("T")


@contextmanager
def serve(
    catalog: Mapping[str, object] | Path | str | None = None,
    *,
    start: str = "2026-01-01T00:00:00Z",
    tls: bool = False,
    sender: Sender | None = None,
    seed: int | None = 0,
) -> Iterator["Server"]:
    """Serve a mock with a frozen clock on a free port of 127.0.0.1, in a new thread.

    `catalog` is a mapping, a catalogue file, or None for the small default catalogue. The clock starts at
    `start`. If `tls` is true, the server speaks https, and clients have to trust the temporary certificate
    authority in the file `server.authority`. `seed` determines the ids. If it is None, the ids differ in each
    run and after each reset. Raises CatalogError if the catalogue can't be used, and ValueError for an
    invalid `start`.
    """
    if isinstance(catalog, (Path, str)):
        catalog = load_catalog(Path(catalog))
    mock = Mock(catalog, start=parse_moment(start), sender=sender, seed=seed)
    with tempfile.TemporaryDirectory(prefix="tallyhook-") as directory:
        server = Server(mock, _identity(Path(directory)) if tls else None)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _identity(directory: Path) -> "Identity":
    from tallyhook_mock.tls import make_identity

    return make_identity(directory)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Port 0 chooses a free port. Raises OSError if the port can't be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is given because otherwise asyncio leaves Nagle's algorithm on, and an answer on a
    # keep-alive connection takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
    except BaseException:
        listening.close()
        raise
    return listening


def configure(app: ASGIApp, identity: "Identity | None" = None) -> uvicorn.Config:
    """Return uvicorn's settings for serving `app`, over https if there is an `identity`."""
    return uvicorn.Config(
        app,
        http=Connection,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # otherwise X-Forwarded-For would let any client claim to be local
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_certfile=str(identity.certificate) if identity else None,
    )


def own_process() -> None:
    """Tune the garbage collector in a process that only serves a mock.

    Scanning 100,000 customers for garbage takes half a second, during which no call is answered. Call this
    function to make Python scan after every 700,000 new objects (about 90,000 customers) instead of every
    70,000. The memory of the objects that a reset deletes may stay in use until the next scan. Don't call
    this function in a process that does other work. `serve` and `create_app` don't call it.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _SEARCHES)


# freezegun replaces `time.monotonic` in every module, and time-machine replaces the function itself. With a
# frozen clock, no timer would ever fire, and the loop's thread would never end.
_MONOTONIC = getattr(time, "CLOCK_MONOTONIC", None)  # Windows has none


class RealTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that uses real time, even if a test freezes or moves time."""

    def time(self) -> float:
        return super().time() if _MONOTONIC is None else time.clock_gettime(_MONOTONIC)


class Server:
    """A mock served in a thread. Its methods may be called from any other thread.

    `url` is the server's root URL, and `xml` the base URL of Cheddar's API. `mock` belongs to the server's
    thread, so use it only in a function that you pass to `call`.
    """

    def __init__(self, mock: Mock, identity: "Identity | None" = None) -> None:
        self.mock = mock
        self.authority = identity.authority if identity else None
        self._socket = bind("127.0.0.1", 0)
        scheme = "https" if identity else "http"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self.xml = f"{self.url}/xml"
        self._ready = threading.Event()
        self._uvicorn = NotifyingServer(configure(create_app(mock), identity), self._ready.set)
        self._thread = threading.Thread(target=self._run, name="tallyhook-mock", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- start and stop

    def start(self) -> None:
        """Start serving. Returns once the server is ready for calls.

        Raises RuntimeError if the server could not be started.
        """
        self._thread.start()
        self._ready.wait()
        if not self._uvicorn.started:
            self.stop()
            raise RuntimeError("the mock could not be started; see its log")

    def stop(self) -> None:
        """Stop serving, and wait until everything is closed."""
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=RealTimeLoop) as runner:
                runner.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._uvicorn.serve(sockets=[self._socket])

    # -- time

    @property
    def now(self) -> datetime:
        return self.call(lambda: self.mock.clock.now())

    def advance(self, by: str) -> Counter[str]:
        """Move the clock by a duration such as `1mo`, `36d` or `1h`.

        Returns how many events of each kind happened. Raises ClockBusy if another call is already
        moving the clock.
        """
        return self._wait(self.mock.advance(parse_duration(by)))

    def advance_to(self, to: str | datetime) -> Counter[str]:
        """Move the clock to a moment. Raises ValueError if it is in the past."""
        return self._wait(self.mock.advance(parse_moment(to) if isinstance(to, str) else to))

    def settle(self) -> Counter[str]:
        """Wait until every hook that is due now has been sent, whether or not it was acknowledged."""
        return self.advance("0s")

    def reset(self) -> None:
        """Start over with the catalogue that was loaded last, the clock at its start time, and no faults."""
        self._wait(self.mock.reset())

    # -- state

    def hooks(self, type: str | None = None, customer: str | None = None) -> list[Hook]:
        """Return the hooks sent so far, oldest first, optionally of one type or about one customer.

        The list has all unfinished hooks, but only the newest 10,000 finished ones.
        """

        def found() -> list[Hook]:
            log = self.mock.state.hooks.log.values()
            return [h for h in log if type in (None, h.type) and customer in (None, h.customer)]

        return self.call(found)

    def timeline(self, customer: str, product: str | None = None, *, system: str = "cheddar") -> "Life":
        """Return the timeline of a customer. `product` is optional if there is only one product.

        For a `system` other than Cheddar, leave out `product`, and pass the id of a customer (`fusebill`) or
        of a subscription (`cleverbridge`, `chargemonk`) as `customer`. The result is a sequence of entries,
        which is shown as a table in a terminal and as a picture in Jupyter. It is empty if there never was
        such a customer. Raises ValueError for an unknown system.
        """
        from tallyhook_mock.picture.life import life_at, life_of

        if system == CHEDDAR:
            return self.call(lambda: life_of(self.mock, self.mock.product(product), customer))
        return self.call(lambda: life_at(self.mock, system, customer))

    def customer(self, code: str, product: str | None = None) -> Customer:
        """Return the mock's customer object. Read it only while nothing else uses the server.

        Raises Refusal if there is no such customer.
        """
        return self.call(lambda: self.mock.state.customer(self.mock.product(product), code))

    # -- commands

    def listen(self, url: str, events: Iterable[str] = (), product: str | None = None) -> Listener:
        """Register a listener. If `events` is empty, the listener gets all hooks."""
        return self.call(lambda: self.mock.listen(self.mock.product(product).code, url, frozenset(events)))

    def decline(self, customer: str, count: int = 1, product: str | None = None) -> None:
        """Make the payment gateway decline the customer's next `count` charges."""
        self.call(
            lambda: self.mock.decline(self.mock.state.customer(self.mock.product(product), customer), count)
        )

    def fault(self, fault: Fault) -> Armed:
        """Plan a fault. The returned object counts how often the fault is applied.

        Raises ValueError for an unknown action or hook type.
        """
        return self.call(lambda: self.mock.plan(fault))

    def clear_faults(self) -> None:
        """Remove all planned faults."""
        self.call(lambda: self.mock.faults.clear())

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the server's thread, and return its result.

        Nothing else runs in that thread during the call.
        """

        async def called() -> T:
            with exact():  # a task inherits the context of its caller
                return function()

        return self._wait(called())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or not self._thread.is_alive():
            work.close()
            raise RuntimeError("the mock is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class NotifyingServer(uvicorn.Server):
    """A uvicorn server that calls `ready` after its startup. Then `started` shows whether that succeeded."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, identity: "Identity | None" = None
) -> AsyncIterator[str]:
    """Serve an application inside this context, which yields the application's URL.

    Port 0 chooses a free port. With an `identity`, the server speaks https. May raise OSError, and
    RuntimeError if the server can't be started.
    """
    with bind(host, port) as listening:
        server = _Server(configure(app, identity))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        if task.done():
            await task
            raise RuntimeError(_NOT_STARTED)
        try:
            scheme = "https" if identity else "http"
            yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


_NOT_STARTED = "the server could not be started; see its log"


class _Server(uvicorn.Server):
    """A uvicorn server that installs no signal handlers, because the process handles signals itself."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # a generator there
        return nullcontext()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        except SystemExit:  # it would end the event loop
            raise RuntimeError(_NOT_STARTED) from None
