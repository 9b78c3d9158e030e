"""One action at work: a call at a time, each with a deadline that holds even when the action ignores being cancelled.

The executor keeps an instrument per action id, because its connection is warm: when a server's slots have run out, who is inside stays
inside (design 2). A call that passes its deadline is left behind together with its instrument, and the next call gets a fresh one.

This is the second place, beside the source loop, that may catch any exception: an action that breaks must not take with it the executor, which
holds other people's runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from alphapulse_tui.actions.contract import Action, ActionProblem
from alphapulse_tui.text import clean

R = TypeVar("R")

UNWIND_SECONDS = 0.5
"""What a cancelled call is given to let go of its connection."""


class ActionBroke(Exception):
    """The action's own code failed, in a way that nobody foresaw; the message names the exception."""


class StillBusy(TimeoutError):
    """Another call of the same action did not let go in time: ours was never begun."""


class Instrument:
    """An action with a lock; ``spoiled`` once a call had to be left behind."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.spoiled = False
        self._lock = asyncio.Lock()

    async def call(self, work: Callable[[Action], Coroutine[Any, Any, R]], seconds: float) -> R:
        """The result of ``work(action)``.

        Raises:
            ActionProblem: as ``work`` raised it.
            ActionBroke: ``work`` raised anything else.
            StillBusy: the call before did not end within ``seconds``; ``work`` was never begun.
            TimeoutError: no answer within ``seconds``, the wait for the call before included.
        """
        try:
            async with asyncio.timeout(seconds) as limit:
                await self._lock.acquire()
        except TimeoutError:
            raise StillBusy from None
        due = limit.when()
        assert due is not None
        task = asyncio.ensure_future(work(self.action))
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, due - asyncio.get_running_loop().time()))
            if not done:
                task.cancel()
                done, _ = await asyncio.wait({task}, timeout=UNWIND_SECONDS)
                self.spoiled = self.spoiled or not done
                task.add_done_callback(_forget)
                raise TimeoutError
        finally:
            if not task.done():  # We are cancelled ourselves, or it hangs: nobody waits for it any more.
                task.cancel()
                task.add_done_callback(_forget)
            self._lock.release()
        try:
            return task.result()
        except (ActionProblem, TimeoutError):
            raise
        except Exception as error:
            raise ActionBroke(f"{type(error).__name__}: {clean(error)}") from error


def _forget(task: asyncio.Future[Any]) -> None:
    """Look at what a call left behind raised, so that nobody is told of it twice."""
    if not task.cancelled():
        task.exception()
