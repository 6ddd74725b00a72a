"""Writes the mock's current catalogue in a form that can be read again."""

from datetime import datetime
from typing import Any

import msgspec

from tallyhook_mock.catalog.table import MASK
from tallyhook_mock.core import ids
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems import Systems, parts
from tallyhook_mock.systems.cheddar.products import Plan, PlanItem, Product, Promotion
from tallyhook_mock.systems.cheddar.settings import Rules
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["dump_catalog"]


def dump_catalog(systems: Systems) -> dict[str, Any]:
    """Return the retry schedule, rules, users, products, plans, promotions and listeners, but no customers.

    Billing systems other than Cheddar have their own sections, unless nothing was set in them. Passwords and
    API keys are masked. Secrets that sign hooks are shown, because listeners need them.
    """
    state, dumps = systems.cheddar, parts("catalog")
    sections = {
        name: dumps[name].dump(system) | _listeners(state, name) for name, system in systems.others.items()
    }
    return {
        "hookRetryPauses": [f"{pause.total_seconds():.0f}s" for pause in state.hooks.pauses],
        "rules": _rules(state),
        "users": [
            _given(email=email, password=MASK, timezone=state.time_zones.get(email)) for email in state.users
        ],
        "products": [_product(product, state) for product in state.products.values()],
        **{
            name: section
            for name, section in sections.items()
            if section != dumps[name].dump(type(systems.others[name])())
        },
    }


def _listeners(state: State, system: str) -> dict[str, Any]:
    """Return the listeners of a billing system other than Cheddar. Their keys are not masked."""
    found = [
        {
            "url": listener.url,
            "events": sorted(listener.events),
            **({"header": listener.header, "key": listener.key} if listener.header else {}),
        }
        for listener in state.hooks.listeners.values()
        if listener.system == system
    ]
    return {"listeners": found} if found else {}


def _rules(state: State) -> dict[str, Any]:
    """Return the rules that differ from the defaults. All products have the same rules."""
    rules = next((product.rules for product in state.products.values()), Rules())
    plain = msgspec.structs.asdict(rules)
    plain["dunning"] = [f"{pause.total_seconds():.0f}s" for pause in rules.dunning]
    default = msgspec.structs.asdict(Rules())
    default["dunning"] = [f"{pause.total_seconds():.0f}s" for pause in Rules().dunning]
    return {name: value for name, value in plain.items() if value != default[name]}


def _product(product: Product, state: State) -> dict[str, Any]:
    return {
        "code": product.code,
        "id": ids.text(product.id),
        "name": product.name,
        "subdomain": product.subdomain,
        "secret": product.secret,
        "signature": product.signature,
        "currencySymbol": product.currency,
        "ccCardCodeIsRequired": product.requires_card_code,
        "ccZipIsRequired": product.requires_zip,
        **({"ccZipDeclines": product.declining_zip} if product.declining_zip else {}),
        "billReminderDays": list(product.bill_reminder_days),
        "isTaxExempt": product.is_tax_exempt,
        **({} if product.tax_rate is None else {"taxRate": quantity_text(product.tax_rate)}),
        "plans": [_plan(plan) for plan in product.plans.values()],
        "promotions": [_promotion(promotion) for promotion in product.promotions.values()],
        "listeners": [
            {"url": listener.url, "events": sorted(listener.events)}
            for listener in state.hooks.listeners.values()
            if listener.product == product.code
        ],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "isActive": plan.is_active,
        "isFree": plan.is_free,
        "paymentMethodIsRequired": plan.payment_method_is_required,
        "trialDays": plan.trial_days,
        "initialBillCount": plan.initial_bill_count,
        "initialBillCountUnit": plan.initial_bill_count_unit,
        "billingFrequency": plan.frequency.name,
        "setupChargeCode": plan.setup_charge_code,
        "setupChargeAmount": amount_text(plan.setup_charge_amount),
        "recurringChargeCode": plan.recurring_charge_code,
        "recurringChargeAmount": amount_text(plan.recurring_charge_amount),
        "onChangeInitialBillHandler": plan.on_change_initial_bill_handler,
        "setupChargeBillHandler": plan.setup_charge_bill_handler,
        "onChangeSetupChargeBillHandler": plan.on_change_setup_charge_bill_handler,
        "items": [_item(planned) for planned in plan.items],
    }


def _item(planned: PlanItem) -> dict[str, Any]:
    return {
        "code": planned.item.code,
        "name": planned.item.name,
        "quantityIncluded": quantity_text(planned.quantity_included),
        "isPeriodic": planned.is_periodic,
        "overageAmount": amount_text(planned.overage_amount),
    }


def _promotion(promotion: Promotion) -> dict[str, Any]:
    return _given(
        name=promotion.name,
        description=promotion.description,
        percentage=quantity_text(promotion.percentage),
        months=promotion.months,
        expirationDatetime=promotion.expiration,
        plans=list(promotion.plans),
        chargeTypes=list(promotion.charge_types),
        coupons=[
            _given(
                code=coupon.code, maxRedemptions=coupon.max_redemptions, expirationDatetime=coupon.expiration
            )
            for coupon in promotion.coupons
        ],
    )


def _given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, with datetimes as text."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }
