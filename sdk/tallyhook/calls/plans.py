"""Plans."""

from typing import Unpack

from tallyhook import documents
from tallyhook.calls.call import Call, PlanRef, identity, plan_subject
from tallyhook.inputs import PlanEdit, PlanFields, only, pairs
from tallyhook.models import Plan


def get_plans() -> Call[tuple[Plan, ...]]:
    """All plans of the product."""
    return Call("plans/get", documents.plans, repeatable=True)


def get_plan(plan: PlanRef) -> Call[Plan]:
    """One plan, by code or id."""
    return Call(
        "plans/get", documents.plan, identity(plan, "plan"), repeatable=True, subject=plan_subject(plan)
    )


def new_plan(code: str, name: str, **fields: Unpack[PlanFields]) -> Call[Plan]:
    """Create a plan. Only some clients do; the fields are those of a plan's document (inferred)."""
    form = pairs({"code": code, "name": name, **only(PlanFields, fields)})
    return Call("plans/new", documents.plan, form=form, subject=plan_subject(code))


def edit_plan(plan: PlanRef, **fields: Unpack[PlanEdit]) -> Call[Plan]:
    """Change the given fields of a plan; its code stays (inferred, as for `new_plan`)."""
    form = pairs(only(PlanEdit, fields))
    return Call(
        "plans/edit",
        documents.plan,
        identity(plan, "plan"),
        form,
        repeatable=True,
        subject=plan_subject(plan),
    )


def delete_plan(plan: PlanRef) -> Call[None]:
    """Delete a plan."""
    return Call("plans/delete", documents.nothing, identity(plan, "plan"))
