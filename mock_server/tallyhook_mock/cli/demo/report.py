"""Prints the demo's timeline, and compares each held invoice with the executed one."""

from collections.abc import Iterable
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tallyhook import Charge, Invoice
from tallyhook_mock.cli.demo.record import Line
from tallyhook_mock.cli.demo.story import Story, collected
from tallyhook_mock.core.money import amount_text, quantity_text

__all__ = ["show"]

_COLOURS = {"app": "cyan", "listener": "magenta", "mock": "yellow"}


def show(console: Console, story: Story) -> None:
    """Print the demo's timeline and invoices."""
    console.print(_timeline(story.record.lines))
    for code, held in story.held.items():
        console.print(_invoice(code, held, story.paid[code]))


def _timeline(lines: Iterable[Line]) -> Table:
    table = Table(
        title="One billing period, on the mock's clock",
        caption="The invoice stays held until the listener answers 2xx. The 2xx releases it.",
        title_style="bold",
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name in ("when (UTC)", "who", "customer", "what", "answer"):
        table.add_column(name)
    before = None
    for line in lines:
        if before is not None and line.at != before:
            table.add_row()
        shown = f"{line.at:%d %b %H:%M}" if line.at != before else ""
        before = line.at
        answer = Text(line.answer, "green" if line.answer[:1] == "2" else "bold red")
        table.add_row(shown, Text(line.who, _COLOURS[line.who]), line.customer, line.text, answer)
    return table


def _invoice(code: str, held: Invoice, executed: Invoice) -> Table:
    table = Table(title=f"\nInvoice #{held.number} of {code}", title_style="bold", title_justify="left")
    table.add_column("charge")
    table.add_column("when held", justify="right")
    table.add_column("when executed", justify="right")
    before, after = _by_name(held), _by_name(executed)
    for name in before | after:
        old, new = _worth(before.get(name)), _worth(after.get(name))
        table.add_row(name, old, Text(new, "" if old == new else "bold"))
    table.add_section()
    table.add_row("total", amount_text(held.total), amount_text(executed.total), style="bold")
    table.add_row("paid", _paid(held), _paid(executed))
    return table


def _by_name(invoice: Invoice) -> dict[str, Charge]:
    return {f"{charge.code} {charge.description}".rstrip(): charge for charge in invoice.charges}


def _worth(charge: Charge | None) -> str:
    if charge is None or not charge.quantity:
        return "–"
    times = f"{quantity_text(charge.quantity)} × {amount_text(charge.each_amount)}"
    return f"{times} = {amount_text(charge.amount):>6}"


def _paid(invoice: Invoice) -> Text:
    paid = collected(invoice)
    return Text(amount_text(paid), "bold green" if paid > Decimal(0) else "dim")
