"""`tallyhook conform`: find out how a server applies Cheddar's uncertain rules."""

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import click

from tallyhook_mock.cli.remote import trust
from tallyhook_mock.duration import parse_duration
from tallyhook_receiver.cli.command import BAD, USAGE, Group, fail, json_option
from tallyhook_receiver.cli.output import echo, print_json

if TYPE_CHECKING:
    from tallyhook_mock.conform.hooks import Listener
    from tallyhook_mock.conform.probe import Value
    from tallyhook_mock.conform.report import Verdict
    from tallyhook_mock.conform.run import Run
    from tallyhook_mock.conform.state import State

__all__ = ["conform"]


@click.group(cls=Group, default="start")
def conform() -> None:
    """Find out how a server applies Cheddar's uncertain rules, using only the server's API and a listener.

    A rule is uncertain if Cheddar's documentation leaves it open.
    """


_STATE = Path("conform.json")
state_file_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=_STATE,
    help="The file in which the run is saved.",
)
password_option = click.option(
    "--password",
    envvar="TALLYHOOK_PASSWORD",
    show_envvar=True,
    help="The user's password or API key. It is not saved.",
)
_LISTEN = "The local address at which this command receives hooks; port 0 picks a free port."
patience_option = click.option(
    "--wait", metavar="DURATION", default="15m", help="How long to wait for hooks and bill dates."
)
advance_option = click.option("--advance", is_flag=True, help="Move the mock's clock instead of waiting.")
html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the report to this file, as an HTML page.",
)
write_option = click.option(
    "--write",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file to write the server's rules to, as settings for a mock.",
)
assumed_option = click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file with the rules to expect instead of the mock's defaults.",
)


@conform.command()
@click.option(
    "--base-url", metavar="URL", required=True, help="The API's URL, such as https://getcheddar.com/xml."
)
@click.option(
    "--product", metavar="CODE", required=True, help="The code of a test product that has no customers."
)
@click.option(
    "--user", metavar="EMAIL", required=True, help="The email address of a user who may access the product."
)
@password_option
@state_file_option
@click.option(
    "--listener-url",
    metavar="URL",
    default="",
    show_default=False,
    help="The public URL at which the server reaches the --listen address. Not needed for a mock.",
)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:0", help=_LISTEN)
@click.option(
    "--declining-zip",
    metavar="ZIP",
    default="",
    show_default=False,
    help="A zip code (ccZip) for which the gateway simulator declines charges.",
)
@patience_option
@click.option("--only", multiple=True, metavar="RULE", help="Test only this rule; may be repeated.")
@click.option("--any-gateway", is_flag=True, help="Run even if the product's gateway is not the simulator.")
@advance_option
@assumed_option
@html_option
@write_option
@json_option
def start(
    base_url: str,
    product: str,
    user: str,
    password: str | None,
    state: Path,
    listener_url: str,
    listen: str,
    declining_zip: str,
    wait: str,
    only: tuple[str, ...],
    any_gateway: bool,
    advance: bool,
    rules: Path | None,
    html: Path | None,
    write: Path | None,
    as_json: bool,
) -> None:
    """Start a test run: test as many rules as possible now, and print a report.

    Creates customers and plans whose codes begin with `conform-`, and deletes them at the end. To
    continue the tests that have to wait for a bill date, run `tallyhook conform continue` later. Exits with 1
    if the server applies a rule differently than expected.

    Example: tallyhook conform start --base-url https://getcheddar.com/xml --product TEST --user me@x.com
    """
    from tallyhook_mock.conform import state as states
    from tallyhook_mock.conform.account import Unusable
    from tallyhook_mock.conform.probes import PROBES
    from tallyhook_mock.conform.run import PREFIX

    for rule in only or ():
        if rule not in PROBES:
            fail(f"--only: there is no probe of {rule!r}; `tallyhook rules` lists the rules", USAGE)
    if state.exists():
        with contextlib.suppress(Unusable):
            if not states.load(state).is_done:
                fail(
                    f"the run in {state} is not finished: run `tallyhook conform continue` or `clean`", USAGE
                )
    made = states.State(
        base_url=base_url,
        product=product,
        user=user,
        prefix=PREFIX,
        listener_url=listener_url,
        declining_zip=declining_zip,
    )
    with _ending(), _run(made, state, password, listen, wait, advances=advance) as run:
        assumed = _assumed(rules)
        run.start(only or PROBES, any_gateway=any_gateway)
    _report(made, assumed, html, write, as_json=as_json)


@conform.command("continue")
@password_option
@state_file_option
@click.option(
    "--listen", metavar="HOST:PORT", default="", show_default="the same address as at the start", help=_LISTEN
)
@patience_option
@advance_option
@assumed_option
@html_option
@write_option
@json_option
def go_on(
    password: str | None,
    state: Path,
    listen: str,
    wait: str,
    advance: bool,
    rules: Path | None,
    html: Path | None,
    write: Path | None,
    as_json: bool,
) -> None:
    """Continue a run: run the tests that are due now, and print a report.

    Exits with 1 if the server applies a rule differently than expected.

    Example: tallyhook conform continue --html report.html --write rules.toml
    """
    from tallyhook_mock.conform import state as states

    with _ending():
        kept, assumed = states.load(state), _assumed(rules)
        if not kept.is_done:
            # A mock continues to send hooks to the listener's previous address.
            listen = listen or urlsplit(kept.listener_url).netloc
            with _run(kept, state, password, listen, wait, advances=advance) as run:
                run.go_on()
    _report(kept, assumed, html, write, as_json=as_json)


