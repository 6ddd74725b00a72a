"""Every call of Cheddar's API, described once.

A function here sends nothing: it returns a `Call`, which says what to send and how to read the answer.
The clients turn these functions into their methods; `client.send(call)` sends one that was described by
hand.

Who is meant goes into the query string and what changes into the form. Servers take both anywhere, in the
path too (documented), but a code with `/`, `.` or `+` does not survive every server's reading of a path.

A call is marked repeatable, and so tried again by itself, only where twice comes to the same as once:
readings; setting an item's quantity or a customer's or a plan's fields; deleting a charge, whose id is
never given again. Not so: what adds (charges, quantities, customers, plans); what moves money (one-time
invoices, refunds, voids, running an outstanding invoice when another waits behind it, a subscription's
edit, which may bill at once); mails; and what could meet somebody else the second time (deleting a
customer or a plan by a code that is in use again).
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
