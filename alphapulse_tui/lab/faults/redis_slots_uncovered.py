"""``redis-slots-uncovered``: a slot that nobody owns, and another one whose move was never finished.

What breaks: a slot with keys is deleted from every node's view (``CLUSTER DELSLOTS``), as after a botched reshard, and a second one is left
``MIGRATING`` at its owner and ``IMPORTING`` at another master.

How it shows: ``cluster_state:fail`` and 16383 of 16384 slots on every node (``cluster-require-full-coverage`` is on, so nothing is
served); ``CLUSTER NODES`` shows ``[n->-id]`` and ``[n-<-id]``.

What mends it: procedure ``redis-split-brain``: give the slot to the node that has its keys (``CLUSTER ADDSLOTS``), close the open one on both
sides (``CLUSTER SETSLOT n STABLE``). ``lab mend`` does just that where it is still needed; no key is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from redis.exceptions import ResponseError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.filling import masters
from alphapulse_tui.lab.platform import Lab

UNCOVERED = 1670
"""The slot of the key ``tenant:00002``."""
OPEN = 3300
"""A slot of the same master."""
_SEEN_SECONDS = 20.0


class RedisSlotsUncovered:
    """See the module."""

    name = "redis-slots-uncovered"
    summary = "A Redis slot has no owner and another one is stuck in migration: the cluster serves nothing."
    mended_by = "procedure redis-split-brain (add the slot, close the open one)"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Open one slot, delete the other everywhere, and wait until every node says so."""
        alive = await masters(lab)
        owner = next(iter([one for one in alive if await _owns(lab, one, UNCOVERED)]), None)
        importer = next((one for one in alive if one != owner), None)
        if owner is None or importer is None:
            raise LabError(
                f"Nobody owns slot {UNCOVERED} now, or no other master lives: `alphapulse lab mend all` first."
            )
        await redis.command(lab, importer, "CLUSTER", "SETSLOT", OPEN, "IMPORTING", await _identity(lab, owner))
        await redis.command(lab, owner, "CLUSTER", "SETSLOT", OPEN, "MIGRATING", await _identity(lab, importer))
        # The owner first: what the others deleted before would come back with its next message.
        for ordinal in (owner, *(one for one in range(redis.NODES) if one != owner)):
            await _delete(lab, ordinal)
        await _wait_uncovered(lab)
        return f"Redis: nobody owns slot {UNCOVERED}, and slot {OPEN} is stuck between two masters"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Close and cover what is still open and uncovered, at whoever leads by now."""
        alive = await masters(lab)
        for side in alive:
            await redis.command(lab, side, "CLUSTER", "SETSLOT", OPEN, "STABLE")
        holders = [one for one in alive if await redis.command(lab, one, "CLUSTER", "COUNTKEYSINSLOT", UNCOVERED)]
        for holder in holders[:1]:
            if not await _covered(lab, holder):
                await redis.command(lab, holder, "CLUSTER", "ADDSLOTS", UNCOVERED)
                # A claim without a newer epoch than the one that the slot had is not believed.
                await redis.command(lab, holder, "CLUSTER", "BUMPEPOCH")
        await lab.healthy("redis")


async def _identity(lab: Lab, ordinal: int) -> str:
    return str(await redis.command(lab, ordinal, "CLUSTER", "MYID"))


async def _owns(lab: Lab, ordinal: int, slot: int) -> bool:
    """Whether the node counts the slot as its own."""
    mine = (one for one in await redis.view(lab, ordinal) if "myself" in one.flags)
    return any(first <= slot <= last for one in mine for first, last in one.slots)


async def _covered(lab: Lab, ordinal: int) -> bool:
    """Whether the node knows an owner of the slot."""
    view = await redis.view(lab, ordinal)
    return any(first <= UNCOVERED <= last for one in view for first, last in one.slots)


async def _delete(lab: Lab, ordinal: int) -> None:
    """Delete the slot from a node's view; one that has heard of it already refuses."""
    with contextlib.suppress(ResponseError):
        await redis.command(lab, ordinal, "CLUSTER", "DELSLOTS", UNCOVERED)


async def _wait_uncovered(lab: Lab) -> None:
    end = time.monotonic() + _SEEN_SECONDS
    while any([await _covered(lab, ordinal) for ordinal in range(redis.NODES)]):
        if time.monotonic() > end:
            raise NotReadyError(
                f"Slot {UNCOVERED} was deleted, but some node still knows an owner after {_SEEN_SECONDS:.0f} s."
            )
        await asyncio.sleep(0.1)


FAULT = RedisSlotsUncovered()
