"""The expected documents and hooks, as the client's models, built from the engine's objects.

Nothing here reads or writes XML or JSON, so a value that is lost or changed on the way shows up as a
difference.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tallyhook import models
from tallyhook._model import Model
from tallyhook_mock.core.ids import text
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    Customer,
    Invoice,
    InvoiceState,
    InvoiceType,
    MetaDatum,
    PaymentMethod,
    Subscription,
    Transaction,
)
from tallyhook_mock.systems.cheddar.products import Coupon, Plan, PlanItem, Product, Promotion
from tallyhook_mock.systems.cheddar.settings import Rules

GATEWAY = "Stripe_Simulator"
DEFAULTS = Rules()


def plain(value: Any) -> Any:
    """A model as dicts and tuples without its source, so that pytest shows where two differ."""
    if isinstance(value, Model):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name != "raw"}
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def identity(number: int) -> str:
    return text(number) if number else ""


# -- documents


def customer(of: Customer, at: datetime) -> models.Customer:
    """The customer in a document that is read at this time."""
    details = of.details
    contact = details.get("firstContactDatetime", "")
    referer, number = details.get("referer", ""), details.get("taxNumber", "")
    return models.Customer(
        id=text(of.id),
        code=of.code,
        **told(details, "first_name", "last_name", "company", "email", "notes"),
        gateway_token=token(of),
        is_tax_exempt=of.is_exempt,
        is_vat_exempt=of.is_exempt,
        tax_number=number,
        vat_number=number,
        tax_rate=of.tax_rate,
        first_contact_datetime=datetime.fromisoformat(contact) if contact else None,
        referer=referer,
        referer_host=urlsplit(referer).hostname or "",
        **told(details, *(f"campaign_{part}" for part in ("source", "medium", "term", "content", "name"))),
        key=of.key,
        created_datetime=of.created,
        modified_datetime=of.modified,
        meta_data=tuple(map(meta_datum, of.meta_data)),
        subscriptions=tuple(
            subscription(each, at, is_current=each is of.subscription) for each in of.subscriptions
        ),
    )


def token(of: Customer) -> str:
    payment = of.subscription.payment
    return of.details.get("gatewayToken") or (payment.gateway_token if payment else "")


def told(details: Mapping[str, str], *names: str) -> dict[str, str]:
    """The values of these snake-case names, from details stored under Cheddar's camelCase names."""
    found = {}
    for name in names:
        head, *tail = name.split("_")
        found[name] = details.get(head + "".join(part.capitalize() for part in tail), "")
    return found


def meta_datum(of: MetaDatum) -> models.MetaDatum:
    return models.MetaDatum(
        id=text(of.id),
        name=of.name,
        value=of.value,
        created_datetime=of.created,
        modified_datetime=of.modified,
    )


def subscription(of: Subscription, at: datetime, *, is_current: bool) -> models.Subscription:
    payment = of.payment
    periods = [each for each in of.invoices if each.type is InvoiceType.SUBSCRIPTION]
    counted = periods[-1] if periods else None
    return models.Subscription(
        id=text(of.id),
        plan=plan(of.plan, at, of.customer.product.rules),
        gateway_token=payment.gateway_token if payment else "",
        gateway_account=account(payment.method) if payment else None,
        **card(payment, of.card_details),
        cancel_type=of.cancel_type,
        cancel_reason=of.cancel_reason,
        canceled_datetime=of.canceled_at,
        created_datetime=of.created,
        redirect_url=of.redirect_url if of.waits_for_paypal else "",
        items=tuple(item(planned, counted) for planned in of.plan.items)
        if of.invoices and is_current
        else (),
        invoices=tuple(invoice(each) for each in reversed(of.invoices)),
    )


def account(method: str) -> models.GatewayAccount:
    return models.GatewayAccount(id=text(0x71E29C22), gateway=GATEWAY, type=method)


def card(payment: PaymentMethod | None, given: Mapping[str, str] | None = None) -> dict[str, Any]:
    names = ("first_name", "last_name", "company", "country", "address", "city", "state", "zip", "email")
    fields: dict[str, Any] = told(
        payment.details if payment else given or {}, *(f"cc_{name}" for name in names)
    )
    if payment:
        fields |= {"cc_type": payment.card_type, "cc_last_four": payment.last_four}
        fields["cc_expiration_date"] = payment.expires
    return fields


