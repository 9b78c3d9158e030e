"""What a failover would cost: the bytes that did not reach the replica, who has more, and whose votes there are (facts 2.2.1)."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import answering, counting, name_of, votes
from alphapulse_tui.model.words import size


def master_of(nodes: Sequence[RedisNode], replica: RedisNode) -> RedisNode | None:
    """The replica's master, if it answers us."""
    return next((one for one in answering(nodes) if one.node_id == replica.master_id), None)


def follows(replica: RedisNode) -> bool:
    """Whether the replica has a master to agree with: the link is up, and it does not hold it for dead.

    The link alone says nothing of a master that hangs: it stays "up" for ``repl-timeout``, 60 s by default.
    """
    flags = {flag for member in replica.view if member.node_id == replica.master_id for flag in member.flags}
    return replica.master_link == "up" and not flags & {"fail", "fail?", "noaddr"}


def slots_of(nodes: Sequence[RedisNode], node_id: str) -> tuple[tuple[int, int], ...]:
    """What the master of that id owns in the views that count."""
    found = [member.slots for node in counting(nodes) for member in node.view if member.node_id == node_id]
    return max(found, key=len, default=())


def config_epoch(nodes: Sequence[RedisNode], node_id: str) -> int:
    """The epoch at which the master of that id owns its slots, in the views that count.

    Not the cluster's current epoch: that grows with every vote that a replica asks for in vain, while nothing has changed.
    """
    return max(
        (member.epoch for node in counting(nodes) for member in node.view if member.node_id == node_id), default=0
    )


def owns(node: RedisNode, node_id: str) -> bool:
    """Whether the node thinks that the other one owns slots."""
    return any(member.node_id == node_id and member.slots for member in node.view)


def loss(nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
    """What was acknowledged and did not reach the replica, as far as it can be known."""
    old, master = name_of(nodes, replica.master_id), master_of(nodes, replica)
    if master is not None:
        behind = max(0, master.offset - replica.offset)
        return (
            f"WILL BE LOST: {size(behind)} of writes that {old} has acknowledged and {replica.name} has not, and all that {old} still takes: "
            f"it answers here, so its clients may reach it too",
        )
    return (
        f"MAY BE LOST: what {old} acknowledged after {_since(replica)}, and the last second before; "
        f"it does not answer, so how much cannot be read ({replica.name} has applied {replica.offset} bytes)",
    )


def _since(replica: RedisNode) -> str:
    return "it fell silent" if replica.master_link == "up" else f"the link broke {replica.link_down_seconds} s ago"


def better(nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
    """Another replica of the same master that has more."""
    mates = [one for one in answering(nodes) if one.master_id == replica.master_id and one.offset > replica.offset]
    best = max(mates, key=lambda one: one.offset, default=None)
    if best is None:
        return ()
    return (f"{best.name} has {size(best.offset - replica.offset)} more than {replica.name}: choose it instead",)


def majority(nodes: Sequence[RedisNode], replica: RedisNode) -> str:
    """Who could vote, in the replica's own view."""
    count = votes(replica)
    masters = [member for member in replica.view if "master" in member.flags and member.slots]
    alive = [name_of(nodes, one.node_id) for one in masters if not {"fail", "fail?"} & set(one.flags)]
    return f"{replica.name} sees {count.alive} of {count.of} masters alive ({', '.join(alive) or 'none'}); a majority is {count.needed}"
