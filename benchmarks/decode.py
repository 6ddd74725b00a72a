"""`python -m benchmarks.decode`: decode documents and hooks, compared with lxml, json and xml.etree.

Building the models is about twice as fast as hand-written code that uses xml.etree. It can't become five
times as fast, because parsing alone takes a third of the time, and xml.etree's lookups are written in C.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

from lxml import etree

from benchmarks.measure import alternate, median, ratio, report
from tallyhook import documents, events
from tallyhook.cheddar.models import (
    Charge,
    Customer,
    GatewayAccount,
    Invoice,
    Item,
    MetaDatum,
    Plan,
    PlanItem,
    Subscription,
    Transaction,
)
from tallyhook.errors import DecodeError

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"

# Cheddar's indentation per level, and the elements whose content it indents by two levels (recorded).
_INDENT = " " * 8
_TWICE = ("subscriptions/subscription", "plan/items/item", "charges/charge", "transactions/transaction")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--document", type=Path, help="a file with one customer (default: a fixture)")
    parser.add_argument("--hook", type=Path, default=FIXTURES / "hooks" / "subscriptionBillable.json")
    parser.add_argument("--rounds", type=int, default=15, help="how many rounds are measured (default 15)")
    options = parser.parse_args()
    hook = options.hook.read_bytes()
    if options.document:
        document = options.document.read_bytes()
    else:
        document = laid_out((FIXTURES / "customer.xml").read_bytes())
    if documents.customer(document) != customer_of(document):
        parser.error("the hand-written code reads different models from this document")
    times = alternate(
        options.rounds,
        lxml=timed(etree.fromstring, document),
        document=timed(documents.customer, document),
        etree=timed(customer_of, document),
        json=timed(json.loads, hook),
        hook=timed(events.decode, hook),
    )
    seconds = {name: median(values) for name, values in times.items()}
    named = {
        "lxml": f"lxml parses the document, {len(document):,} bytes",
        "document": "the document to models",
        "etree": "the same models over xml.etree, a lookup for each field",
        "json": f"json reads the hook, {len(hook):,} bytes",
        "hook": "the hook to models",
    }
    report(
        "Decoding",
        [(text, f"{seconds[name] * 1e6:,.0f}", f"{1 / seconds[name]:,.0f}") for name, text in named.items()],
        ("what", "µs", "a second"),
        {
            "ratio_xml": ratio(times["lxml"], times["document"]),
            "times_etree": ratio(times["etree"], times["document"]),
            "ratio_hook": ratio(times["json"], times["hook"]),
            **{f"{name}_per_s": round(1 / each) for name, each in seconds.items()},
        },
    )


def timed(read: Callable[[bytes], object], body: bytes, times: int = 100) -> Callable[[], float]:
    """Return a function that measures one call of `read` in seconds, averaged over `times` calls."""

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(times):
            read(body)
        return (time.perf_counter() - started) / times

    return measure


def laid_out(document: bytes) -> bytes:
    """Return the document with Cheddar's indentation, which is a large part of what a parser reads."""
    root = etree.fromstring(document, etree.XMLParser(remove_blank_text=True))
    doubled = {element for path in _TWICE for element in root.iterfind(f".//{path}")}

    def indent(element: etree._Element, before: str) -> None:
        if len(element):
            inner = before + _INDENT * (2 if element in doubled else 1)
            element.text = inner
            for child in element:
                indent(child, inner)
                child.tail = inner
            element[-1].tail = before

    indent(root, "\n")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


# The hand-written code to compare with, which uses the standard library. Like the models, it keeps the source
# (built once for all levels), and its errors name the path of the value.

Element = ElementTree.Element
Source = dict[str, Any]
T = TypeVar("T")

LISTS = {"metaData", "subscriptions", "plans", "items", "invoices", "charges", "transactions"}


