"""`python -m benchmarks.world.served PORT CUSTOMERS`: serve a mock with a town, a third of its bills held."""

import asyncio
import sys

import uvicorn

from benchmarks.engine.town import START, Town
from tallyhook_mock.app import create_app
from tallyhook_mock.core.money import exact
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.mock import Mock
from tallyhook_mock.server import bind, configure, own_process

__all__ = ["settled"]


async def settled(customers: int) -> Mock:
    """Return a mock after ten days. Its listener is paused, so the hooks wait and their invoices are held."""
    mock = Mock(start=START, seed=0)
    with exact():
        town = Town(customers, mock.state)
    mock.changed()
    listener = mock.listen(town.product.code, "http://127.0.0.1:9/", frozenset({"subscriptionBillable"}))
    mock.pause(listener)
    await mock.advance(parse_duration("10d"))
    return mock


if __name__ == "__main__":
    own_process()
    mock = asyncio.run(settled(int(sys.argv[2])))
    uvicorn.Server(configure(create_app(mock))).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])
