"""`tallyhook mock`: run the mock billing server on a port of this machine."""

import errno
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tallyhook_receiver.cli.command import USAGE, Command, fail

if TYPE_CHECKING:
    from tallyhook_mock.calls import CallMade
    from tallyhook_mock.mock import Mock
    from tallyhook_mock.tls import Identity

__all__ = ["mock"]


@click.command(cls=Command)
@click.option(
    "--catalog",
    type=click.Path(path_type=Path),
    show_default="a small built-in catalogue",
    help="A TOML or JSON file with the mock's products, users and listeners.",
)
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=8421,
    help="The port to listen on; 0 picks a free port.",
)
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
@click.option("--start", metavar="ISO|now", default="now", help="The time at which the clock starts.")
@click.option(
    "--frozen/--real",
    default=False,
    help="Stop the clock until you move it, or let it run at the speed of real time.",
)
@click.option("--strict", is_flag=True, help="Refuse calls with parameters that Cheddar doesn't know.")
@click.option(
    "--seed",
    type=int,
    show_default="new ids in each run and after a reset",
    help="Generate the same ids in every run with this seed.",
)
@click.option(
    "--tls", is_flag=True, help="Serve https, with a certificate issued by a local certificate authority."
)
@click.option(
    "--hostname",
    multiple=True,
    help="An additional host name that the certificate covers; may be repeated.",
)
@click.option(
    "--tls-dir",
    type=click.Path(path_type=Path),
    show_default="a folder in the user's cache",
    help="The folder that contains the certificate authority.",
)
@click.option(
    "--allow-remote-listeners", is_flag=True, help="Also send hooks to listeners on other machines."
)
@click.option(
    "--console-token",
    default="",
    envvar="TALLYHOOK_CONSOLE_TOKEN",
    show_envvar=True,
    show_default=False,
    help="Let browsers on other machines use the console with this token.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the mock's state in this file, and load it again after a restart.",
)
@click.option(
    "--delivery-timeout",
    type=click.FloatRange(min=0.1),
    default=30.0,
    help="How long a listener may take to answer a hook, in real seconds.",
)
@click.option("--quiet", is_flag=True, help="Don't print a line for each call.")
def mock(
    catalog: Path | None,
    port: int,
    host: str,
    start: str,
    frozen: bool,
    strict: bool,
    seed: int | None,
    tls: bool,
    hostname: tuple[str, ...],
    tls_dir: Path | None,
    allow_remote_listeners: bool,
    console_token: str,
    state: Path | None,
    delivery_timeout: float,
    quiet: bool,
) -> None:
    """Run the mock billing server, until Ctrl-C.

    Serves Cheddar's API under /xml, the mock's control API under /_mock, and a web console at /. Prints the
    addresses of the other billing systems' APIs.

    Example: tallyhook mock --catalog catalog.toml --start 2026-01-01 --frozen
    """
    from tallyhook_mock.app import create_app
    from tallyhook_mock.catalog.reading import default_catalog
    from tallyhook_mock.catalog.table import CatalogError
    from tallyhook_mock.clock import Mode
    from tallyhook_mock.journal import Journal
    from tallyhook_mock.mock import Mock
    from tallyhook_mock.sender import Sender
    from tallyhook_mock.server import NotifyingServer, bind, configure, own_process
    from tallyhook_mock.snapshot import SnapshotError

    for option, is_given in (("--hostname", bool(hostname)), ("--tls-dir", tls_dir is not None)):
        if is_given and not tls:
            fail(f"{option} works only with --tls", USAGE)
    if not console_token and _given("console_token"):
        fail("--console-token: a value is required", USAGE)
    content = default_catalog() if catalog is None else _load(catalog)
    journal = None
    if state is not None:
        try:
            journal = Journal(state)
        except (SnapshotError, OSError) as error:
            fail(f"{state}: {getattr(error, 'strerror', None) or error}", USAGE)
        if journal.saved is not None and (unused := _given("catalog", "start", "frozen", "seed")):
            sys.stderr.write(
                f"tallyhook: {state} has a saved state, so these options have no effect: {', '.join(unused)};"
                f" delete {state} to start over\n"
            )
    try:
        served = Mock(
            content,
            start=_start(start),
            mode=Mode.FROZEN if frozen else Mode.REAL,
            strict=strict,
            sender=Sender(timeout=delivery_timeout, allow_remote=allow_remote_listeners),
            seed=seed,
            journal=journal,
        )
    except CatalogError as error:
        fail(f"{catalog}: {error}", USAGE)
    identity = _identity(tls_dir, hostname or ()) if tls else None
    try:
        listening = bind(host, port)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            fail(f"port {port} is in use; choose another with --port N, or a free one with --port 0", USAGE)
        fail(f"can't listen at {host}:{port}: {getattr(error, 'strerror', None) or error}", USAGE)
    with listening:
        scheme = "https" if identity else "http"
        shown = f"[{host}]" if ":" in host else host
        url = f"{scheme}://{shown}:{listening.getsockname()[1]}"
        # The default catalogue's passwords are not secret. Passwords from a file are not printed.
        users = content["users"] if catalog is None else ()
        app = create_app(served, console_token=console_token)

        def announce() -> None:
            if server.started:
                Console().print(_banner(served, url, identity, users))

        server = NotifyingServer(configure(app, identity), announce)
        own_process()
        if not quiet:
            served.calls.told.append(_print_call)
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            return
        if not server.started:
            sys.exit(1)


