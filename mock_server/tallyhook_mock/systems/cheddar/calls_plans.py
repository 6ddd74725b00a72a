"""The handlers of the calls under `/plans` and `/promotions`.

Some clients change plans with these calls. After a plan is deleted, its subscribers keep it unchanged
(inferred).
"""

from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core import ids
from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.core.money import ZERO
from tallyhook_mock.systems.cheddar import validators
from tallyhook_mock.systems.cheddar.products import (
    BILL_COUNT_UNITS,
    CHANGE_HANDLERS,
    CHARGE_CODE_LENGTH,
    HANDLERS,
    Item,
    Plan,
    PlanItem,
    recurring_code,
)
from tallyhook_mock.systems.cheddar.refusal import not_found
from tallyhook_mock.systems.cheddar.request import Call, Parameters
from tallyhook_mock.systems.cheddar.xml_documents import SUCCESS, plans_document, promotions_document

__all__ = ["delete", "edit", "get", "get_promotions", "new"]

_LONGEST_TRIAL = 3650
_MOST_UNITS = 120


def get(call: Call) -> str:
    """Return one plan by code or id. If neither is given, return all plans."""
    if "code" in call.parameters or "id" in call.parameters:
        return plans_document((_plan(call),), call.at, call.product.rules)
    if not call.product.plans:
        raise not_found("No plans found.")  # inferred from the text for customers
    return plans_document(call.product.plans.values(), call.at, call.product.rules)


def new(call: Call) -> str:
    """Create a plan.

    If no billing frequency is given, the plan bills monthly, like a plan in a catalogue (inferred).
    """
    parameters = call.parameters
    code = validators.required(parameters, "code", 36)
    if code in call.product.plans:
        raise parameters.invalid("code", "notUnique", f"Another plan already exists with code={code}")
    name = validators.required(parameters, "name", 60)
    blank = Plan(0, code, name, "", FREQUENCIES["monthly"], recurring_code(code), ZERO, call.at)
    plan = _read(call, blank)
    return _store(call, replace(plan, id=call.state.ids.next()))


def edit(call: Call) -> str:
    """Change a plan. Fields that the call omits don't change.

    The code identifies the plan and can't be changed.

    Standing: inferred.
    """
    return _store(call, _read(call, _plan(call)))


def delete(call: Call) -> str:
    del call.product.plans[_plan(call).code]
    return SUCCESS


def _store(call: Call, plan: Plan) -> str:
    call.state.put_plan(call.product, plan)
    return plans_document((plan,), call.at, call.product.rules)


def _plan(call: Call) -> Plan:
    """Return the plan that the call names by id or code. If both are given, the id is used.

    The text of the refusal for an unknown id is inferred.
    """
    if written := call.parameters.text("id"):
        number = ids.parse(written)
        for plan in call.product.plans.values():
            if plan.id == number:
                return plan
        raise not_found(f"Plan not found for id={written} within productCode={call.product.code}")
    code = call.parameters.text("code")
    if code not in call.product.plans:
        raise not_found(f"Plan not found for code={code} within productCode={call.product.code}")
    return call.product.plans[code]


def _read(call: Call, plan: Plan) -> Plan:
    """Return a copy of `plan`, updated with the fields in the call."""
    given = call.parameters
    if "name" in given:
        validators.required(given, "name", 60)
    return replace(
        plan,
        name=given.text("name") or plan.name,
        description=validators.text(given, "description") if "description" in given else plan.description,
        frequency=FREQUENCIES[validators.choice(given, "billingFrequency", FREQUENCIES, plan.frequency.name)],
        recurring_charge_code=validators.text(given, "recurringChargeCode", CHARGE_CODE_LENGTH)
        or plan.recurring_charge_code,
        recurring_charge_amount=validators.price(
            given, "recurringChargeAmount", plan.recurring_charge_amount
        ),
        setup_charge_code=validators.text(given, "setupChargeCode", CHARGE_CODE_LENGTH)
        or plan.setup_charge_code,
        setup_charge_amount=validators.price(given, "setupChargeAmount", plan.setup_charge_amount),
        is_active=_flag(given, "isActive", plan.is_active),
        is_free=_flag(given, "isFree", plan.is_free),
        payment_method_is_required=_flag(given, "paymentMethodIsRequired", plan.payment_method_is_required),
        trial_days=validators.whole(given, "trialDays", _LONGEST_TRIAL, plan.trial_days),
        initial_bill_count=validators.whole(given, "initialBillCount", _MOST_UNITS, plan.initial_bill_count),
        initial_bill_count_unit=validators.choice(
            given, "initialBillCountUnit", BILL_COUNT_UNITS, plan.initial_bill_count_unit
        ),
        on_change_initial_bill_handler=validators.choice(
            given, "onChangeInitialBillHandler", CHANGE_HANDLERS, plan.on_change_initial_bill_handler
        ),
        setup_charge_bill_handler=validators.choice(
            given, "setupChargeBillHandler", HANDLERS, plan.setup_charge_bill_handler
        ),
        on_change_setup_charge_bill_handler=validators.choice(
            given, "onChangeSetupChargeBillHandler", HANDLERS, plan.on_change_setup_charge_bill_handler
        ),
        items=_items(call) if "items" in given else plan.items,
    )


def _items(call: Call) -> tuple[PlanItem, ...]:
    """Read a plan's tracked items from `items[k][…]`. An item that the product already has keeps its id."""
    # All items are read before any is stored, so a refused call stores none.
    read = [_item(entry) for entry in call.parameters.levels("items")]
    planned = []
    for code, name, included, overage, is_periodic in read:
        item = call.product.items.get(code)
        if item is None:
            item = call.product.items[code] = Item(call.state.ids.next(), code, name, call.at)
        planned.append(PlanItem(item, included, overage, is_periodic, call.at))
    return tuple(planned)


def _item(entry: Parameters) -> tuple[str, str, Decimal, Decimal, bool]:
    code = validators.required(entry, "code", 36)
    return (
        code,
        validators.text(entry, "name", 60) or code,
        validators.quantity(entry, "quantityIncluded", Decimal(0)),
        validators.price(entry, "overageAmount", ZERO),
        _flag(entry, "isPeriodic", False),
    )


def _flag(parameters: Parameters, name: str, default: bool) -> bool:
    value = validators.flag(parameters, name)
    return default if value is None else value


def get_promotions(call: Call) -> str:
    """Return the promotions that the call names by coupon code or id.

    If the call has neither, return all promotions. The messages of this call's refusals are inferred.
    """
    found = list(call.product.promotions.values())
    parameters = call.parameters
    if "code" in parameters:
        code = parameters.text("code")
        found = [each for each in found if any(coupon.code == code for coupon in each.coupons)]
        if not found:
            raise not_found(f"Promotion not found for code={code}")
    elif "id" in parameters:
        number = ids.parse(parameters.text("id"))
        found = [each for each in found if each.id == number]
        if not found:
            raise not_found(f"Promotion not found for id={parameters.text('id')}")
    elif not found:
        raise not_found("No promotions found.")
    return promotions_document(found, call.product.plans)
