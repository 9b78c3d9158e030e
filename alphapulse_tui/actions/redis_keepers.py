"""Who has the keys of slots that nobody owns: every living master is asked, slot by slot, before anything is given away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_node import Cluster, told
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import answering, joined
from alphapulse_tui.text import clean

BATCH = 1024
"""Slots asked in one round trip; each is O(1) for the server."""
EXAMPLES = 3
"""Keys named for each keeper, so that a person recognises what is at stake."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A master and the slots that it shall own."""

    node: RedisNode
    slots: tuple[tuple[int, int], ...]
    keys: int
    examples: tuple[str, ...] = ()


async def find_keepers(cluster: Cluster, nodes: Sequence[RedisNode], slots: Sequence[int]) -> list[Keeper]:
    """The master for each slot: the one that has its keys; an empty slot goes to the master with the fewest slots.

    Every master is asked, for one that lost all its slots still has their keys; only empty slots go to nobody but one that owns some.

    Raises:
        ActionProblem: there is no living master, it cannot be asked, or two of them have keys of one slot.
    """
    masters = [node for node in answering(nodes) if node.role == "master"]
    owning = [node for node in masters if node.me is not None and node.me.slots]
    if not owning:
        raise ActionProblem("no master that owns slots answers: there is nobody to give them to")
    counts = {node.name: await _counts(cluster, node, slots) for node in masters}
    chosen: dict[str, list[int]] = {}
    smallest = min(owning, key=lambda node: sum(last - first + 1 for first, last in (node.me.slots if node.me else ())))
    for slot in slots:
        holding = [node for node in masters if counts[node.name][slot]]
        if len(holding) > 1:
            names = " and ".join(node.name for node in holding)
            raise ActionProblem(
                f"{names} both have keys of slot {slot}: which of them are right only an administrator can say "
                f"(redis-cli --cluster fix {holding[0].address})"
            )
        chosen.setdefault((holding[0] if holding else smallest).name, []).append(slot)
    return [
        Keeper(node, joined(mine), sum(count[slot] for slot in mine), await _examples(cluster, node, mine, count))
        for node in masters
        if (mine := chosen.get(node.name)) and (count := counts[node.name])
    ]


async def _counts(cluster: Cluster, node: RedisNode, slots: Sequence[int]) -> dict[int, int]:
    """Keys that ``node`` has of each slot, whoever owns it."""
    link = cluster.link(node.name)
    found: dict[int, int] = {}
    for begin in range(0, len(slots), BATCH):
        batch = slots[begin : begin + BATCH]
        answers = await link.ask(*(("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in batch))
        for slot, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                raise ActionProblem(told(node.name, answer, cluster.target.username))
            found[slot] = int(answer)
    return found


async def _examples(
    cluster: Cluster, node: RedisNode, slots: Sequence[int], counts: Mapping[int, int]
) -> tuple[str, ...]:
    """A few names; none where the right to read them is missing, for they only help to recognise."""
    slot = next((slot for slot in slots if counts[slot]), None)
    if slot is None:
        return ()
    (answer,) = await cluster.link(node.name).ask(("CLUSTER", "GETKEYSINSLOT", slot, EXAMPLES))
    return tuple(clean(name, 64) for name in answer) if isinstance(answer, list) else ()
