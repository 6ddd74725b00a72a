"""The picture of a customer's life: an SVG drawn to scale in time."""

from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.product import Product
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.life import Life
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.story import Story
from tallyhook_mock.picture.style import STYLE
from tallyhook_mock.picture.telling import tell

__all__ = ["STYLE", "Life", "Story", "draw", "life_of", "paint", "tell"]


def draw(mock: Mock, customer: Customer, *, styled: bool = True) -> str:
    """The life of a customer as SVG, 1280 px wide, light or dark as the reader's system is.

    Unless `styled` it brings no `<style>`: a page whose policy forbids that serves `STYLE` with its own.
    """
    return paint(tell(mock, customer), styled=styled)


def life_of(mock: Mock, product: Product, customer: str) -> Life:
    """The life of a customer by its code, deleted or not, as it stands in the mock now."""
    is_there = mock.state.has_customer(product, customer)
    story = tell(mock, mock.state.customer(product, customer)) if is_there else None
    return Life(tuple(mock.timeline.entries(product.code, customer)), story)