def plan(of: Plan, at: datetime, rules: Rules = DEFAULTS) -> models.Plan:
    every = of.frequency
    first = of.first_bill(at, rules)
    shown = f"{of.name} • {of.recurring_charge_amount:.2f}"
    return models.Plan(
        **agreed(of),
        display_name=shown if every.name == "none" else f"{shown} / {every.per.title()}",
        payment_method_is_required=of.payment_method_is_required,
        trial_days=of.trial_days,
        initial_bill_count=of.initial_bill_count,
        initial_bill_count_unit=of.initial_bill_count_unit,
        initial_invoice_billing_datetime=first,
        billing_frequency=every.name,
        billing_frequency_per=every.per,
        next_invoice_billing_datetime=every.after(first, 1, rules.add_months),
        setup_charge_code=of.setup_charge_code if of.setup_charge_amount else "",
        on_change_initial_bill_handler=of.on_change_initial_bill_handler,
        setup_charge_bill_handler=of.setup_charge_bill_handler,
        on_change_setup_charge_bill_handler=of.on_change_setup_charge_bill_handler,
        items=tuple(plan_item(each, each.created) for each in of.items),
    )


def agreed(of: Plan) -> dict[str, Any]:
    """What documents and hooks have in common."""
    return {
        "id": text(of.id),
        "code": of.code,
        "name": of.name,
        "description": of.description,
        "is_active": of.is_active,
        "is_free": of.is_free,
        "billing_frequency_unit": of.frequency.unit,
        "billing_frequency_quantity": of.frequency.quantity,
        "setup_charge_amount": of.setup_charge_amount,
        "recurring_charge_code": of.recurring_charge_code,
        "recurring_charge_amount": of.recurring_charge_amount,
        "created_datetime": of.created,
    }


def plan_item(of: PlanItem, created: datetime | None) -> models.PlanItem:
    return models.PlanItem(
        id=text(of.item.id),
        code=of.item.code,
        name=of.item.name,
        quantity_included=of.quantity_included,
        is_periodic=of.is_periodic,
        overage_amount=of.overage_amount,
        created_datetime=created,
    )


def item(planned: PlanItem, counted: Invoice | None) -> models.Item:
    usage = counted.usage.get(planned.item.code) if counted else None
    return models.Item(
        id=text(planned.item.id),
        code=planned.item.code,
        name=planned.item.name,
        quantity=usage.quantity if usage else Decimal(0),
        created_datetime=usage.created if usage else None,
        modified_datetime=usage.modified if usage else None,
    )


def invoice(of: Invoice) -> models.Invoice:
    return models.Invoice(
        id=text(of.id),
        number=of.number,
        type=of.type.value,
        vat_rate=of.tax_rate,
        tax_rate=of.tax_rate,
        billing_datetime=of.billing_at,
        paid_transaction_id=identity(of.paid_by),
        created_datetime=of.created,
        charges=tuple(map(charge, of.lines())),
        transactions=tuple(map(transaction, of.transactions)),
    )


def charge(of: Charge) -> models.Charge:
    return models.Charge(
        id=identity(of.id),
        code=of.code,
        type=of.type.value,
        quantity=of.quantity,
        each_amount=of.each_amount,
        description=of.description,
        created_datetime=of.created,
    )


def transaction(of: Transaction) -> models.Transaction:
    return models.Transaction(
        **made(of),
        gateway_account=account(of.payment.method) if of.payment else None,
        created_datetime=of.at,
    )


def made(of: Transaction) -> dict[str, Any]:
    """What documents and hooks have in common."""
    return {
        "id": text(of.id),
        "parent_id": identity(of.parent),
        "gateway_token": "SIMULATED" if of.payment else "",
        "amount": of.amount,
        "memo": of.memo,
        "response": "approved" if of.approved else "declined",
        "response_reason": of.reason,
        "transacted_datetime": of.at,
    }


def promotion(of: Promotion, plans: dict[str, Plan]) -> models.Promotion:
    incentive = models.Incentive(
        id=text(of.incentive_id),
        type="percentage",
        percentage=of.percentage,
        months=of.months,
        expiration_datetime=of.expiration,
    )
    return models.Promotion(
        id=text(of.id),
        name=of.name,
        description=of.description,
        created_datetime=of.created,
        plans=tuple(models.Plan(id=text(plans[c].id), code=c, name=plans[c].name) for c in of.plans),
        incentives=(incentive,),
        coupons=tuple(map(coupon, of.coupons)),
    )


def coupon(of: Coupon) -> models.Coupon:
    return models.Coupon(
        id=text(of.id),
        code=of.code,
        max_redemptions=of.max_redemptions,
        expiration_datetime=of.expiration,
        created_datetime=of.created,
    )


# -- current and outstanding invoices


