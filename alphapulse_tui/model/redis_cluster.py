"""What the nodes' own views say when they are laid side by side: majority, dead masters, two sides, open and uncovered slots, ghosts.

Pure, over nodes that were each asked directly (facts 2.2.1). One node's opinion is never the cluster's: a master that is cut off goes on
calling itself the owner of its slots. Used by the rules of procedures, by the fixes menu, by the actions' plans and by the tables.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alphapulse_tui.model.redis import CLUSTER_SLOTS, ClusterMember, RedisNode

_OPEN = re.compile(r"^\[(\d+)-([<>])-([0-9a-zA-Z]+)\]$")


@dataclass(frozen=True, slots=True)
class Votes:
    """How many masters a node can still talk to; a failover needs the votes of most of them."""

    alive: int
    of: int
    """Masters that own slots, dead ones too: they count in the majority (cluster_size)."""

    @property
    def needed(self) -> int:
        """Votes that make a majority."""
        return self.of // 2 + 1

    @property
    def majority(self) -> bool:
        """Whether the node stands on the side that may decide."""
        return self.of > 0 and self.alive >= self.needed


@dataclass(frozen=True, slots=True)
class LostMaster:
    """A master that owns slots in the views that count, and has failed there."""

    node_id: str
    name: str
    slots: tuple[tuple[int, int], ...]
    answers: bool
    """It still answers *us*: then it is cut off, not dead, and may go on taking writes."""
    replicas: tuple[RedisNode, ...]
    """Its replicas that answer, the one that has applied most first."""


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A move of a slot that was begun and never finished."""

    slot: int
    owner_id: str
    """Who has it, as far as the open side says; empty when only an importer is left."""
    importer_id: str


def answering(nodes: Iterable[RedisNode]) -> list[RedisNode]:
    """The nodes that gave us a view."""
    return [node for node in nodes if not node.problem and node.view]


def votes(node: RedisNode) -> Votes:
    """How the masters stand in the node's own view."""
    masters = [member for member in node.view if "master" in member.flags and member.slots]
    alive = [
        member
        for member in masters
        if "myself" in member.flags or not {"fail", "fail?", "noaddr", "handshake"} & set(member.flags)
    ]
    return Votes(len(alive), len(masters))


def counting(nodes: Iterable[RedisNode]) -> list[RedisNode]:
    """The nodes whose views count: those that see a majority of the masters; when none does, all that answer."""
    known = answering(nodes)
    return [node for node in known if votes(node).majority] or known


def name_of(nodes: Iterable[RedisNode], node_id: str) -> str:
    """What the node of that id is called in the profile, else its address as others know it, else the beginning of its id."""
    known = list(nodes)
    for node in known:
        if node.node_id == node_id:
            return node.name
    for node in known:
        for member in node.view:
            if member.node_id == node_id:
                return next((one.name for one in known if one.address == member.address), "") or (
                    member.address if member.address.rpartition(":")[0] else node_id[:8]
                )
    return node_id[:8]


def ranges(slots: Iterable[tuple[int, int]]) -> str:
    """Ranges of slots as people write them.

    >>> ranges([(0, 5460), (7000, 7000)])
    '0-5460, 7000'
    """
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in slots)


