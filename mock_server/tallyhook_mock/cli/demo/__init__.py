"""`tallyhook demo`: show one billing period over real HTTP."""

import asyncio
import logging
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console

from tallyhook_receiver.cli.command import BAD, Command

__all__ = ["demo"]


@click.command(cls=Command)
def demo() -> None:
    """Show one billing period from start to end: usage, bill date, hook, review and execution.

    Starts the mock and a listener as HTTP servers on free ports of this machine, and moves the mock's clock.
    Exits with 1 unless every customer is billed correctly to the cent.
    """
    from tallyhook_mock.cli.demo import report, story
    from tallyhook_mock.core.money import amount_text

    console = Console()
    logging.getLogger("tallyhook.receiver").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="tallyhook-demo-") as directory:
        told = asyncio.run(story.play(Path(directory) / "inbox.sqlite"))
    report.show(console, told)
    wrong = [
        f"{code} was billed {amount_text(billed)} and should have been {amount_text(due)}"
        for code, (billed, due) in told.bills.items()
        if billed != due
    ]
    for line in wrong:
        console.print(f"[bold red]✗ {line}")
    if wrong:
        sys.exit(BAD)
    total = sum((due for _, due in told.bills.values()), Decimal(0))
    console.print(f"[bold green]✓ Every bill is right to the cent: {amount_text(total)} in all.")
