"""Calls about plans and promotions."""

from typing import Unpack

from tallyhook._call import Call, only, text
from tallyhook.cheddar import responses
from tallyhook.cheddar.calls.call import PlanRef, Subject, call, identity, of_plan
from tallyhook.cheddar.models import Plan, Promotion
from tallyhook.cheddar.parameters import PlanEdit, PlanFields, pairs


def get_plans() -> Call[tuple[Plan, ...]]:
    """List all plans of the product."""
    return call("plans/get", responses.plans, repeatable=True)


def get_plan(plan: PlanRef) -> Call[Plan]:
    """Get one plan, by code or id."""
    return of_plan("plans/get", plan)


def new_plan(code: str, name: str, **fields: Unpack[PlanFields]) -> Call[Plan]:
    """Create a plan. This call is known only from client libraries.

    The form's fields have the same names as in a plan's document (inferred).
    """
    form = pairs(
        {
            "code": text(code, "The plan's code"),
            "name": text(name, "The plan's name"),
            **only(PlanFields, fields),
        }
    )
    return call("plans/new", responses.plan, form=form, subject=Subject("code", (code,)))


def edit_plan(plan: PlanRef, **fields: Unpack[PlanEdit]) -> Call[Plan]:
    """Change fields of a plan. The fields are those of `new_plan`, except for the code (inferred)."""
    return of_plan("plans/edit", plan, pairs(only(PlanEdit, fields)))


def delete_plan(plan: PlanRef) -> Call[None]:
    """Delete a plan."""
    return call("plans/delete", responses.nothing, identity(plan, "plan"))


def get_promotions() -> Call[tuple[Promotion, ...]]:
    """List all promotions of the product."""
    return call("promotions/get", responses.promotions, repeatable=True)


def get_promotion(coupon_code: str) -> Call[Promotion]:
    """Get the promotion with this coupon code."""
    return call("promotions/get", responses.promotion, identity(coupon_code, "coupon"), repeatable=True)
