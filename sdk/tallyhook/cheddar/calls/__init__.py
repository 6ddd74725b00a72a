"""Every call of Cheddar's API.

These functions send nothing. Each returns a `Call`, which says what to send and how to read the answer. The
clients turn these functions into methods; `client.send(call)` sends a call that you built yourself.

In a request, the query string identifies the customer, plan or invoice, and the form contains the changes.
Cheddar also accepts these parameters in other places, even in the path (documented), but not every server
correctly reads a path that contains a code with `/`, `.` or `+`.

Clients retry only repeatable calls: calls that have the same effect if they are sent twice. A call is
repeatable if it reads objects, sets an item's quantity, sets fields of a customer or plan (but not a
customer's code), or deletes a charge (the id of a deleted charge is never reused). The other calls are not
repeatable, for example:

- calls that create charges, customers or plans, or that add to a quantity;
- calls that move money: one-time invoices, refunds, voids, running an outstanding invoice (a retry could run
  a second one), and editing a subscription (which may bill at once);
- calls that send emails;
- calls that delete a customer or plan, because a new one could have the same code when the call is retried.
"""

from tallyhook._call import Call
from tallyhook.cheddar.calls.call import CustomerRef, InvoiceRef, ItemRef, PlanRef
from tallyhook.cheddar.calls.customers import (
    cancel,
    delete_all_customers,
    delete_customer,
    edit,
    edit_customer,
    edit_subscription,
    get_customer,
    get_customers,
    import_customers,
    new_customer,
    paypal_revert,
    search_customers,
)
from tallyhook.cheddar.calls.invoices import (
    new_invoice,
    refund,
    run_invoice,
    run_outstanding,
    send_email,
    void,
    void_or_refund,
    waive_invoice,
)
from tallyhook.cheddar.calls.plans import (
    delete_plan,
    edit_plan,
    get_plan,
    get_plans,
    get_promotion,
    get_promotions,
    new_plan,
)
from tallyhook.cheddar.calls.usage import (
    add_charge,
    add_item_quantity,
    delete_charge,
    remove_item_quantity,
    set_item_quantity,
)

__all__ = [
    "Call",
    "CustomerRef",
    "InvoiceRef",
    "ItemRef",
    "PlanRef",
    "add_charge",
    "add_item_quantity",
    "cancel",
    "delete_all_customers",
    "delete_charge",
    "delete_customer",
    "delete_plan",
    "edit",
    "edit_customer",
    "edit_plan",
    "edit_subscription",
    "get_customer",
    "get_customers",
    "get_plan",
    "get_plans",
    "get_promotion",
    "get_promotions",
    "import_customers",
    "new_customer",
    "new_invoice",
    "new_plan",
    "paypal_revert",
    "refund",
    "remove_item_quantity",
    "run_invoice",
    "run_outstanding",
    "search_customers",
    "send_email",
    "set_item_quantity",
    "void",
    "void_or_refund",
    "waive_invoice",
]
