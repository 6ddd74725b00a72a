"""The picture of a customer's life: an SVG drawn to scale in time."""

from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.product import Product
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture import chargemonk, cleverbridge, fusebill
from tallyhook_mock.picture.life import Life
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.story import Story
from tallyhook_mock.picture.style import STYLE
from tallyhook_mock.picture.telling import tell
from tallyhook_mock.timeline import CHEDDAR

__all__ = ["STYLE", "Life", "Story", "draw", "life_at", "life_of", "paint", "tell"]


def draw(mock: Mock, customer: Customer, *, styled: bool = True) -> str:
    """The life of a customer as SVG, 1280 px wide, light or dark as the reader's system is.

    Unless `styled` it brings no `<style>`: a page whose policy forbids that serves `STYLE` with its own.
    """
    return paint(tell(mock, customer), styled=styled)


def life_of(mock: Mock, product: Product, customer: str) -> Life:
    """The life of a customer by its code, deleted or not, as it stands in the mock now."""
    is_there = mock.state.has_customer(product, customer)
    story = tell(mock, mock.state.customer(product, customer)) if is_there else None
    return Life(mock.timeline.entries(product.code, customer), story)


def life_at(mock: Mock, system: str, account: str) -> Life:
    """The life of an account of a system beside Cheddar, by its id, as it stands in the mock now.

    ValueError if there is no such system.
    """
    if system not in mock.systems.others:
        raise ValueError(f"{system!r} is not one of {', '.join((CHEDDAR, *mock.systems.others))}")
    return Life(mock.timeline.entries_of(system, account), _story(mock, system, account))


def _story(mock: Mock, system: str, account: str) -> Story | None:
    """None if there is no such account."""
    systems = mock.systems
    if system == "cleverbridge" and systems.cleverbridge.has_subscription(account):
        return cleverbridge.tell_subscription(mock, systems.cleverbridge.subscription(account))
    if system == "chargemonk" and account in systems.chargemonk.subscriptions:
        return chargemonk.tell_subscription(mock, systems.chargemonk.subscriptions[account])
    if system == "fusebill":
        found = (customer for customer in systems.fusebill.accounts() if str(customer.id) == account)
        return next((fusebill.tell_customer(mock, customer) for customer in found), None)
    return None
