"""Deadlines of one length: in their order, and not at all once they are canceled."""

import asyncio

from tallyhook_receiver.deadlines import Deadlines


async def test_are_reached_in_their_order_unless_canceled() -> None:
    deadlines, reached = Deadlines(), list[int]()
    made = []
    for number in range(4):
        made.append(deadlines.set(0.03, lambda number=number: reached.append(number)))
        await asyncio.sleep(0.002)
    made[0].cancel()
    made[2].cancel()
    await asyncio.sleep(0.1)
    assert reached == [1, 3]
    assert [deadline.is_reached for deadline in made] == [False, True, False, True]
    made[1].cancel()


async def test_are_not_early() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    reached = list[float]()
    first = deadlines.set(0.02, lambda: None)
    await asyncio.sleep(0.01)
    set_at = loop.time()
    deadlines.set(0.02, lambda: reached.append(loop.time()))
    first.cancel()
    await asyncio.sleep(0.1)
    assert reached[0] - set_at >= 0.019


async def test_one_that_is_reached_may_cancel_another_and_set_the_next() -> None:
    deadlines, reached = Deadlines(), list[str]()
    second = None

    def first() -> None:
        assert second is not None
        second.cancel()
        deadlines.set(0.01, lambda: reached.append("third"))

    deadlines.set(0.01, first)
    second = deadlines.set(0.01, lambda: reached.append("second"))
    await asyncio.sleep(0.1)
    assert reached == ["third"]


def test_another_loop_has_its_own() -> None:
    deadlines, reached = Deadlines(), list[int]()

    async def leave() -> None:
        deadlines.set(60, lambda: reached.append(1))

    async def stay() -> None:
        deadlines.set(0.01, lambda: reached.append(2))
        await asyncio.sleep(0.05)

    asyncio.run(leave())
    asyncio.run(stay())
    assert reached == [2]
