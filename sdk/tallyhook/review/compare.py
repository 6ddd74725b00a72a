"""Compare an invoice with its declaration, and compute the amount that it would bill."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tallyhook import money
from tallyhook.cheddar.models import Charge, Customer, Invoice, Plan, PlanItem, canonical
from tallyhook.review.journal import PLAN_TYPES, Adding, Declaration, DeclaredCharge, Entry
from tallyhook.review.ownership import Ledger
from tallyhook.tables import Column, Shown, Table

if TYPE_CHECKING:
    from tallyhook.review.review import Review

# An included quantity this large means unlimited (documented).
_UNLIMITED = Decimal("99999999.9")


class SetQuantity(msgspec.Struct, frozen=True, kw_only=True, tag="set"):
    """A change that sets the quantity of a tracked item.

    `was` is the quantity in the document; None if the document doesn't show it. `contradicted` is True if the
    document proves that the quantity isn't the declared one.
    """

    item: str
    quantity: Decimal
    was: Decimal | None
    contradicted: bool

    @property
    def shown(self) -> str:
        """The quantity in the document, as text; `?` if the document doesn't show it."""
        return "?" if self.was is None else money.quantity_text(self.was)

    def __str__(self) -> str:
        return f"set     {self.item}  {self.shown} → {money.quantity_text(self.quantity)}"


class DeleteCharge(msgspec.Struct, frozen=True, kw_only=True, tag="delete"):
    """A change that deletes a charge. An earlier attempt added it, but it is no longer declared."""

    charge_id: str
    charge: DeclaredCharge

    def __str__(self) -> str:
        return f"delete  {self.charge}"


class AddCharge(msgspec.Struct, frozen=True, kw_only=True, tag="add"):
    """A change that adds a declared charge that is not on the invoice."""

    charge: DeclaredCharge

    def __str__(self) -> str:
        return f"add     {self.charge}"


Change = SetQuantity | DeleteCharge | AddCharge