def addressed(of: Subscription) -> tuple[int | None, int | None]:
    """The numbers of the cycle's current and outstanding invoices, as the client reads them from a document.

    On a canceled subscription, an open invoice with only custom charges looks like an outstanding one, and
    counts as one.
    """
    current, held = of.current, of.outstanding
    if held is not None and held.type is not InvoiceType.SUBSCRIPTION:
        held = None
    if current is not None and of.is_canceled and not current.projected():
        current, held = None, held or current
    return current.number if current else None, held.number if held else None


# -- hooks


def product(of: Product) -> models.Product:
    return models.Product(id=text(of.id), code=of.code, name=of.name, subdomain=of.subdomain)


def announced_customer(of: Customer) -> models.Customer:
    """The customer in a hook: no metadata, no tax rate, and no duplicate fields."""
    full = plain(customer(of, of.created))
    for name in ("is_vat_exempt", "vat_number", "tax_rate", "referer_host", "modified_datetime"):
        del full[name]
    del full["meta_data"], full["subscriptions"], full["errors"]
    return models.Customer(**full)


def announced_subscription(
    of: Subscription, about: Invoice | None, with_transaction: models.Transaction | None
) -> models.Subscription:
    """The subscription in a hook, with the invoice that the hook concerns and its transaction."""
    payment = of.payment
    return models.Subscription(
        **agreement(of),
        cancel_type=of.cancel_type,
        cancel_reason=of.cancel_reason,
        canceled_datetime=of.canceled_at,
        invoice=announced_invoice(about, with_transaction) if about else None,
        method=payment.method if payment else "",
        payment_method=payment_method(payment),
    )


def agreement(of: Subscription) -> dict[str, Any]:
    """The fields that a hook has for the new and for the previous subscription."""
    sold = models.Plan(
        **agreed(of.plan),
        setup_charge_code=of.plan.setup_charge_code,
        items=tuple(plan_item(each, None) for each in of.plan.items),
    )
    return {
        "id": text(of.id),
        "plan": sold,
        "gateway_token": of.payment.gateway_token if of.payment else "",
        **card(of.payment),
        "created_datetime": of.created,
    }


def payment_method(of: PaymentMethod | None) -> models.PaymentMethod | None:
    if of is None:
        return None
    details = of.details
    is_card = of.method == "cc"
    kept = models.CreditCard(credit_card_type=of.card_type, first_six=of.first_six, last_four=of.last_four)
    return models.PaymentMethod(
        id=text(of.id),
        method=of.method,
        type="CreditCard" if is_card else "PayPal",
        first_name=details.get("ccFirstName", ""),
        last_name=details.get("ccLastName", ""),
        company=details.get("ccCompany", ""),
        email=details.get("ccEmail", ""),
        street=details.get("ccAddress", ""),
        city=details.get("ccCity", ""),
        state=details.get("ccState", ""),
        post_code=details.get("ccZip", ""),
        country=details.get("ccCountry", ""),
        expiration_date=of.expires,
        gateway_token=of.gateway_token,
        credit_card=kept if is_card else None,
        created_datetime=of.created,
    )


def announced_invoice(of: Invoice, with_transaction: models.Transaction | None) -> models.Invoice:
    """The invoice in a hook, without projected charges, and with at most one transaction."""
    return models.Invoice(
        id=text(of.id),
        number=of.number,
        type=of.type.value,
        tax_rate=of.tax_rate,
        billing_datetime=of.billing_at,
        previous_billing_datetime=of.previous_at,
        is_initial=of.is_initial,
        paid_transaction_id=identity(of.paid_by),
        created_datetime=of.created,
        items=tuple(announced_item(planned, of) for planned in of.plan.items),
        charges=tuple(
            charge(line) for line in sorted(of.lines(), key=lambda line: line.each_amount >= 0) if line.id
        ),
        transactions=(with_transaction,) if with_transaction else (),
    )


def announced_item(planned: PlanItem, counted: Invoice) -> models.Item:
    """The item in a hook, which has no dates."""
    full = plain(item(planned, counted))
    return models.Item(**{**full, "created_datetime": None, "modified_datetime": None})


def announced_transaction(of: Transaction, within: Invoice) -> models.Transaction:
    return models.Transaction(
        **made(of),
        payment_method=payment_method(of.payment),
        tax_amount=within.tax or None,
    )


def expected_transaction(of: Invoice) -> models.Transaction:
    """The transaction in a reminder, which has the expected total."""
    assert of.state is InvoiceState.OPEN
    return models.Transaction(
        amount=of.total,
        payment_method=payment_method(of.subscription.payment),
        tax_amount=of.tax or None,
    )
