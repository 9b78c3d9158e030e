"""One server of a target that has several: asked on its own, so that a hung one marks only itself.

A source asks all its nodes at the same moment and waits for each no longer than its *patience*. A node that is still silent then counts as
not answering, while the question stays open up to its own deadline: the next round asks how that went instead of asking again, so nothing
queues at a server that is already slow, and one that merely takes long to connect gets the time for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from alphapulse_tui.sources.contract import Unreachable

T = TypeVar("T")


class Node(Generic[T]):
    """``read`` asks the server once; ``deadline`` seconds is the most that may take in all; ``forget`` drops a connection that hung."""

    def __init__(
        self,
        name: str,
        read: Callable[[], Awaitable[T]],
        deadline: float,
        forget: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._read = read
        self._forget = forget
        self._deadline = deadline
        self._asking: asyncio.Task[T] | None = None

    async def ask(self, patience: float) -> T:
        """The node's answer; raises :class:`Unreachable` when none came within ``patience`` seconds, else whatever ``read`` raised."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_once(), name=f"asking {self.name}")
        asking = self._asking
        done, _ = await asyncio.wait({asking}, timeout=patience)
        if not done:
            raise Unreachable(f"{self.name} gave no answer within {patience:g} s")
        self._asking = None
        return asking.result()

    async def _ask_once(self) -> T:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._read()
        except TimeoutError:
            if self._forget is not None:
                await self._forget()
            raise Unreachable(f"{self.name} gave no answer within {self._deadline:g} s") from None

    async def close(self) -> None:
        """Give up an open question."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking}, timeout=0.5)
            if self._asking.done() and not self._asking.cancelled():
                self._asking.exception()  # Marks it as seen; nobody will ask for it any more.
            self._asking = None