class Changes(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The changes that an invoice needs, in the order in which they are made. `str()` shows them as a table.

    `net_before` and `net_after` are the invoice's sum, with tax, before and after the changes. The sum is
    negative if credits exceed charges.
    """

    title: str
    changes: tuple[Change, ...]
    net_before: Decimal
    net_after: Decimal

    @property
    def total_before(self) -> Decimal:
        """The amount that the invoice would bill without the changes."""
        return max(self.net_before, Decimal("0.00"))

    @property
    def total_after(self) -> Decimal:
        """The amount that the invoice would bill after the changes."""
        return max(self.net_after, Decimal("0.00"))

    @property
    def carried_forward(self) -> Decimal:
        """The credit that would be left for the next invoice after the changes."""
        return max(self.net_after.copy_negate(), Decimal("0.00"))

    def table(self) -> Table:
        bills = map(money.amount_text, (self.total_before, self.total_after))
        remarks = [] if self.changes else ["nothing to change"]
        if self.carried_forward:
            remarks.append(f"{money.amount_text(self.carried_forward)} of credit is carried forward")
        return Table(
            title=f"{self.title}: dry run",
            columns=_COLUMNS,
            rows=tuple(map(_row, self.changes)),
            sums=(("bills", "", *bills, ""),),
            remarks=tuple(remarks),
        )


_COLUMNS = (
    Column("change"),
    Column("code"),
    Column("before", is_number=True),
    Column("after", is_number=True),
    Column("description"),
)


def _row(change: Change) -> tuple[str, ...]:
    match change:
        case SetQuantity():
            return "set", change.item, change.shown, money.quantity_text(change.quantity), ""
        case DeleteCharge(charge=charge):
            return "delete", charge.code, charge.price, "", charge.description
        case AddCharge(charge=charge):
            return "add", charge.code, "", charge.price, charge.description


def compare(review: "Review", customer: Customer, entries: Sequence[Entry] | None = None) -> Changes:
    """Return the changes that the review would make, according to this customer document.

    If the invoice is already paid, returns what differs, although the review can't change it any more.

    If you pass the journal's `entries`, the ids in them show which charges this review has added. Such a
    charge is deleted if it is no longer declared. An equal charge that somebody else added is ignored. A
    charge whose request may still arrive isn't added again.

    If `entries` is None, the content decides: a declared charge that is already on the invoice isn't added
    again, and no charge is deleted.

    Raises LookupError if the invoice isn't in the document.
    """
    invoice = named(customer, review.invoice)
    if invoice is None:
        raise LookupError(f"{_title(review)} is not in this document")
    ledger = Ledger(entries or ())
    if entries is None:
        ledger.adopt(review.declaration.charges, invoice)
    for claim in ledger.claims(customer):
        ledger.write(claim)
    return difference(review, review.declaration, customer, invoice, ledger, ledger.open_addings())


def difference(
    review: "Review",
    declaration: Declaration,
    customer: Customer,
    invoice: Invoice,
    ledger: Ledger,
    awaited: Sequence[Adding],
) -> Changes:
    """Return the same changes as `compare`, using a ledger that already knows the review's charges.

    `awaited` are the `Adding` entries whose requests may still arrive. Their charges count as added.
    """
    coming = [adding.charge for adding in awaited if adding.charge in declaration.charges]
    changes = (
        *_quantities(review, declaration, customer, invoice),
        *_charges(declaration, ledger.ours(invoice), coming),
    )
    deleted = {change.charge_id for change in changes if isinstance(change, DeleteCharge)}
    standing = [charge for charge in invoice.charges if charge.id not in deleted]
    added = [change.charge for change in changes if isinstance(change, AddCharge)]
    rate = _rate(customer, invoice)
    return Changes(
        title=_title(review),
        changes=changes,
        net_before=_net(review, invoice, invoice.charges, {}, rate),
        net_after=_net(review, invoice, (*standing, *coming, *added), declaration.quantities, rate),
    )


def stands(review: "Review", customer: Customer, invoice: Invoice) -> tuple[str, ...]:
    """Return an invoice's content as lines of text. The same content always has the same lines."""
    charges = (
        f"{charge.code}  {money.line_text(charge.quantity, charge.each_amount)}  (charge {charge.id})"
        for charge in invoice.charges
        if canonical(charge.type) not in PLAN_TYPES
    )
    net = _net(review, invoice, invoice.charges, {}, _rate(customer, invoice))
    return (*sorted(charges), f"it bills {money.amount_text(net)}")


def _rate(customer: Customer, invoice: Invoice) -> Decimal:
    return Decimal(0) if customer.is_tax_exempt else invoice.rate


def named(customer: Customer, invoice: Invoice) -> Invoice | None:
    """Find an invoice in a newer document and return it, or None if the document doesn't contain it.

    The invoice is found by its id, or else by its number, because an invoice that a document shows under
    a different id isn't gone. Numbers are unique in a product (inferred).
    """
    meant, number = canonical(invoice.id), invoice.number
    shown = [found for subscription in customer.subscriptions for found in subscription.invoices]
    by_id = (found for found in shown if meant and canonical(found.id) == meant)
    by_number = (found for found in shown if number is not None and found.number == number)
    return next(by_id, None) or next(by_number, None)


def _title(review: "Review") -> str:
    return f"invoice {review.invoice.number or review.invoice.id}"


def _quantities(
    review: "Review", declaration: Declaration, customer: Customer, invoice: Invoice
) -> Iterable[SetQuantity]:
    for code, quantity in declaration.quantities.items():
        item = next((item for item in review.plan.items if item.code == code), PlanItem())
        proven = _included_in(review.invoice, code)
        included = {item.quantity_included, *_included_now(customer, review.plan, code)}
        if proven is not None:
            included.add(proven)
        # If there are several included quantities, the plan was edited, and it is unknown which of them
        # applies to this invoice.
        is_wrong = any if invoice.is_paid else all
        was = _quantity(invoice, code)
        contradicted = was is not None and was != quantity
        if was is None and (overage := _overage_charge(invoice, code)) is not None:
            contradicted = is_wrong(overage.quantity != _overage(quantity, each) for each in included)
            # An overage charge shows the units above the included quantity. If the included quantity isn't
            # certain, or the charge shows 0, the item's quantity is unknown, so the review sets it.
            is_certain = review.is_from_hook or proven is not None or review.verified.get(code) == quantity
            if is_certain and len(included) == 1 and (overage.quantity > 0 or item.quantity_included == 0):
                was = money.total((overage.quantity, item.quantity_included))
        elif was is None and invoice.is_paid and any(charge.id for charge in invoice.charges):
            # A bill without a line for the item billed no units of the item.
            contradicted = item.overage_amount > 0 and any(_overage(quantity, each) > 0 for each in included)
        if was != quantity:
            yield SetQuantity(item=code, quantity=quantity, was=was, contradicted=contradicted)


def _included_in(invoice: Invoice, code: str) -> Decimal | None:
    """Return an item's included quantity, computed from the item's quantity and overage on the invoice.

    Return None unless the invoice shows both quantity and overage.
    """
    quantity, overage = _quantity(invoice, code), _overage_charge(invoice, code)
    if quantity is None or overage is None or overage.quantity <= 0:
        return None
    return money.total((quantity, overage.quantity.copy_negate()))


def _included_now(customer: Customer, plan: Plan, code: str) -> Iterable[Decimal]:
    """Yield the item's included quantity from each of the customer's subscriptions to this plan."""
    for subscription in customer.subscriptions:
        if subscription.plan.code == plan.code:
            yield from (item.quantity_included for item in subscription.plan.items if item.code == code)


def _charges(
    declaration: Declaration,
    ours: Iterable[tuple[Charge, DeclaredCharge]],
    awaited: Iterable[DeclaredCharge],
) -> Iterable[DeleteCharge | AddCharge]:
    missing = list(declaration.charges)
    for charge, asked in ours:
        if asked in missing:
            missing.remove(asked)
        else:
            yield DeleteCharge(charge_id=charge.id, charge=asked)
    for asked in awaited:
        if asked in missing:
            missing.remove(asked)
    for charge_ in missing:
        yield AddCharge(charge=charge_)


def _net(
    review: "Review",
    invoice: Invoice,
    charges: Iterable[Charge | DeclaredCharge],
    declared: Mapping[str, Decimal],
    rate: Decimal,
) -> Decimal:
    """Return an invoice's sum: its lines, each rounded to cents, plus tax on the lines' sum (inferred).

    The quantities in `declared` replace the quantities on the invoice.
    """
    lines = [
        money.product(Decimal(charge.quantity), charge.each_amount)
        for charge in charges
        if isinstance(charge, DeclaredCharge) or canonical(charge.type) != "item"
    ]
    if not any(canonical(charge.type) in ("recurring", "item") for charge in invoice.charges):
        # A held invoice may not show the plan's own charge yet.
        lines.append(review.plan.recurring_charge_amount or Decimal(0))
    for item in review.plan.items:
        lines.append(money.product(_units(review, invoice, item, declared), item.overage_amount))
    subtotal = money.total(map(money.cents, lines))
    return money.total((subtotal, money.tax(subtotal, rate)))


def _units(review: "Review", invoice: Invoice, item: PlanItem, declared: Mapping[str, Decimal]) -> Decimal:
    """Return how many units of an item are billed.

    They are computed from the declared quantity or, if none is declared, from the quantity in the document.
    If the document shows none, the quantity in the hook is used.
    """
    quantity = declared.get(item.code)
    if quantity is None:
        quantity = _quantity(invoice, item.code)
    if quantity is None and (overage := _overage_charge(invoice, item.code)) is not None:
        return overage.quantity
    if quantity is None:
        quantity = _quantity(review.invoice, item.code) or Decimal(0)
    return _overage(quantity, item.quantity_included)


def _quantity(invoice: Invoice, code: str) -> Decimal | None:
    return next((item.quantity for item in invoice.items if item.code == code), None)


def _overage(quantity: Decimal, included: Decimal) -> Decimal:
    return (
        Decimal(0)
        if included >= _UNLIMITED
        else max(Decimal(0), money.total((quantity, included.copy_negate())))
    )


def _overage_charge(invoice: Invoice, code: str) -> Charge | None:
    lines = (charge for charge in invoice.charges if canonical(charge.type) == "item")
    return next((line for line in lines if line.code == code), None)
