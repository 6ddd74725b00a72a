"""The next invoices of a subscription, as things stand."""

from tallyhook_mock.core.forecast import Coming, coming_bills, copied
from tallyhook_mock.systems.cleverbridge.model import State

__all__ = ["forecast"]


def forecast(state: State, account: str, count: int) -> list[Coming]:
    """Refusal if there is no such subscription."""
    alone = State()
    alone.products, alone.coupons = state.products, state.coupons
    subscription = copied(state.subscription(account), state.agenda, alone.agenda)
    return coming_bills(alone, subscription.bills, count)
