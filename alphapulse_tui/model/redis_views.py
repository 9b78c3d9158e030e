"""Every member of a Redis cluster as every node sees it, side by side. Taken by ``sources.redis_views`` while somebody looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alphapulse_tui.model.redis import ClusterMember, RedisNode
from alphapulse_tui.model.redis_cluster import answering, name_of, ranges

MARKS = {
    "M": "master",
    "r": "replica",
    "!": "failed",
    "?": "suspected",
    "x": "no link",
    "-": "not known",
    ".": "does not answer us",
}
"""The marks of :attr:`MemberRow.seen`, one for each node in the nodes' order."""


@dataclass(frozen=True, slots=True)
class ViewsSnapshot:
    """All nodes that could be found, those of no profile too, with the settings that decide a failover."""

    nodes: tuple[RedisNode, ...]
    settings: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """Node name to setting and value, as ``CONFIG GET`` tells them; empty where it may not be read."""
    health: tuple[tuple[str, str], ...] = ()
    """Node id to ``online``, ``failed`` or ``loading``, from ``CLUSTER SHARDS`` (Redis 7.0, Valkey)."""

    @property
    def legend(self) -> str:
        """What the marks mean that are to be seen now."""
        seen = {mark for row in self.rows for mark in row.seen}
        return "  ".join(f"{mark} {word}" for mark, word in MARKS.items() if mark in seen)

    @property
    def rows(self) -> tuple[MemberRow, ...]:
        """One row a member, masters with their replicas below them."""
        return member_rows(self.nodes, dict(self.health))


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member, as all nodes together see it."""

    node_id: str
    name: str
    address: str
    role: str
    """``master`` or ``replica``, as most say."""
    of: str
    """A replica's master by name, as most say."""
    slots: str
    epoch: str
    """Its configuration epoch; several where the views differ."""
    seen: str
    """One mark for each node, in the nodes' order; see :data:`MARKS`."""
    health: str
    differs: str
    """Where the views differ, in words; empty when they agree."""
    views: tuple[tuple[str, str], ...] = field(default=())
    """Each node's own words about it: node, and what it says."""


def member_rows(nodes: Sequence[RedisNode], health: Mapping[str, str]) -> tuple[MemberRow, ...]:
    """The rows, a shard's members together."""
    known = answering(nodes)
    ids = dict.fromkeys(member.node_id for node in known for member in node.view)
    rows = [_row(nodes, known, node_id, health.get(node_id, "")) for node_id in ids]
    return tuple(sorted(rows, key=lambda row: (row.of or row.name, row.role != "master", row.name)))


def _row(nodes: Sequence[RedisNode], known: Sequence[RedisNode], node_id: str, health: str) -> MemberRow:
    seen = {node.name: _member(node, node_id) for node in nodes}
    said = [member for node in known if (member := seen[node.name]) is not None]
    masters = [member for member in said if "master" in member.flags]
    is_master = 2 * len(masters) >= len(said)
    of = Counter(member.master_id for member in said if member.master_id).most_common(1)
    slots = Counter(ranges(member.slots) for member in said).most_common(1)[0][0]
    return MemberRow(
        node_id=node_id,
        name=name_of(nodes, node_id),
        address=next((member.address for member in said if member.address), ""),
        role="master" if is_master else "replica",
        of=name_of(nodes, of[0][0]) if of and not is_master else "",
        slots=slots,
        epoch="|".join(map(str, sorted({member.epoch for member in said}))),
        seen="".join(_mark(node, seen[node.name]) for node in nodes),
        health=health,
        differs=_differs(said, len(known)),
        views=tuple((node.name, _words(nodes, node, seen[node.name])) for node in nodes),
    )


def _member(node: RedisNode, node_id: str) -> ClusterMember | None:
    return next((member for member in node.view if member.node_id == node_id), None)


def _mark(node: RedisNode, member: ClusterMember | None) -> str:
    if node.problem:
        return "."
    if member is None:
        return "-"
    if "fail" in member.flags or "noaddr" in member.flags:
        return "!"
    if "fail?" in member.flags:
        return "?"
    if member.link == "disconnected" and "myself" not in member.flags:
        return "x"
    return "M" if "master" in member.flags else "r"


def _differs(said: Sequence[ClusterMember], asked: int) -> str:
    """What the views do not agree about, the worst first."""
    found = []
    if len({member.slots for member in said}) > 1:
        found.append("slots")
    if len({"master" in member.flags for member in said}) > 1:
        found.append("role")
    failed = sum("fail" in member.flags for member in said)
    if failed:
        found.append(f"failed for {failed} of {asked}")
    elif any("fail?" in member.flags for member in said):
        found.append("suspected")
    if len(said) < asked:
        found.append(f"unknown to {asked - len(said)}")
    if len({member.epoch for member in said}) > 1:
        found.append("epoch")
    if any(member.open_slots for member in said):
        found.append("open slots")
    if any("noaddr" in member.flags for member in said):
        found.append("no address")
    return ", ".join(found)


def _words(nodes: Sequence[RedisNode], node: RedisNode, member: ClusterMember | None) -> str:
    """One node's view of the member, in words."""
    if node.problem:
        return node.problem
    if member is None:
        return "does not know it"
    role = "master" if "master" in member.flags else f"replica of {name_of(nodes, member.master_id)}"
    odd = [flag for flag in member.flags if flag not in ("master", "slave", "myself")]
    link = "" if member.link == "connected" or "myself" in member.flags else "  link down"
    slots = f"  {ranges(member.slots)}" if member.slots else ""
    opened = f"  open {' '.join(member.open_slots)}" if member.open_slots else ""
    return f"{role}{slots}  epoch {member.epoch}{'  ' + ','.join(odd) if odd else ''}{link}{opened}"
