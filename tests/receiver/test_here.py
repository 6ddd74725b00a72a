"""Which process this is and which loop runs here: the same as the system would say."""

import asyncio
import os
import threading

import pytest

from tallyhook_receiver.here import process, running_loop


async def both() -> tuple[asyncio.AbstractEventLoop, asyncio.AbstractEventLoop]:
    await asyncio.sleep(0)
    return running_loop(), asyncio.get_running_loop()


def test_one_loop_after_the_other() -> None:
    for _ in range(2):
        remembered, running = asyncio.run(both())
        assert remembered is running
        with pytest.raises(RuntimeError):
            running_loop()


def test_loops_in_several_threads() -> None:
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(both()))) for _ in range(3)]

    async def beside() -> None:
        remembered, running = await both()
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert remembered is running is running_loop()

    asyncio.run(beside())
    assert len(answers) == 3
    assert all(remembered is running for remembered, running in answers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_is_another_one_without_a_loop() -> None:
    async def fork() -> None:
        before, loop = process(), running_loop()
        child = os.fork()
        if child == 0:
            # Nothing may be raised out of here: it would be a second run of the tests.
            is_new = process() != before
            try:
                has_loop = running_loop() is loop
            except RuntimeError:
                has_loop = False
            os._exit(0 if is_new and not has_loop else 1)
        assert process() == before
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    asyncio.run(fork())
