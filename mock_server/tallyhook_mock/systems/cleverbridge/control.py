"""`/_mock/cleverbridge/subscriptions`: control routes for things that Cleverbridge's API can't do."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table
from tallyhook_mock.control.requests import PAGE, as_operator, asks, mock_of, page, takes
from tallyhook_mock.control.shown import bill_shown, moment_shown
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cleverbridge import rules
from tallyhook_mock.systems.cleverbridge.catalog import SubscriptionTable, read_subscription
from tallyhook_mock.systems.cleverbridge.model import Item, Mail, Pending, Subscription, Update
from tallyhook_mock.systems.cleverbridge.state import State

__all__ = ["ROUTES"]


class AlignTable(Table):
    subscription_id: Required


@asks(*PAGE)
async def index(request: Request) -> JSONResponse:
    """List all subscriptions in order of creation."""
    found, more = page(_state(request).subscriptions, request.query_params, lambda each: each.id)
    return JSONResponse({"subscriptions": [_summary(each) for each in found], **more})


@takes(SubscriptionTable)
async def create(request: Request, table: SubscriptionTable) -> JSONResponse:
    """Create a subscription from the same keys as in a catalogue. Items billed in advance are charged now."""
    with as_operator(mock_of(request), State) as (state, at):
        new = read_subscription(table, lambda: next(state.free_ids()), state.products, state.coupons, at)
        subscription = rules.subscribe(state, new, at)
    return JSONResponse(_shown(subscription, state), 201)


@asks()
async def read(request: Request) -> JSONResponse:
    """Return a subscription with its items, updates, emails and bills. The newest bill is first."""
    return JSONResponse(_shown(_named(request), _state(request)))


async def end(request: Request) -> JSONResponse:
    """Deactivate a subscription."""
    subscription = _named(request)
    with as_operator(mock_of(request), State) as (state, at):
        rules.deactivate(state, subscription, at)
    return JSONResponse(_shown(subscription, state))


@takes(AlignTable)
async def join(request: Request, table: AlignTable) -> JSONResponse:
    """Move the items of a different subscription, whose next billing date must be earlier, to this one.

    Cleverbridge's call Align Subscriptions does this, but its path is not known.
    """
    subscription = _named(request)
    with as_operator(mock_of(request), State) as (state, at):
        rules.join(state, subscription.id, table.subscription_id, at)
    return JSONResponse(_shown(subscription, state))


def _state(request: Request) -> State:
    return mock_of(request).systems.of(State)


def _named(request: Request) -> Subscription:
    return _state(request).subscription(request.path_params["id"])


def _summary(subscription: Subscription) -> dict[str, Any]:
    is_active = subscription.is_active
    return {
        "id": subscription.id,
        "customerId": subscription.customer.id,
        "customerReferenceId": subscription.customer.reference,
        "customerEmail": subscription.customer.email,
        "status": subscription.status.code,
        "currency": subscription.currency,
        "startDate": moment_shown(subscription.start),
        "intervalLengthMonths": subscription.months,
        "intervalStartDate": moment_shown(subscription.interval_start) if is_active else None,
        "nextBillingDate": moment_shown(subscription.next_billing) if is_active else None,
        "nextReminderDate": moment_shown(subscription.next_reminder) if is_active else None,
        "vatPercent": quantity_text(subscription.vat_percent),
        "items": [_item(item, subscription) for item in subscription.items],
    }


def _shown(subscription: Subscription, state: State) -> dict[str, Any]:
    return {
        **_summary(subscription),
        "updates": [_update(update) for update in subscription.updates],
        "mails": [_mail(mail) for mail in subscription.mails],
        "bills": [
            {**bill_shown(bill), "purchaseId": state.purchase_ids[bill.number]}
            for bill in reversed(subscription.bills)
        ],
    }


def _item(item: Item, subscription: Subscription) -> dict[str, Any]:
    terms = item.terms
    return {
        "runningNumber": item.running_number,
        "productId": terms.product_id,
        "productName": terms.product_name,
        "billingMode": item.mode,
        "quantity": terms.quantity,
        "unitPrice": amount_text(terms.unit_price),
        "couponCode": terms.coupon.code if terms.coupon else None,
        "version": item.version,
        "isActive": item.is_active,
        "chargedAhead": item.charged,
        "pending": [_pending(pending, subscription) for pending in item.pending],
    }


def _pending(pending: Pending, subscription: Subscription) -> dict[str, Any]:
    terms = pending.terms
    return {
        "from": moment_shown(subscription.begins(pending.interval)),
        "productId": terms.product_id,
        "quantity": terms.quantity,
        "unitPrice": amount_text(terms.unit_price),
        "couponCode": terms.coupon.code if terms.coupon else None,
    }


def _update(update: Update) -> dict[str, Any]:
    manner = update.manner
    return {
        "at": moment_shown(update.at),
        "actor": update.actor,
        "runningNumber": update.running_number,
        "productId": update.product_id,
        "quantity": update.quantity,
        "unitPrice": amount_text(update.unit_price),
        "couponCode": update.coupon or None,
        "alignToCurrentInterval": manner.is_aligned,
        "extendInterval": manner.is_extended,
        "resetBillingInterval": manner.resets,
        "updateAction": manner.action,
        "generateMail": manner.mails,
    }


def _mail(mail: Mail) -> dict[str, Any]:
    return {"at": moment_shown(mail.at), "about": mail.about, "canBeSuppressed": mail.can_be_suppressed}


ROUTES = [
    Route("/cleverbridge/subscriptions", index, methods=["GET"]),
    Route("/cleverbridge/subscriptions", create, methods=["POST"]),
    Route("/cleverbridge/subscriptions/{id}", read, methods=["GET"]),
    Route("/cleverbridge/subscriptions/{id}/deactivate", end, methods=["POST"]),
    Route("/cleverbridge/subscriptions/{id}/align", join, methods=["POST"]),
]
