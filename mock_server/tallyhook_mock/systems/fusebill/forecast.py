"""The next invoices of a customer, as things stand."""

from tallyhook_mock.core.forecast import Coming, coming_bills
from tallyhook_mock.systems.fusebill.dryrun import apart
from tallyhook_mock.systems.fusebill.model import State

__all__ = ["forecast"]


def forecast(state: State, account: str, count: int) -> list[Coming]:
    """Refusal if there is no such customer; ValueError if `account` is no number."""
    alone, customer = apart(state, state.customer(int(account)))
    return coming_bills(alone, customer.bills, count)
