"""Invoices. Each begins as a draft, whose charges can be changed until it is posted (documented)."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    Customer,
    Draft,
    DraftCharge,
    Invoice,
)
from tallyhook_mock.systems.fusebill.refusal import conflict, not_found
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["ChargeEdit", "change_draft", "check_not_on_hold", "chosen", "collect_held", "make_draft", "post"]


def make_draft(
    state: State,
    customer: Customer,
    lines: Iterable[Line],
    at: datetime,
    definition: BillingPeriodDefinition | None = None,
    *,
    holds: bool = False,
) -> Draft:
    """Create a draft invoice with these lines. If auto-post is on, the draft is posted at once.

    If `holds` is true, the draft is not posted, even if auto-post is on (documented:
    temporarilyDisableAutoPost).
    """
    charges = [_charge(state, line) for line in lines]
    draft = Draft(state.invoice_ids.next(), customer, charges, at, at, holds)
    if definition is not None:
        draft.period, draft.po_number = definition.id, definition.settings.po_number
        draft.terms = definition.settings.term
    customer.drafts.append(draft)
    if not holds and state.posts_itself(customer, definition):
        post(state, draft, at)
    else:
        state.emit("draftReady", at, customer, note=f"draft {draft.id}", amount=draft.total, subject=draft.id)
    return draft


def collect_held(
    state: State, customer: Customer, lines: list[Line], at: datetime, definition: BillingPeriodDefinition
) -> None:
    """Create the invoice of a renewal, unless there is nothing to invoice.

    A draft is held if a call has kept it from being posted. If auto-post is on and the account is set to post
    held drafts at a renewal, the invoice includes the charges of all held drafts (documented). If the
    customer is on hold, held drafts remain held (inferred).
    """
    held = []
    if state.posts_at_renewal and state.posts_itself(customer, definition) and not customer.is_on_hold:
        held = [draft for draft in customer.drafts if draft.held]
    if not lines and not held:
        return
    draft = make_draft(state, customer, lines, at, definition, holds=bool(held))
    for each in held:
        draft.charges += each.charges
        customer.drafts.remove(each)
    if held:
        post(state, draft, at)


def check_not_on_hold(customer: Customer) -> None:
    """Raise Refusal if a customer is on hold, and so isn't invoiced (inferred)."""
    if customer.is_on_hold:
        raise conflict("customerId", f"customer {customer.id} is on hold: it isn't invoiced")


def post(state: State, draft: Draft, at: datetime, only: Collection[int] = ()) -> Invoice:
    """Post a draft, or only the charges with the ids in `only`. Returns the invoice, which is final.

    Raises Refusal if a charge doesn't exist.
    """
    posted = chosen(draft, only)
    customer = draft.customer
    state.last_bill += 1
    lines = tuple(charge.line for charge in posted)
    bill = Bill(state.last_bill, at, str(customer.id), customer.currency, lines)
    numbers = tuple(charge.id for charge in posted)
    invoice = Invoice(
        state.invoice_ids.next(), draft.id, bill, numbers, draft.at, draft.notes, draft.po_number, draft.terms
    )
    customer.bills.append(bill)
    state.billed.add(bill.currency, bill.total)
    customer.invoices.append(invoice)
    draft.charges = [charge for charge in draft.charges if charge not in posted]
    if not draft.charges:
        customer.drafts.remove(draft)
    state.emit("invoiced", at, customer, invoice=bill.number, amount=bill.total)
    return invoice


def chosen(draft: Draft, only: Collection[int]) -> list[DraftCharge]:
    """Return all charges of a draft, or only those with the ids in `only`.

    Raises Refusal if a charge doesn't exist.
    """
    known = {charge.id for charge in draft.charges}
    for number in only:
        if number not in known:
            raise not_found("draftChargeIds", number)
    return [charge for charge in draft.charges if not only or charge.id in only]


class ChargeEdit(Value, frozen=True):
    """A change to a draft's charge. A field that is None changes nothing."""

    id: int
    deletes: bool = False
    name: str | None = None
    note: str | None = None
    quantity: Decimal | None = None
    unit: Decimal | None = None
    prorated: Decimal | None = None


def change_draft(state: State, draft: Draft, edits: Iterable[ChargeEdit], at: datetime) -> None:
    """Change or remove charges of a draft. Charges can't be added (documented).

    A draft without charges is removed, because there is nothing to post (inferred). Raises Refusal if a
    charge doesn't exist.
    """
    charges = {charge.id: charge for charge in draft.charges}
    changed: dict[int, DraftCharge | None] = {}
    for edit in edits:
        if edit.id not in charges:
            raise not_found("draftCharges", edit.id)
        changed[edit.id] = None if edit.deletes else _edited(charges[edit.id], edit)
    kept = (changed.get(charge.id, charge) for charge in draft.charges)
    draft.charges = [charge for charge in kept if charge is not None]
    draft.modified = at
    if not draft.charges:
        draft.customer.drafts.remove(draft)
    note = f"draft {draft.id}"
    state.emit("draftChanged", at, draft.customer, note=note, amount=draft.total, subject=draft.id)


def _charge(state: State, line: Line) -> DraftCharge:
    prorated = line.amount / line.quantity if line.quantity else line.unit_price
    return DraftCharge(state.invoice_ids.next(), line, line.unit_price, prorated)


def _edited(charge: DraftCharge, edit: ChargeEdit) -> DraftCharge:
    """Return the charge after an edit. A new unit price also changes the prorated price (inferred).

    A prorated price that is sent back as it is shown, in cents, changes nothing.
    """
    unit = charge.unit if edit.unit is None else edit.unit
    prorated = charge.prorated
    if edit.prorated is not None and edit.prorated != cents(prorated):
        prorated = edit.prorated
    elif edit.unit is not None:
        prorated = prorated * unit / charge.unit if charge.unit else unit
    line = charge.line
    quantity = line.quantity if edit.quantity is None else edit.quantity
    same = (quantity, prorated) == (line.quantity, charge.prorated)
    amount = line.amount if same else cents(quantity * prorated)
    name = line.description if edit.name is None else edit.name
    line = replace(line, description=name, quantity=quantity, unit_price=unit, amount=amount)
    note = charge.note if edit.note is None else edit.note
    return DraftCharge(charge.id, line, unit, prorated, note)
