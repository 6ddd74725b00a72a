"""The API's calls for draft invoices and posted invoices."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from tallyhook_mock.systems.fusebill import invoices
from tallyhook_mock.systems.fusebill.documents import (
    draft_document,
    invoice_document,
)
from tallyhook_mock.systems.fusebill.invoices import ChargeEdit
from tallyhook_mock.systems.fusebill.listing import Fields as Columns
from tallyhook_mock.systems.fusebill.listing import page
from tallyhook_mock.systems.fusebill.model import Customer, Draft, Invoice
from tallyhook_mock.systems.fusebill.refusal import invalid
from tallyhook_mock.systems.fusebill.request import TERMS, Call, Fields, Route, reads_query

__all__ = ["ROUTES"]

_DRAFTS: Columns = {
    "id": lambda each: each.id,
    "status": lambda each: "Ready",
    "customerId": lambda each: each.customer.id,
    "BillingPeriodStartDate": lambda each: _span(each)[0],
    "BillingPeriodEndDate": lambda each: _span(each)[1],
    "effectiveDate": lambda each: each.at,
    "createdDate": lambda each: each.at,
    "pendingCharges": lambda each: each.total,
}


def _span(draft: Draft) -> tuple[datetime | None, datetime | None]:
    starts = [charge.line.start for charge in draft.charges if charge.line.start is not None]
    ends = [charge.line.end for charge in draft.charges if charge.line.end is not None]
    return min(starts, default=None), max(ends, default=None)


@reads_query
def list_drafts(call: Call) -> Any:
    """List all drafts, without their charges (documented)."""
    found = [*call.state.drafts()]
    return page(call.query, found, _DRAFTS, lambda each: draft_document(each, with_charges=False))


@reads_query
def list_drafts_of_customer(call: Call) -> Any:
    found = call.state.customer(call.id).drafts
    return page(call.query, found, _DRAFTS, lambda each: draft_document(each, with_charges=False))


def get_draft(call: Call) -> Any:
    return draft_document(call.state.draft(call.id))


class _Operation(StrEnum):
    UPDATE = "Update"
    DELETE = "Delete"


_CHARGE = (
    "id",
    "operation",
    "name",
    "description",
    "quantity",
    "unitPrice",
    "proratedUnitPrice",
    "rangeQuantity",
    "draftDiscounts",
)


def patch_draft(call: Call) -> Any:
    """Edit a draft, and update or delete its charges. Charges can't be added (documented)."""
    fields = Fields(call.body, ("id", "notes", "poNumber", "netTermsSet", "netTerms", "draftCharges"))
    draft = call.state.draft(fields.id("id"))
    notes, number, terms = fields.text("notes", most=500), fields.text("poNumber"), _terms(fields)
    edits = [_edit(given) for given in fields.list("draftCharges")]
    if len({edit.id for edit in edits}) < len(edits):
        raise invalid("draftCharges", "a charge is listed twice")
    invoices.change_draft(call.state, draft, edits, call.at)
    draft.notes = draft.notes if notes is None else notes
    draft.po_number = number if "poNumber" in fields else draft.po_number
    draft.terms = draft.terms if terms is None else terms
    return draft_document(draft)


def _terms(fields: Fields) -> str | None:
    """Return the new payment terms, or None to keep the old ones.

    `netTerms` only applies if `netTermsSet` is true (documented).
    """
    terms = fields.text("netTerms")
    if not fields.flag("netTermsSet", False):
        if terms is not None:
            raise invalid("netTermsSet", "true is required with netTerms")
        return None
    if (terms or "") not in TERMS:
        raise invalid("netTerms", f"one of {', '.join(TERMS[1:13])} or DayOfMonth1 to DayOfMonth31")
    return terms or ""


