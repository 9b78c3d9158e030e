"""A thread of one's own for a synchronous client (hvac, prometheus-api-client).

``asyncio.to_thread`` shares one pool with everybody, name resolution included: six hung calls starve the whole process, and the
interpreter waits for all of them at exit (design 7). Here each client has a single *daemon* thread: calls run one after another, a call
that passes its deadline is abandoned together with its thread, the next call gets a fresh one, and exit waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from alphapulse_tui.sources.contract import Unreachable

R = TypeVar("R")

ABANDONED_LIMIT = 3
"""Hung threads that may linger at once; while as many do, calls are refused, so that a dripping server cannot collect threads for ever."""


class PrivateThread:
    """Runs synchronous calls for one client. ``name`` appears in messages and thread lists."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._worker: _Worker | None = None
        self._abandoned: list[_Worker] = []

    async def call(self, work: Callable[[], R], deadline: float) -> R:
        """The result of ``work()``, or what it raised; :class:`Unreachable` after ``deadline`` seconds."""
        self._abandoned = [worker for worker in self._abandoned if worker.is_alive()]
        if len(self._abandoned) >= ABANDONED_LIMIT:
            raise Unreachable(f"{self.name}: {len(self._abandoned)} calls still hang; waiting for them to end")
        if self._worker is None:
            self._worker = _Worker(self.name)
            self._worker.start()
        worker = self._worker
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        worker.jobs.put((work, future))
        try:
            async with asyncio.timeout(deadline):
                return await future
        except (TimeoutError, asyncio.CancelledError) as ended:
            if future.cancelled():
                self._abandon(worker)
                if isinstance(ended, TimeoutError):
                    raise Unreachable(f"{self.name} gave no answer within {deadline:g} s") from None
            raise

    def _abandon(self, worker: _Worker) -> None:
        worker.jobs.put(None)  # It leaves by itself when its hung call ends.
        self._abandoned.append(worker)
        if self._worker is worker:
            self._worker = None

    def close(self) -> None:
        """Let the thread end after what it does now; does not wait."""
        if self._worker is not None:
            self._worker.jobs.put(None)
            self._worker = None


class _Worker(threading.Thread):
    """Takes jobs until it is handed ``None``."""

    def __init__(self, name: str) -> None:
        super().__init__(name=f"client of {name}", daemon=True)
        self.jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            work, future = job
            if future.cancelled():
                continue
            try:
                result, problem = work(), None
            except BaseException as raised:  # noqa: BLE001  it is raised again, on the loop, by whoever waits
                result, problem = None, raised
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                future.get_loop().call_soon_threadsafe(_settle, future, result, problem)


def _settle(future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
    """Hand the outcome over, on the loop, unless the waiting has been given up."""
    if future.done():
        return
    if problem is not None:
        future.set_exception(problem)
    else:
        future.set_result(result)