def _given(*names: str) -> list[str]:
    """Return the options among `names` as the user gave them on the command line, such as `--real`."""
    context = click.get_current_context()
    return [
        ((not context.params[name] and option.secondary_opts) or option.opts)[0]
        for option in context.command.params
        if (name := option.name) in names
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]


def _load(catalog: Path) -> dict[str, Any]:
    from tallyhook_mock.catalog.reading import load_catalog
    from tallyhook_mock.catalog.table import CatalogError

    try:
        return dict(load_catalog(catalog))
    except CatalogError as error:
        fail(str(error), USAGE)


def _start(written: str) -> datetime | None:
    from tallyhook_mock.clock import Clock, parse_moment

    if written == "now":
        return None
    try:
        return Clock(parse_moment(written)).now()  # the clock refuses times outside its range
    except ValueError as error:
        fail(f"--start: {error}", USAGE)


def _identity(kept: Path | None, hostnames: Iterable[str]) -> "Identity":
    from tallyhook_mock.tls import default_directory, make_identity

    directory = kept or default_directory()
    try:
        return make_identity(directory, tuple(hostnames))
    except (OSError, ValueError) as error:
        fail(f"can't create a certificate in {directory}: {error}", USAGE)


def _banner(mock: "Mock", url: str, identity: "Identity | None", users: Iterable[dict[str, str]]) -> Panel:
    from tallyhook_mock.core import ids
    from tallyhook_receiver.cli.output import plain

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")

    def row(name: str, value: str) -> None:
        rows.add_row(name, plain(value))

    row("Cheddar", f"{url}/xml")
    row("Cleverbridge", url)
    row("Fusebill", f"{url}/v1")
    row("Chargemonk", url)
    row("control", f"{url}/_mock")
    row("console", f"{url}/")
    passwords = {user["email"]: user["password"] for user in users}
    for email in mock.state.users:
        row("user", f"{email} / {passwords[email]}" if email in passwords else email)
    for product in mock.state.products.values():
        plans = ", ".join(product.plans) or "no plans"
        row("product", f"{product.code} ({plans})\nid {ids.text(product.id)}\nsecret {product.secret}")
    row("clock", f"{mock.clock.now():%Y-%m-%d %H:%M:%S} UTC, {mock.clock.mode}")
    for listener in mock.state.hooks.listeners.values():
        events = ", ".join(sorted(listener.events)) or "all hooks"
        row("listener", f"{listener.url} ({listener.product or listener.system}: {events})")
    if identity is not None:
        row("trust", f"{identity.authority}")
    return Panel(rows, title="tallyhook mock", title_align="left", expand=False)


def _print_call(call: "CallMade") -> None:
    from tallyhook_receiver.cli.output import say

    is_good = not call.failed
    status = "dropped" if call.status is None else str(call.status)
    line = Text(f"{call.at:%Y-%m-%d %H:%M:%S}  {call.method:4} ").append(call.action, "bold")
    for part in (call.customer, call.product or call.system):
        line.append(f"  {part}" if part else "")
    line.append("  ").append(status, "green" if is_good else "red").append(f"  {call.seconds * 1000:,.0f} ms")
    if call.reason or call.fault:
        line.append(f"  {call.reason}" + (f" (fault {call.fault})" if call.fault else ""), "dim")
    say(line)
    sys.stdout.flush()
