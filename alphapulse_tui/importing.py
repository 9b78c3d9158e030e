"""Heavy modules, imported one after the other in a thread of their own.

A client library takes tenths of a second of pure Python to import. On the loop that freezes the screen; in several threads at once they fight
the loop for the interpreter, and the screen stands still for the sum of them all. One thread leaves the loop every other turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREAD = ThreadPoolExecutor(1, "imports")


async def off_the_loop(load: Callable[[], T]) -> T:
    """What ``load`` returns; it imports what it needs in the import thread, after whoever asked before."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, load)
