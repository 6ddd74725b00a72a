"""The table of calls: controller and action, as in `/xml/customers/set-item-quantity`, to a handler."""

from tallyhook_mock.cheddar import customers, invoices, plans, promotions
from tallyhook_mock.cheddar.call import Handler
from tallyhook_mock.engine.cheddar.refusal import Refusal, not_found

__all__ = ["ROUTES", "actions_of", "handler"]

ROUTES: dict[str, dict[str, Handler]] = {
    "plans": {
        "get": plans.get,
        "new": plans.new,
        "edit": plans.edit,
        "delete": plans.delete,
    },
    "customers": {
        "get": customers.get,
        "get-all": customers.get_all,
        "list": customers.list_,
        "search": customers.get_all,
        "new": customers.new,
        "import": customers.import_,
        "edit": customers.edit,
        "edit-customer": customers.edit_customer,
        "edit-subscription": customers.edit_subscription,
        "cancel": customers.cancel,
        "delete": customers.delete,
        "delete-all": customers.delete_all,
        "add-item-quantity": customers.add_item_quantity,
        "remove-item-quantity": customers.remove_item_quantity,
        "set-item-quantity": customers.set_item_quantity,
        "add-charge": customers.add_charge,
        "delete-charge": customers.delete_charge,
        "run-outstanding": customers.run_outstanding,
        "paypal-revert": customers.paypal_revert,
    },
    "invoices": {
        "new": invoices.new,
        "refund": invoices.refund,
        "void": invoices.void,
        "void-or-refund": invoices.void_or_refund,
        "waive": invoices.waive,
        "run": invoices.run,
        "send-email": invoices.send_email,
    },
    "promotions": {
        "get": promotions.get,
    },
}


def actions_of(controller: str) -> dict[str, Handler]:
    """The calls of a controller; names count with their case. The words of the refusals are inferred."""
    if controller not in ROUTES:
        raise not_found("Resource not found")
    return ROUTES[controller]


def handler(actions: dict[str, Handler], action: str) -> Handler:
    """The handler of a call."""
    if not action:
        raise Refusal(400, "No action selected")
    if action not in actions:
        raise not_found("Resource not found")
    return actions[action]