@conform.command()
@password_option
@state_file_option
def clean(password: str | None, state: Path) -> None:
    """Delete everything that a run created, and the file in which the run is saved.

    The run's customers and plans are deleted from the server. If the server is a mock, the run's listener is
    deleted too.

    Example: tallyhook conform clean
    """
    from tallyhook_mock.conform import state as states

    with _ending():
        kept = states.load(state)
        with _run(kept, state, password, "", "0s") as run:
            removed = run.clean()
        state.unlink()
    click.echo(f"Removed {removed} customers. Nothing of the run is left in {kept.product}.")


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """End the command with a one-line message if the service can't be tested, or on Ctrl-C."""
    from tallyhook_mock.conform.account import Unusable

    try:
        yield
    except Unusable as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt:
        _cut()


def _asked() -> str:
    """Ask for the password, if there is a terminal to ask on."""
    if not sys.stdin.isatty():
        fail("the password is missing: set TALLYHOOK_PASSWORD, or pass --password", USAGE)
    return str(click.prompt("Password", hide_input=True))


def _cut() -> NoReturn:
    fail(
        "interrupted; `tallyhook conform continue` resumes, `tallyhook conform clean` deletes everything", BAD
    )


@contextlib.contextmanager
def _run(
    state: "State", file: Path, password: str | None, listen: str, wait: str, *, advances: bool = False
) -> "Iterator[Run]":
    """Yield a run with this state. Inside the context, the run's listener receives hooks."""

    import httpx

    from tallyhook_mock.conform.account import Account
    from tallyhook_mock.conform.hooks import MockControl
    from tallyhook_mock.conform.run import Run

    if urlsplit(state.base_url).scheme not in ("http", "https"):
        fail(f"--base-url: {state.base_url!r} is not a URL such as https://getcheddar.com/xml", USAGE)
    try:
        patience = parse_duration(wait).rest
    except ValueError as error:
        fail(f"--wait: {error}", USAGE)
    password = _asked() if password is None else password
    verify = trust() if state.base_url.startswith("https:") else False
    with httpx.Client(timeout=60, verify=verify) as http, contextlib.ExitStack() as stack:
        mock: MockControl | None = MockControl(http, state.base_url)
        if mock is not None and not mock.is_there():
            mock = None
        if advances and mock is None:
            fail(f"--advance: the server at {state.base_url} is not a mock", USAGE)
        listener = None
        if listen and (mock is not None or state.listener_url):
            listener, own = stack.enter_context(_listening(listen))
            if mock is not None and state.listener_url != f"{own}/conform":
                if state.listener_url:
                    mock.remove(state.listener_url)
                state.listener_url = f"{own}/conform"
        yield Run(
            Account(http, state.base_url, state.product, state.user, password),
            state,
            file,
            sleep=mock.advance if advances and mock else lambda pause: time.sleep(pause.total_seconds()),
            patience=timedelta.max if advances else patience,
            listener=listener,
            registrar=mock,
            tell=_say,
        )


@contextlib.contextmanager
def _listening(where: str) -> "Iterator[tuple[Listener, str]]":
    """Serve a listener at this address inside the context. Yields the listener and its URL."""
    from tallyhook_mock.conform.hooks import Listener
    from tallyhook_mock.server import serving
    from tallyhook_mock.testing.loop import Loop

    host, _, port = where.rpartition(":")
    if not port.isdecimal():
        fail(f"--listen: {where!r} is not an address such as 127.0.0.1:8700", USAGE)
    listener, loop = Listener(), Loop("tallyhook-conform")
    life = serving(listener.app, host.strip("[]") or "127.0.0.1", int(port))
    try:
        try:
            url = loop.run(life.__aenter__())
        except (OSError, OverflowError) as error:
            fail(f"--listen: can't listen at {where!r}: {error}", USAGE)
        try:
            yield listener, url
        finally:
            loop.run(life.__aexit__(None, None, None))
    finally:
        loop.close()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _assumed(rules: Path | None) -> "dict[str, Value]":
    from tallyhook_mock.conform.report import read_rules

    return {} if rules is None else read_rules(rules)


def _report(
    state: "State",
    assumed: "dict[str, Value]",
    html: Path | None,
    write: Path | None,
    *,
    as_json: bool,
) -> None:
    from tallyhook_mock.conform import report
    from tallyhook_mock.conform.rehearsal import rehearse

    verdicts = report.judge(state, assumed, lambda rules: rehearse(rules, assumed))
    for file, text in ((html, report.as_html), (write, lambda found, _: report.rules_toml(found))):
        if file is not None:
            try:
                file.write_text(text(verdicts, state), "utf-8")
            except OSError as error:
                fail(f"{file} can't be written: {error.strerror}", USAGE)
    if as_json:
        print_json([_plain(verdict) for verdict in verdicts])
    else:
        echo(report.as_text(verdicts), end="")
    if any(verdict.outcome is report.Outcome.DIFFERENT for verdict in verdicts):
        sys.exit(BAD)


def _plain(verdict: "Verdict") -> dict[str, object]:
    return {
        "rule": verdict.rule,
        "outcome": verdict.outcome.value,
        "assumed": verdict.assumed,
        "found": verdict.found,
        "why": verdict.why,
        "standing": verdict.standing,
        "service": verdict.theirs,
        "mock": verdict.ours,
    }
