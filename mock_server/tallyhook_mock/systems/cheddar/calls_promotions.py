"""The calls under `/promotions`."""

from tallyhook_mock.core import ids
from tallyhook_mock.systems.cheddar.refusal import not_found
from tallyhook_mock.systems.cheddar.request import Call
from tallyhook_mock.systems.cheddar.xml_documents import promotions_document

__all__ = ["get"]


def get(call: Call) -> str:
    """The promotion of a coupon code or an id, or all of them. The words of the refusals are inferred."""
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