def joined(slots: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Single slots as ranges.

    >>> joined([3, 1, 2, 9])
    ((1, 3), (9, 9))
    """
    found: list[tuple[int, int]] = []
    for slot in sorted(set(slots)):
        if found and found[-1][1] + 1 == slot:
            found[-1] = (found[-1][0], slot)
        else:
            found.append((slot, slot))
    return tuple(found)


def owners(view: Iterable[ClusterMember]) -> list[str]:
    """Who owns each of the 16384 slots in one view; empty for nobody."""
    table = [""] * CLUSTER_SLOTS
    for member in view:
        for first, last in member.slots:
            start, end = max(0, first), min(last, CLUSTER_SLOTS - 1)
            table[start : end + 1] = [member.node_id] * (end + 1 - start)
    return table


def uncovered(nodes: Iterable[RedisNode]) -> tuple[int, ...]:
    """Slots that nobody owns in any view that counts."""
    tables = [owners(node.view) for node in counting(nodes)]
    return tuple(slot for slot, claims in enumerate(zip(*tables, strict=True)) if not any(claims)) if tables else ()


def forgetful(nodes: Iterable[RedisNode]) -> list[tuple[str, tuple[int, ...]]]:
    """Nodes in whose own view slots have no owner though others know one: name and slots. They have forgotten a master, or gave up a slot alone."""
    tables = [(node.name, owners(node.view)) for node in answering(nodes)]
    found = []
    for name, table in tables:
        holes = [slot for slot, owner in enumerate(table) if not owner]
        missing = tuple(slot for slot in holes if any(other[slot] for _, other in tables))
        if missing:
            found.append((name, missing))
    return found


def contested(nodes: Iterable[RedisNode]) -> tuple[int, ...]:
    """Slots that have one owner in one node's view and another one in another's: two sides."""
    known = answering(nodes)
    if len({frozenset((member.node_id, member.slots) for member in node.view if member.slots) for node in known}) < 2:
        return ()  # Told apart by ranges first: slot by slot takes milliseconds, and this is asked after every reading.
    tables = [owners(node.view) for node in known]
    return tuple(slot for slot, claims in enumerate(zip(*tables, strict=True)) if len(set(claims) - {""}) > 1)


def cut_off(nodes: Sequence[RedisNode]) -> list[RedisNode]:
    """Masters that answer us and own slots in their own view, while the views that count have them failed or replaced."""
    count = [node for node in counting(nodes) if votes(node).majority]
    found = []
    for node in answering(nodes):
        me = node.me
        if me is None or node.role != "master" or not me.slots or node in count:
            continue
        seen = [member for other in count for member in other.view if member.node_id == node.node_id]
        if any("fail" in member.flags or not member.slots for member in seen):
            found.append(node)
    return found


def lost_masters(nodes: Sequence[RedisNode]) -> list[LostMaster]:
    """Masters that still own slots in the views that count and have failed there: nobody has taken over."""
    return _lost(nodes, {"fail"})


def unled(nodes: Sequence[RedisNode]) -> list[LostMaster]:
    """Masters whose replicas wait: those that have failed, and without a majority also those that most suspect and that do not answer us.

    A suspicion is no failure while a majority can make one of it. Masters that die together leave none, and stay suspected for ever.
    """
    if any(votes(node).majority for node in answering(nodes)):
        return lost_masters(nodes)
    return [one for one in _lost(nodes, {"fail", "fail?"}) if not one.answers]


def _lost(nodes: Sequence[RedisNode], marks: set[str]) -> list[LostMaster]:
    """Masters with slots that more than half of the views that count have under one of these flags."""
    count = counting(nodes)
    found: dict[str, ClusterMember] = {}
    agree: Counter[str] = Counter()
    for node in count:
        for member in node.view:
            if "myself" not in member.flags and marks & set(member.flags) and member.slots:
                found[member.node_id] = member
                agree[member.node_id] += 1
    lost = []
    for node_id, member in found.items():
        if 2 * agree[node_id] <= len(count):
            continue
        replicas = [node for node in answering(nodes) if node.role == "slave" and node.master_id == node_id]
        lost.append(
            LostMaster(
                node_id,
                name_of(nodes, node_id),
                member.slots,
                any(node.node_id == node_id for node in answering(nodes)),
                tuple(sorted(replicas, key=lambda node: -node.offset)),
            )
        )
    return lost


def open_slots(nodes: Iterable[RedisNode]) -> tuple[OpenSlot, ...]:
    """Every open slot, from the masters' own lines: replicas of Valkey 8 and later repeat them."""
    known = list(nodes)
    found: dict[int, OpenSlot] = {}
    for node in answering(known):
        if node.role != "master" or node.me is None:
            continue
        for word in node.me.open_slots:
            match = _OPEN.match(word)
            if match is None:
                continue
            slot, other = int(match[1]), match[3]
            old = found.get(slot, OpenSlot(slot, "", ""))
            if match[2] == ">":
                found[slot] = OpenSlot(slot, node.node_id, old.importer_id or other)
            else:
                found[slot] = OpenSlot(slot, old.owner_id or other, node.node_id)
    return tuple(found[slot] for slot in sorted(found))


def marked_open(nodes: Iterable[RedisNode]) -> set[int]:
    """Slots that anybody has a mark of; both sides of one move have one: ``[12182->-id]`` and ``[12182-<-id]``."""
    marks = (mark for node in nodes for member in node.view for mark in member.open_slots)
    return {int(match[1]) for mark in marks if (match := _OPEN.match(mark)) is not None}


def ghosts(nodes: Sequence[RedisNode]) -> list[ClusterMember]:
    """Members without slots that are gone for good: no address, or failed and in nobody's profile. A failed node of the profile may come back.

    One view's opinion is not enough: see :func:`gone_for_most`.
    """
    addresses = {node.address for node in nodes} | {node.node_id for node in answering(nodes)}
    found: dict[str, ClusterMember] = {}
    owning = {member.node_id for node in answering(nodes) for member in node.view if member.slots}
    for node in answering(nodes):
        for member in node.view:
            gone = "noaddr" in member.flags or (
                "fail" in member.flags and not {member.address, member.node_id} & addresses
            )
            if gone and "handshake" not in member.flags and member.node_id not in owning:
                found[member.node_id] = member
    return [member for member in found.values() if gone_for_most(nodes, member.node_id)]


def gone_for_most(nodes: Sequence[RedisNode], node_id: str) -> bool:
    """Whether most of the views that count and know the member have it failed or without an address.

    A suspicion (``fail?``) is none, and that it does not answer *us* says nothing: the others may talk to it all the time.
    """
    seen = [member for node in counting(nodes) for member in node.view if member.node_id == node_id]
    return 2 * sum(1 for member in seen if {"fail", "noaddr"} & set(member.flags)) > len(seen)


def unheard(nodes: Sequence[RedisNode]) -> list[ClusterMember]:
    """Members that the others count as living and that do not answer us. By id: an announced address may not be the one that we use.

    One that answers without its view has told no id: it is known by its address alone.
    """
    known = answering(nodes)
    ids = {node.node_id for node in known}
    blind = {node.address for node in nodes if not node.problem and not node.view}
    return list(
        {
            member.node_id: member
            for node in counting(known)
            for member in node.view
            if member.node_id not in ids
            and member.address not in blind
            and not {"fail", "noaddr", "handshake"} & set(member.flags)
        }.values()
    )


def maybe_masters(nodes: Sequence[RedisNode]) -> list[RedisNode]:
    """Nodes that do not answer us and may be masters, whatever slots they are said to own: a master that lost its slots has its keys.

    Only one that all views that count have as a replica is none. Found by its address; where another one is announced, it is none if
    enough members of the views are silent, and all of them are replicas.
    """
    ids = {node.node_id for node in answering(nodes)}
    lines: dict[str, list[ClusterMember]] = {}
    for node in counting(nodes):
        for member in node.view:
            if member.node_id not in ids and "noaddr" not in member.flags:
                lines.setdefault(member.node_id, []).append(member)
    replicas = {node_id for node_id, seen in lines.items() if all("slave" in member.flags for member in seen)}
    found, elsewhere = [], []
    for node in nodes:
        if not node.problem:
            continue
        known = {node_id for node_id, seen in lines.items() if any(one.address == node.address for one in seen)}
        if not known:
            elsewhere.append(node)
        elif known - replicas:
            found.append(node)
        for node_id in known:
            lines.pop(node_id)
    if len(elsewhere) > len(lines) or set(lines) - replicas:
        found += elsewhere
    return found


def leadership(nodes: Sequence[RedisNode]) -> str:
    """Where the masters stand: ``partition``, ``master-down``, ``no-majority``, ``master-lost``, ``forgotten``, ``unreachable`` or ``ok``.

    ``master-down``: a majority lives and a replica can take over by force. ``no-majority``: it cannot, nobody may decide. ``master-lost``: no
    replica answers. ``forgotten``: a master lives, and not every node knows it and its slots. ``unreachable``: nothing has failed in the
    nodes' own eyes, but one of them does not answer us.
    """
    if cut_off(nodes) or contested(nodes):
        return "partition"
    lost = lost_masters(nodes)
    if lost:
        if any(one.answers for one in lost):
            return "partition"
        decided = any(votes(node).majority for node in answering(nodes))
        with_replica = any(one.replicas for one in lost)
        return ("master-down" if decided else "no-majority") if with_replica else "master-lost"
    if not answering(nodes):
        return "unreachable"
    if any(not votes(node).majority for node in answering(nodes)):
        return "no-majority"
    if forgetful(nodes):
        return "forgotten"
    return "unreachable" if unheard(nodes) else "ok"