def customer_of(document: bytes) -> Customer:
    element = ElementTree.fromstring(document).find("customer")
    assert element is not None
    raw = source_of(element)
    return Customer(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        first_name=text(element, "firstName"),
        last_name=text(element, "lastName"),
        company=text(element, "company"),
        email=text(element, "email"),
        notes=text(element, "notes"),
        gateway_token=text(element, "gatewayToken"),
        is_tax_exempt=boolean(element, "isTaxExempt"),
        is_vat_exempt=boolean(element, "isVatExempt"),
        tax_number=text(element, "taxNumber"),
        vat_number=text(element, "vatNumber"),
        tax_rate=optional_number(element, "taxRate"),
        first_contact_datetime=moment(element, "firstContactDatetime"),
        referer=text(element, "referer"),
        referer_host=text(element, "refererHost"),
        campaign_source=text(element, "campaignSource"),
        campaign_medium=text(element, "campaignMedium"),
        campaign_term=text(element, "campaignTerm"),
        campaign_content=text(element, "campaignContent"),
        campaign_name=text(element, "campaignName"),
        key=text(element, "key"),
        created_datetime=moment(element, "createdDatetime"),
        modified_datetime=moment(element, "modifiedDatetime"),
        meta_data=all_of(meta_datum_of, element, raw, "metaData", "metaDatum"),
        subscriptions=all_of(subscription_of, element, raw, "subscriptions", "subscription"),
    )


def meta_datum_of(element: Element, raw: Source) -> MetaDatum:
    return MetaDatum(
        raw=raw,
        id=element.get("id", ""),
        name=text(element, "name"),
        value=text(element, "value"),
        created_datetime=moment(element, "createdDatetime"),
        modified_datetime=moment(element, "modifiedDatetime"),
    )


def subscription_of(element: Element, raw: Source) -> Subscription:
    return Subscription(
        raw=raw,
        id=element.get("id", ""),
        plan=next(iter(all_of(plan_of, element, raw, "plans", "plan")), Plan()),
        gateway_token=text(element, "gatewayToken"),
        gateway_token_aux=text(element, "gatewayTokenAux"),
        gateway_account=gateway_account_of(element, raw),
        cc_first_name=text(element, "ccFirstName"),
        cc_last_name=text(element, "ccLastName"),
        cc_company=text(element, "ccCompany"),
        cc_country=text(element, "ccCountry"),
        cc_address=text(element, "ccAddress"),
        cc_city=text(element, "ccCity"),
        cc_state=text(element, "ccState"),
        cc_zip=text(element, "ccZip"),
        cc_type=text(element, "ccType"),
        cc_last_four=text(element, "ccLastFour"),
        cc_expiration_date=day(element, "ccExpirationDate"),
        cc_email=text(element, "ccEmail"),
        cancel_type=text(element, "cancelType"),
        cancel_reason=text(element, "cancelReason"),
        canceled_datetime=moment(element, "canceledDatetime"),
        created_datetime=moment(element, "createdDatetime"),
        redirect_url=text(element, "redirectUrl"),
        method=text(element, "method"),
        items=all_of(item_of, element, raw, "items", "item"),
        invoices=all_of(invoice_of, element, raw, "invoices", "invoice"),
    )


def plan_of(element: Element, raw: Source) -> Plan:
    return Plan(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        name=text(element, "name"),
        display_name=text(element, "displayName"),
        description=text(element, "description"),
        is_active=boolean(element, "isActive"),
        is_free=boolean(element, "isFree"),
        payment_method_is_required=boolean(element, "paymentMethodIsRequired"),
        trial_days=count(element, "trialDays"),
        initial_bill_count=count(element, "initialBillCount"),
        initial_bill_count_unit=text(element, "initialBillCountUnit"),
        initial_invoice_billing_datetime=moment(element, "initialInvoiceBillingDatetime"),
        billing_frequency=text(element, "billingFrequency"),
        billing_frequency_per=text(element, "billingFrequencyPer"),
        billing_frequency_unit=text(element, "billingFrequencyUnit"),
        billing_frequency_quantity=count(element, "billingFrequencyQuantity"),
        next_invoice_billing_datetime=moment(element, "nextInvoiceBillingDatetime"),
        setup_charge_code=text(element, "setupChargeCode"),
        setup_charge_amount=number(element, "setupChargeAmount"),
        recurring_charge_code=text(element, "recurringChargeCode"),
        recurring_charge_amount=number(element, "recurringChargeAmount"),
        on_change_initial_bill_handler=text(element, "onChangeInitialBillHandler"),
        setup_charge_bill_handler=text(element, "setupChargeBillHandler"),
        on_change_setup_charge_bill_handler=text(element, "onChangeSetupChargeBillHandler"),
        created_datetime=moment(element, "createdDatetime"),
        items=all_of(plan_item_of, element, raw, "items", "item"),
    )


def plan_item_of(element: Element, raw: Source) -> PlanItem:
    return PlanItem(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        name=text(element, "name"),
        quantity_included=number(element, "quantityIncluded"),
        is_periodic=boolean(element, "isPeriodic"),
        overage_amount=number(element, "overageAmount"),
        created_datetime=moment(element, "createdDatetime"),
    )


