"""The next invoices of a subscription, as things stand."""

from tallyhook_mock.core.forecast import Coming, coming_bills, copied
from tallyhook_mock.systems.chargemonk.model import State

__all__ = ["forecast"]


def forecast(state: State, account: str, count: int) -> list[Coming]:
    """KeyError if there is no such subscription."""
    alone = State()
    alone.currency, alone.plans, alone.add_ons = state.currency, state.plans, state.add_ons
    subscription = copied(state.subscriptions[account], state.agenda, alone.agenda)
    alone.subscriptions[account] = subscription
    return coming_bills(alone, subscription.bills, count)
