"""`tallyhook conform`: which of Cheddar's rules a server follows."""

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import urlsplit

import httpx
import typer
from typer.core import TyperGroup

from tallyhook_mock.cli.remote import trust
from tallyhook_mock.duration import parse_duration
from tallyhook_receiver.cli.output import BAD, USAGE, Json, fail, print_json

if TYPE_CHECKING:
    from tallyhook_mock.conform.hooks import Listener
    from tallyhook_mock.conform.probe import Value
    from tallyhook_mock.conform.report import Verdict
    from tallyhook_mock.conform.run import Run
    from tallyhook_mock.conform.state import State

__all__ = ["conform"]


class _StartsByDefault(TyperGroup):
    """`tallyhook conform --base-url …` is `tallyhook conform start --base-url …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


conform = typer.Typer(
    cls=_StartsByDefault,
    no_args_is_help=True,
    help="Find out which of Cheddar's rules a server follows, through its API and a listener.",
)

_STATE = Path("conform.json")
StateFile = Annotated[Path, typer.Option("--state", metavar="FILE", help="Where the run is kept.")]
Password = Annotated[
    str,
    typer.Option(
        envvar="TALLYHOOK_PASSWORD",
        show_envvar=True,
        prompt=True,
        hide_input=True,
        help="Of the user, or an API key. It is not kept.",
    ),
]
Listen = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen for hooks; port 0 takes a free one.")
]
Patience = Annotated[
    str, typer.Option("--wait", metavar="DURATION", help="How long to wait for what is due soon.")
]
Advance = Annotated[bool, typer.Option("--advance", help="Of a mock: move its clock in place of waiting.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.")]
Write = Annotated[
    Path | None, typer.Option("--write", metavar="FILE", help="Write the settings with which a mock does so.")
]
Assumed = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="Settings to compare with, in place of the defaults."),
]


@conform.command()
def start(
    base_url: Annotated[str, typer.Option(metavar="URL", help="Such as https://getcheddar.com/xml.")],
    product: Annotated[str, typer.Option(metavar="CODE", help="A test product without customers.")],
    user: Annotated[str, typer.Option(metavar="EMAIL", help="A user of it.")],
    password: Password,
    state: StateFile = _STATE,
    listener_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where the service sends its hooks, which has to lead to --listen. Not needed for a mock.",
        ),
    ] = "",
    listen: Listen = "127.0.0.1:0",
    declining_zip: Annotated[
        str, typer.Option(metavar="ZIP", help="A ccZip with which the simulator declines charges.")
    ] = "",
    wait: Patience = "15m",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="RULE", help="Only this one; may be repeated.")
    ] = None,
    any_gateway: Annotated[
        bool, typer.Option("--any-gateway", help="Play although the gateway is not the simulator.")
    ] = False,
    advance: Advance = False,
    rules: Assumed = None,
    html: Html = None,
    write: Write = None,
    as_json: Json = False,
) -> None:
    """Begin: play every probe that can be played, and say what it found.

    Makes customers and plans whose codes begin with `conform-`, and removes them. What needs a bill date to
    pass is left for `tallyhook conform continue`. Ends with 1 if a rule is otherwise than assumed.

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
                fail(f"{state} is a run that has not ended: `tallyhook conform continue`, or `clean`", USAGE)
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
def go_on(
    password: Password,
    state: StateFile = _STATE,
    listen: Listen = "",
    wait: Patience = "15m",
    advance: Advance = False,
    rules: Assumed = None,
    html: Html = None,
    write: Write = None,
    as_json: Json = False,
) -> None:
    """Go on with the probes whose time has come.

    Ends with 1 if a rule is otherwise than assumed.

    Example: tallyhook conform continue --html report.html --write rules.toml
    """
    from tallyhook_mock.conform import state as states

    with _ending():
        kept, assumed = states.load(state), _assumed(rules)
        if not kept.is_done:
            # A mock goes on sending to where the listener was.
            listen = listen or urlsplit(kept.listener_url).netloc
            with _run(kept, state, password, listen, wait, advances=advance) as run:
                run.go_on()
    _report(kept, assumed, html, write, as_json=as_json)


@conform.command()
def clean(password: Password, state: StateFile = _STATE) -> None:
    """Remove every customer, plan and listener of a run from the account, and forget the run.

    Example: tallyhook conform clean
    """
    from tallyhook_mock.conform import state as states

    with _ending():
        kept = states.load(state)
        with _run(kept, state, password, "", "0s") as run:
            removed = run.clean()
        state.unlink()
    typer.echo(f"Removed {removed} customers; nothing of the run is left in {kept.product}.")


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """What is wrong with the account or the service ends the command with one line."""
    from tallyhook_mock.conform.account import Unusable

    try:
        yield
    except Unusable as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt:
        _cut()


def _cut() -> NoReturn:
    fail("interrupted; `tallyhook conform continue` goes on, `tallyhook conform clean` removes it all", BAD)


@contextlib.contextmanager
def _run(
    state: "State", file: Path, password: str, listen: str, wait: str, *, advances: bool = False
) -> "Iterator[Run]":
    """A run of this state, its listener at work."""
    from tallyhook_mock.conform.account import Account
    from tallyhook_mock.conform.hooks import MockControl
    from tallyhook_mock.conform.run import Run

    if urlsplit(state.base_url).scheme not in ("http", "https"):
        fail(f"--base-url: {state.base_url!r} is not a URL such as https://getcheddar.com/xml", USAGE)
    try:
        patience = parse_duration(wait).rest
    except ValueError as error:
        fail(f"--wait: {error}", USAGE)
    verify = trust() if state.base_url.startswith("https:") else False
    with httpx.Client(timeout=60, verify=verify) as http, contextlib.ExitStack() as stack:
        mock: MockControl | None = MockControl(http, state.base_url)
        if mock is not None and not mock.is_there():
            mock = None
        if advances and mock is None:
            fail(f"--advance: what answers at {state.base_url} is not a mock", USAGE)
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
    """A listener, and its own URL."""
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
            fail(f"--listen: {where!r} can't be listened at: {error}", USAGE)
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
        typer.echo(report.as_text(verdicts), nl=False)
    if any(verdict.outcome is report.Outcome.OTHERWISE for verdict in verdicts):
        raise typer.Exit(BAD)


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