def gateway_account_of(parent: Element, raw: Source) -> GatewayAccount | None:
    element = parent.find("gatewayAccount")
    if element is None:
        return None
    return GatewayAccount(
        raw=raw["gatewayAccount"],
        id=text(element, "id"),
        gateway=text(element, "gateway"),
        type=text(element, "type"),
    )


def item_of(element: Element, raw: Source) -> Item:
    return Item(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        name=text(element, "name"),
        quantity=number(element, "quantity"),
        created_datetime=moment(element, "createdDatetime"),
        modified_datetime=moment(element, "modifiedDatetime"),
    )


def invoice_of(element: Element, raw: Source) -> Invoice:
    return Invoice(
        raw=raw,
        id=element.get("id", ""),
        number=count(element, "number"),
        type=text(element, "type"),
        vat_rate=optional_number(element, "vatRate"),
        tax_rate=optional_number(element, "taxRate"),
        billing_datetime=moment(element, "billingDatetime"),
        previous_billing_datetime=moment(element, "previousBillingDatetime"),
        is_initial=boolean(element, "isInitial"),
        paid_transaction_id=text(element, "paidTransactionId"),
        created_datetime=moment(element, "createdDatetime"),
        items=all_of(item_of, element, raw, "items", "item"),
        charges=all_of(charge_of, element, raw, "charges", "charge"),
        transactions=all_of(transaction_of, element, raw, "transactions", "transaction"),
    )


def charge_of(element: Element, raw: Source) -> Charge:
    return Charge(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        type=text(element, "type"),
        quantity=number(element, "quantity"),
        each_amount=number(element, "eachAmount"),
        description=text(element, "description"),
        created_datetime=moment(element, "createdDatetime"),
    )


def transaction_of(element: Element, raw: Source) -> Transaction:
    return Transaction(
        raw=raw,
        id=element.get("id", ""),
        code=element.get("code", ""),
        parent_id=text(element, "parentId"),
        gateway_token=text(element, "gatewayToken"),
        gateway_account=gateway_account_of(element, raw),
        amount=number(element, "amount"),
        tax_amount=optional_number(element, "taxAmount"),
        memo=text(element, "memo"),
        response=text(element, "response"),
        response_reason=text(element, "responseReason"),
        transacted_datetime=moment(element, "transactedDatetime"),
        created_datetime=moment(element, "createdDatetime"),
    )


def all_of(
    read: Callable[[Element, Source], T], parent: Element, raw: Source, name: str, singular: str
) -> tuple[T, ...]:
    found: list[T] = []
    for element in parent.findall(f"{name}/{singular}"):
        try:
            found.append(read(element, raw[name][len(found)]))
        except DecodeError as error:
            raise error.under(f"{name}[{len(found)}]") from None
    return tuple(found)


def source_of(element: Element) -> Source:
    source: Source = {f"@{name}": value for name, value in element.items()}
    for child in element:
        if child.tag in LISTS:
            source[child.tag] = [source_of(entry) for entry in child]
        elif len(child) or child.attrib:
            source[child.tag] = source_of(child)
        else:
            source[child.tag] = child.text or ""
    if not len(element) and element.text:
        source["#text"] = element.text
    return source


def text(element: Element, name: str) -> str:
    return element.findtext(name) or ""


def number(element: Element, name: str) -> Decimal:
    return optional_number(element, name) or Decimal(0)


def optional_number(element: Element, name: str) -> Decimal | None:
    found = element.findtext(name)
    try:
        return Decimal(found) if found else None
    except InvalidOperation:
        raise DecodeError("a number was expected", name) from None


def count(element: Element, name: str) -> int | None:
    found = element.findtext(name)
    try:
        return int(found) if found else None
    except ValueError:
        raise DecodeError("a whole number was expected", name) from None


def boolean(element: Element, name: str) -> bool:
    found = element.findtext(name)
    if found not in (None, "", "0", "1"):
        raise DecodeError("a boolean was expected", name)
    return found == "1"


def moment(element: Element, name: str) -> datetime | None:
    found = element.findtext(name)
    try:
        return datetime.fromisoformat(found).astimezone(UTC) if found else None
    except ValueError:
        raise DecodeError("a date was expected", name) from None


def day(element: Element, name: str) -> date | None:
    found = element.findtext(name)
    try:
        return date.fromisoformat(found[:10]) if found else None
    except ValueError:
        raise DecodeError("a date was expected", name) from None


if __name__ == "__main__":
    main()
