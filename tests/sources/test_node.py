"""A node of several, and the private thread of a synchronous client: a hang marks only itself."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.node import Node
from alphapulse_tui.sources.private_thread import ABANDONED_LIMIT, PrivateThread
from tests.waiting import until


async def test_a_slow_node_is_not_asked_twice() -> None:
    asked, released = [0], asyncio.Event()

    async def read() -> int:
        asked[0] += 1
        await released.wait()
        return asked[0]

    node = Node("n", read, 5.0)
    for _ in range(3):
        with pytest.raises(Unreachable, match=r"n gave no answer within 0\.01 s"):
            await node.ask(0.01)
    released.set()
    assert await node.ask(1.0) == 1
    assert await node.ask(1.0) == 2


async def test_a_question_ends_at_its_deadline_and_the_connection_is_dropped() -> None:
    dropped = [0]

    async def hang() -> None:
        await asyncio.Event().wait()

    async def forget() -> None:
        dropped[0] += 1

    node = Node("n", hang, 0.02, forget)
    with pytest.raises(Unreachable):
        await node.ask(1.0)
    assert dropped == [1]
    with pytest.raises(Unreachable):
        await node.ask(0.001)
    await node.close()


async def test_calls_run_one_after_another_in_a_daemon_thread() -> None:
    thread = PrivateThread("x")
    names = await asyncio.gather(*(thread.call(lambda: threading.current_thread(), 5.0) for _ in range(3)))
    assert len(set(names)) == 1 and names[0].daemon
    with pytest.raises(KeyError):
        await thread.call(lambda: os.environ["NO_SUCH_VARIABLE"], 5.0)
    thread.close()
    await until(lambda: not names[0].is_alive(), 5, "the thread's end")


async def test_a_hung_call_is_abandoned_and_replaced() -> None:
    release = threading.Event()
    thread = PrivateThread("x")
    with pytest.raises(Unreachable, match=r"x gave no answer within 0\.05 s"):
        await thread.call(release.wait, 0.05)
    started = time.monotonic()
    assert await thread.call(lambda: 7, 5.0) == 7
    assert time.monotonic() - started < 2.0
    release.set()
    thread.close()


async def test_hung_threads_do_not_pile_up() -> None:
    release = threading.Event()
    thread = PrivateThread("x")
    for _ in range(ABANDONED_LIMIT):
        with pytest.raises(Unreachable):
            await thread.call(release.wait, 0.01)
    with pytest.raises(Unreachable, match="still hang"):
        await thread.call(lambda: 1, 1.0)
    release.set()

    async def works() -> bool:
        try:
            return await thread.call(lambda: True, 1.0)
        except Unreachable:
            return False

    await until(works, 5, "the hung calls to end")
    thread.close()
