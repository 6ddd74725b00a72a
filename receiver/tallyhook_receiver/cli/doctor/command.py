"""The command `tallyhook doctor`, which runs the checks and prints their findings."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from rich.text import Text

from tallyhook_receiver.cli.command import BAD, USAGE, Command, fail, json_option
from tallyhook_receiver.cli.doctor.finding import Finding, Verdict
from tallyhook_receiver.cli.output import can_write, print_json, table

_MARKS = {
    Verdict.GOOD: ("✓", "ok", "green"),
    Verdict.DOUBTFUL: ("!", "!", "yellow"),
    Verdict.BAD: ("✗", "bad", "red"),
    Verdict.SKIPPED: ("–", "-", "dim"),
}


@click.command(cls=Command)
@click.option("--url", metavar="URL", help="The listener's URL, as registered with the billing system.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file of NAME=value lines, which override the environment.",
)
@click.option("--prefix", default="TALLYHOOK_", help="The prefix of the environment variables' names.")
@json_option
def doctor(url: str | None, env_file: Path | None, prefix: str, as_json: bool) -> None:
    """Check a receiver's settings, keys, API access, clock, inbox and listener, and say what to fix.

    Reads the same environment variables as `Receiver.from_environment`. If you pass --url, sends signed test
    hooks of the type `tallyhook.doctor` to that URL, and deletes them from the inbox afterwards. No handler
    gets these hooks. Exits with 1 if a check fails. A ! marks something that looks wrong but may be
    intended.

    Example: tallyhook doctor --env-file /etc/tallyhook.env --url https://billing.example.com/hooks
    """
    from tallyhook_receiver.cli.doctor.examine import examine
    from tallyhook_receiver.settings import read

    environ = {**os.environ, **({} if env_file is None else _variables(env_file))}
    settings = read(environ, prefix)
    findings = asyncio.run(examine(settings, url))
    if as_json:
        print_json([_about(finding) for finding in findings])
    else:
        plain = not can_write("✓✗–→")
        marks = {verdict: Text(mark[plain], mark[2]) for verdict, mark in _MARKS.items()}
        rows = [(marks[each.verdict], each.check, _told(each, plain)) for each in findings]
        table((" ", "check", "~finding"), rows, empty="")
    if any(finding.verdict is Verdict.BAD for finding in findings):
        sys.exit(BAD)


def _variables(file: Path) -> Mapping[str, str]:
    """Return the variables in a file of NAME=value lines, such as an env file for systemd or a container.

    A line that starts with `#` is a comment.
    """
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
