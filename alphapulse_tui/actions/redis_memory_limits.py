"""What a Redis node's container may use, from the cluster that runs it: a ``maxmemory`` beyond it gets the pod killed (facts 2.2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.quantities import quantity
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.words import size

if TYPE_CHECKING:
    from alphapulse_tui.actions.kubernetes_link import WriteLink

ASK_SECONDS = 3.0
"""For all pods together; without an answer the plan says that the limits are not known."""

SHARE_OF_LIMIT = 0.75
"""Of the container's limit: a fork for a snapshot and the replicas' buffers need the rest (facts 2.2.2)."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A container's memory limit in bytes; 0 for a container that has none."""

    bytes: int

    def room(self, node: RedisNode) -> int:
        """What the process may use at most."""
        return self.bytes or node.system_memory

    def words(self, node: RedisNode) -> str:
        """For a person."""
        return (
            f"its container's limit is {size(self.bytes)}"
            if self.bytes
            else f"no limit; the machine has {size(node.system_memory)}"
        )


async def limits(profile: Profile, nodes: Sequence[RedisNode]) -> dict[str, Limit]:
    """The limit of each node whose pod bears its name; without those that Kubernetes does not tell of, all where there is none."""
    if profile.kubernetes is None:
        return {}
    from alphapulse_tui.actions.kubernetes_link import WriteLink

    link = WriteLink(profile)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            found = await asyncio.gather(*(_limit(link, node.name) for node in nodes))
    except TimeoutError:
        return {}
    finally:
        await link.close()
    return {node.name: limit for node, limit in zip(nodes, found, strict=True) if limit is not None}


async def _limit(link: WriteLink, name: str) -> Limit | None:
    """The limit of one pod; none where there is no such pod, or it may not be read."""
    try:
        return limit_of(await link.read(f"/api/v1/namespaces/{link.namespace}/pods/{name}", "pods [get]"))
    except ActionProblem:
        return None


def limit_of(pod: dict[str, Any]) -> Limit:
    """The limit of the container that looks like Redis, else of the first."""
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    chosen = next(
        (one for one in containers if "redis" in str(one.get("name")) or "valkey" in str(one.get("name"))),
        containers[0],
    )
    text = str(((chosen.get("resources") or {}).get("limits") or {}).get("memory") or "")
    return Limit(int(quantity(text) or 0))


def too_much(node: RedisNode, value: int, limit: Limit | None) -> str:
    """Why the node may not be given that limit; empty when it may."""
    if value == 0:
        return f"0 takes the limit away: {node.name} would grow until the kernel kills it"
    room = limit.room(node) if limit is not None else node.system_memory
    if not room or value <= SHARE_OF_LIMIT * room:
        return ""
    where = limit.words(node) if limit is not None else f"the machine has {size(node.system_memory)}"
    return (
        f"{size(value)} is more than {SHARE_OF_LIMIT:.0%} of what {node.name} may use ({where}): a snapshot's fork and buffers "
        "need the rest, or the pod is killed. Raise the container's limit first, or ask for less"
    )