def _edit(given: object) -> ChargeEdit:
    fields = Fields.of(given, _CHARGE, "draftCharges")
    operation = fields.choice("operation", _Operation)
    if operation is None:
        raise invalid("operation", "Update or Delete is required")
    for name in ("rangeQuantity", "draftDiscounts"):
        if fields.list(name) if name == "draftDiscounts" else name in fields:
            raise invalid(name, "this mock has neither ranges nor discounts")
    return ChargeEdit(
        fields.id("id"),
        operation is _Operation.DELETE,
        fields.text("name"),
        fields.text("description", most=500),
        fields.number("quantity", places=6),
        fields.number("unitPrice", places=6),
        fields.number("proratedUnitPrice", places=6),
    )


@reads_query
def post_draft(call: Call) -> Any:
    """Post a whole draft, or only some of its charges (documented)."""
    number, only = call.query.whole("draftInvoiceId", 0), call.query.ids("draftChargeIds")
    is_preview = call.query.flag("preview")
    call.query.nothing_else()
    if not number:
        raise invalid("draftInvoiceId", "required")
    draft = call.state.draft(number)
    if is_preview:
        return draft_document(replace(draft, charges=invoices.chosen(draft, only)))
    return invoice_document(draft.customer, invoices.post(call.state, draft, call.at, only))


# -- invoices

_INVOICES: Columns = {
    "id": lambda each: each[1].id,
    "invoiceNumber": lambda each: each[1].bill.number,
    "customerId": lambda each: each[0].id,
    "postedTimestamp": lambda each: each[1].bill.at,
    "total": lambda each: each[1].bill.total,
    "poNumber": lambda each: each[1].po_number,
}


@reads_query
def list_invoices(call: Call) -> Any:
    return page(call.query, [*call.state.invoices()], _INVOICES, lambda each: invoice_document(*each))


@reads_query
def list_invoice_summaries(call: Call) -> Any:
    """List all invoices, without their charges (inferred)."""
    found = [*call.state.invoices()]
    return page(call.query, found, _INVOICES, lambda each: invoice_document(*each, with_charges=False))


@reads_query
def list_invoices_of_customer(call: Call) -> Any:
    customer = call.state.customer(call.id)
    found: list[tuple[Customer, Invoice]] = [(customer, invoice) for invoice in customer.invoices]
    return page(call.query, found, _INVOICES, lambda each: invoice_document(*each))


@reads_query
def get_invoice(call: Call) -> Any:
    """Return an invoice. The query's parameters have no effect, because the mock never groups charges."""
    call.query.flag("showTrackedItems")
    call.query.flag("groupCharges")
    call.query.nothing_else()
    return invoice_document(*call.state.invoice(call.id))


def patch_invoice(call: Call) -> Any:
    fields = Fields(call.body, ("id", "notes", "netTermsSet", "netTerms", "hideOnSSP", "hideOnSSPSet"))
    customer, invoice = call.state.invoice(fields.id("id"))
    notes, terms = fields.text("notes", most=500), _terms(fields)
    if "hideOnSSP" in fields and not fields.flag("hideOnSSPSet", False):
        raise invalid("hideOnSSPSet", "true is required with hideOnSSP")
    invoice.notes = invoice.notes if notes is None else notes
    invoice.terms = invoice.terms if terms is None else terms
    if fields.flag("hideOnSSPSet", False):
        invoice.is_hidden = fields.flag("hideOnSSP", False)
    return invoice_document(customer, invoice)


ROUTES: tuple[Route, ...] = (
    ("GET", "customers/{id}/draftinvoices", "draftInvoices/listOfCustomer", list_drafts_of_customer),
    ("GET", "customers/{id}/invoices", "invoices/listOfCustomer", list_invoices_of_customer),
    ("GET", "draftinvoices", "draftInvoices/list", list_drafts),
    ("PATCH", "draftinvoices", "draftInvoices/patch", patch_draft),
    ("GET", "draftinvoices/{id}", "draftInvoices/get", get_draft),
    ("GET", "invoicesummaries", "invoices/summaries", list_invoice_summaries),
    ("GET", "invoices", "invoices/list", list_invoices),
    ("POST", "invoices", "invoices/post", post_draft),
    ("PATCH", "invoices", "invoices/patch", patch_invoice),
    ("GET", "invoices/{id}", "invoices/get", get_invoice),
)
