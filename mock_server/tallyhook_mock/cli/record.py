"""`tallyhook record` and `compare`: record calls to a service, and repeat them on a mock."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from tallyhook_mock.cli.listen import ended
from tallyhook_mock.cli.remote import trust
from tallyhook_receiver.cli.command import BAD, USAGE, Command, fail, json_option
from tallyhook_receiver.cli.output import echo, print_json

if TYPE_CHECKING:
    from tallyhook_mock.conform.compare import Comparison

__all__ = ["compare", "record"]


@click.command(cls=Command)
@click.option(
    "--upstream", metavar="URL", required=True, help="The service's URL, such as https://getcheddar.com/xml."
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=Path("recording.jsonl"),
    help="The file to which the calls are appended.",
)
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=8422,
    help="The port to listen on; 0 picks a free port.",
)
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
def record(upstream: str, to: Path, port: int, host: str) -> None:
    """Record an application's calls to a billing service, until Ctrl-C.

    Configure the application to call the address that this command prints, instead of the service.
    Credentials are forwarded but not saved. In the file, card numbers, names, email and postal addresses,
    notes and tokens are replaced with invented values. Equal values get equal replacements.

    Example: tallyhook record --upstream https://getcheddar.com/xml --to recording.jsonl
    """
    if urlsplit(upstream).scheme not in ("http", "https"):
        fail(f"--upstream: {upstream!r} is not a URL such as https://getcheddar.com/xml", USAGE)
    try:
        to.open("ab").close()
    except OSError as error:
        fail(f"{to} can't be written: {error.strerror}", USAGE)
    try:
        count = asyncio.run(_record(upstream, to, host, port))
    except OSError as error:
        fail(f"can't listen at {host}:{port}: {error.strerror}", USAGE)
    sys.stderr.write(f"{count} calls are in {to}\n")


async def _record(upstream: str, to: Path, host: str, port: int) -> int:
    import httpx

    from tallyhook_mock.conform.record import Recorder
    from tallyhook_mock.server import serving

    verify = trust() if upstream.startswith("https:") else False
    async with httpx.AsyncClient(timeout=60, verify=verify) as http:
        recorder = Recorder(http, upstream, to)
        async with serving(recorder.app, host, port) as own:
            path = urlsplit(upstream).path.rstrip("/")
            sys.stderr.write(f"recording {upstream} at {own}{path}; Ctrl-C ends it\n")
            sys.stderr.flush()
            await ended().wait()
        return recorder.count


@click.command(cls=Command)
@click.argument(
    "recording",
    type=click.Path(path_type=Path),
    metavar="RECORDING",
    help="A file written by `tallyhook record`.",
)
@click.option(
    "--catalog",
    type=click.Path(path_type=Path),
    show_default="the plans in the recording",
    help="A catalogue with the product's plans.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file with rules for the mock, such as one written by `tallyhook conform --write`.",
)
@click.option(
    "--reviewed",
    is_flag=True,
    help="Add a listener that acknowledges all hooks. Invoices are then held before they run.",
)
@json_option
def compare(recording: Path, catalog: Path | None, rules: Path | None, reviewed: bool, as_json: bool) -> None:
    """Repeat recorded calls on a mock, each at its recorded time, and show where the answers differ.

    Ids and invoice numbers may differ, as long as the same recorded value always corresponds to the same
    value on the mock. Times may differ by up to a minute. Calls about customers who existed before the
    recording are left out, and so are calls whose credentials the service refused. Exits with 1 if any answer
    differs, and with 2 if no call can be compared.

    Example: tallyhook compare recording.jsonl --rules rules.toml
    """
    from tallyhook_mock.catalog.reading import load_catalog
    from tallyhook_mock.catalog.table import CatalogError
    from tallyhook_mock.conform.account import Unusable
    from tallyhook_mock.conform.compare import compare as compared
    from tallyhook_mock.conform.record import read_recording
    from tallyhook_mock.conform.rehearsal import session
    from tallyhook_mock.conform.report import read_rules

    try:
        exchanges = read_recording(recording)
        with session() as used:
            found = compared(
                exchanges,
                used,
                catalog=None if catalog is None else load_catalog(catalog),
                rules=None if rules is None else read_rules(rules),
                is_reviewed=reviewed,
            )
    except (Unusable, CatalogError) as error:
        fail(str(error), USAGE)
    if as_json:
        print_json([_plain(each) for each in found])
    else:
        echo(_told(found), end="")
    if all(each.left_out for each in found):
        fail(f"no call of {recording} can be compared", USAGE)
    if any(each.differences for each in found):
        sys.exit(BAD)


def _plain(comparison: "Comparison") -> dict[str, object]:
    return {
        "number": comparison.number,
        "call": comparison.call,
        "leftOut": comparison.left_out,
        "differences": [
            {"path": each.path, "recorded": each.recorded, "mock": each.mock}
            for each in comparison.differences
        ],
    }


def _told(comparisons: "list[Comparison]") -> str:
    lines = []
    for each in comparisons:
        if each.left_out:
            lines.append(f"{each.number} {each.call}: left out, {each.left_out}")
        elif each.differences:
            lines.append(f"{each.number} {each.call}: {len(each.differences)} differences")
            for difference in each.differences:
                lines.append(f"  {difference.path}")
                lines.append(f"    recorded: {difference.recorded or 'nothing'}")
                lines.append(f"    mock:     {difference.mock or 'nothing'}")
    differ = sum(bool(each.differences) for each in comparisons)
    left_out = sum(bool(each.left_out) for each in comparisons)
    same = len(comparisons) - differ - left_out
    lines.append(f"{len(comparisons)} calls: {same} the same, {differ} with differences, {left_out} left out")
    return "\n".join(lines) + "\n"
