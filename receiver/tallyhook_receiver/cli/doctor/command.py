"""The command, and how its findings are shown."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tallyhook_receiver import Cheddar, InboxUnavailable, open_inbox
from tallyhook_receiver.cli.doctor.account import examine_account, examine_clock, examine_network
from tallyhook_receiver.cli.doctor.finding import Finding, Verdict, doubtful, good
from tallyhook_receiver.cli.doctor.listener import Listener, Probe
from tallyhook_receiver.cli.doctor.setting import examine_keys, examine_settings, product_of
from tallyhook_receiver.cli.doctor.store import DEFAULT, examine_store
from tallyhook_receiver.cli.output import BAD, USAGE, Json, can_write, fail, print_json, table
from tallyhook_receiver.settings import PREFIX, Settings, read

_MARKS = {
    Verdict.GOOD: ("✓", "ok", "green"),
    Verdict.DOUBTFUL: ("!", "!", "yellow"),
    Verdict.BAD: ("✗", "bad", "red"),
    Verdict.SKIPPED: ("–", "-", "dim"),
}


def doctor(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="The listener's address, as it is registered.")
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="NAME=value lines that count more than the environment."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="What the variables' names begin with.")] = PREFIX,
    as_json: Json = False,
) -> None:
    """Examine what a receiver needs, and say what to correct: settings, keys, API, clock, inbox, listener.

    Takes the variables that `Receiver.from_environment` takes. At --url it sends signed probes of the type
    `tallyhook.doctor`, which no handler gets, and takes them out of the inbox again. Ends with 1 if something
    is bad; what is doubtful (!) may be meant so.

    Example: tallyhook doctor --env-file /etc/tallyhook.env --url https://billing.example.com/hooks
    """
    environ = {**os.environ, **({} if env_file is None else _variables(env_file))}
    settings = read(environ, prefix)
    findings = asyncio.run(_examine(settings, url))
    if as_json:
        print_json([_about(finding) for finding in findings])
    else:
        plain = not can_write("✓✗–→")
        marks = {verdict: Text(mark[plain], mark[2]) for verdict, mark in _MARKS.items()}
        rows = [(marks[each.verdict], each.check, _told(each, plain)) for each in findings]
        table((" ", "check", "~finding"), rows, empty="")
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(BAD)


async def _examine(settings: Settings, url: str | None) -> list[Finding]:
    product = product_of(settings)
    findings = [*examine_settings(settings)]
    findings += [] if product is None else examine_keys(product)
    broken = examine_network()
    findings += broken or [*examine_account(settings), *examine_clock(settings)]
    findings += [finding async for finding in examine_store(settings)]
    if url is None or broken:
        return findings
    listener = Listener(url, settings.values.get("HEALTH_PATH", "/healthz"))
    findings += listener.examine(product)
    if product is not None and listener.taken:
        findings += [finding async for finding in _take_out(settings, product, listener.taken)]
    return findings


async def _take_out(settings: Settings, product: Cheddar, bodies: list[bytes]) -> AsyncIterator[Finding]:
    """Forget the probes; that they are in our inbox tells that the listener's is the same."""
    keys = {Probe.key(product, body) for body in bodies}
    found = 0
    with contextlib.suppress(InboxUnavailable, ValueError, ModuleNotFoundError):
        inbox = open_inbox(settings.values.get("INBOX", DEFAULT), create=False)
        try:
            await inbox.open()
            found = sum([await inbox.forget(key) for key in keys])
        finally:
            await inbox.close()
    if found == len(keys):
        yield good("inbox", "the listener keeps its hooks in it")
    else:
        yield doubtful(
            "inbox",
            "the listener keeps its hooks in another one, where the probe stands as ignored",
            f"set {settings.prefix}INBOX as it is set for the listener, or run this where it runs",
        )


def _variables(file: Path) -> Mapping[str, str]:
    """As systemd and containers read them: a name and a value a line, `#` before a remark."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--env-file: {file} can't be read: {getattr(error, 'strerror', 'it is not text')}", USAGE)
    named = (line.strip().partition("=") for line in lines if line.strip() and line.strip()[0] != "#")
    return {name.strip(): value.strip() for name, _, value in named}


def _told(finding: Finding, plain: bool) -> Text:
    told = Text(finding.says)
    if finding.fix:
        told.append(f"\n{'->' if plain else '→'} {finding.fix}", "dim")
    return told


def _about(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "says": finding.says,
        "fix": finding.fix,
    }
