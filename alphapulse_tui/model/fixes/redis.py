"""The fixes for Redis: the right failover, slots, ghosts; memory limit, policy, one large key."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer, snapshot
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.redis import RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_cluster import (
    answering,
    ghosts,
    joined,
    leadership,
    name_of,
    open_slots,
    ranges,
    uncovered,
    unled,
)
from alphapulse_tui.model.redis_keys import KeysSnapshot
from alphapulse_tui.model.words import size

POLICY = "allkeys-lru"
"""Runbook 2.2."""

MIB = 1024 * 1024

FENCE_FIRST = (
    "the other side has to be fenced first: only procedure redis-split-brain leads there (p, step Fence the other side)"
)
WHO_AGREED = "Acknowledged writes may be lost. Who else agreed to it?"

LARGE = MIB
"""Bytes from which the largest key is worth a line of the panel's menu; a smaller one frees nothing. Ours."""


def _redis(key: str, readings: Readings) -> list[Fix]:
    found: RedisSnapshot | None = snapshot(readings, "redis")
    if found is None:
        return []
    row = first(found.nodes, lambda node: key in (node.name, node.node_id) and bool(key))
    return _one_suggested(
        [*_leading(found, row), *_slots(found), *_members(found), *_memory(readings, found), *_largest(readings)]
    )


def _one_suggested(fixes: list[Fix]) -> list[Fix]:
    """Availability before capacity: the first that is suggested stays so."""
    best = first(fixes, lambda fix: fix.suggested)
    return [replace(fix, suggested=fix is best) for fix in fixes]


def _leading(found: RedisSnapshot, row: RedisNode | None) -> list[Fix]:
    """A failover: by force where a master is dead, gracefully at the row's shard."""
    kind = leadership(found.nodes)
    fixes = []
    for lost in unled(found.nodes):
        for replica in lost.replicas[:1]:
            whom = f"{replica.name} for {lost.name}, which {'is silent' if kind == 'no-majority' else 'failed'}"
            if kind == "no-majority":
                fix = offer("redis.failover-takeover", f"take over without votes: {whom}", replica=replica.name)
                fixes.append(replace(fix, why_not=FENCE_FIRST))
                continue
            fix = offer("redis.failover-force", f"force a failover: {whom}", replica=replica.name)
            fixes.append(replace(fix, suggested=kind == "master-down", asks=("agreed_with", WHO_AGREED)))
    if row is not None:
        fixes.append(_graceful(found, row))
    return fixes


def _graceful(found: RedisSnapshot, row: RedisNode) -> Fix:
    """The row's shard changes hands: at the replica that it is, or at the best one that it has."""
    if row.role == "slave":
        master = name_of(found.nodes, row.master_id)
        fix = offer("redis.failover", f"fail over gracefully: {row.name} instead of {master}", replica=row.name)
        return fix if row.master_link == "up" else replace(fix, why_not="it has lost the link to its master")
    mates = [node for node in answering(found.nodes) if node.role == "slave" and node.master_id == row.node_id]
    if row.problem or not mates:
        fix = offer("redis.failover", f"fail over {row.name} gracefully")
        return replace(fix, why_not=row.problem or "it has no replica that answers")
    best = max(mates, key=lambda node: node.offset)
    return offer("redis.failover", f"fail over gracefully: {best.name} instead of {row.name}", replica=best.name)


def _slots(found: RedisSnapshot) -> list[Fix]:
    opened, missing = open_slots(found.nodes), uncovered(found.nodes)
    fixes = []
    if opened:
        numbers = ranges(joined(one.slot for one in opened))
        fixes.append(replace(offer("redis.close-slots", f"close open slots: {numbers}"), suggested=True))
    if missing:
        numbers = ranges(joined(missing)[:3])
        fixes.append(replace(offer("redis.cover-slots", f"cover slots without an owner: {numbers}"), suggested=True))
    return fixes


def _members(found: RedisSnapshot) -> list[Fix]:
    gone = ghosts(found.nodes)
    if not gone:
        return []
    names = ", ".join(name_of(found.nodes, member.node_id) for member in gone)
    return [offer("redis.forget", f"forget {names} on every node")]


def _memory(readings: Readings, found: RedisSnapshot) -> list[Fix]:
    """The limit and the policy; the rules have judged against the profile's own thresholds."""
    short = any(
        finding.procedure == "redis-memory" and finding.health is not Health.OK
        for finding in readings["redis"].findings
    )
    most = max((node.max_memory for node in found.masters), default=0)
    other = [node for node in found.answering if node.policy != POLICY]
    refused = any(node.refused_per_second for node in found.masters)
    wrong = replace(
        offer("redis.set-policy", f"set {POLICY} on every node", policy=POLICY),
        suggested=bool(other) and (short or refused),
        why_not="" if other else f"it is {POLICY} on every node that answers",
    )
    raised = 2 * most // MIB if most else 2048  # Half as much again is full again: what was evicted comes back.
    title = (
        f"raise maxmemory {size(most)} -> {size(raised * MIB)} on every node"
        if most
        else "set maxmemory 2.0 GiB on every node"
    )
    limit = offer("redis.set-maxmemory", title, bytes=f"{raised}mb")
    return [wrong, replace(limit, suggested=short and not wrong.suggested)]


def _largest(readings: Readings) -> list[Fix]:
    """The largest key, where somebody has looked for it."""
    keys: KeysSnapshot | None = snapshot(readings, "redis-keys")
    largest = first(keys.keys, lambda key: key.exact) if keys is not None else None
    if largest is None or largest.bytes < LARGE:
        return []
    return [offer("redis.unlink", f"unlink {largest.name[:40]} ({size(largest.bytes)})", key=largest.name)]


def _of_key(key: str, readings: Readings) -> list[Fix]:
    """The row's key; without a row the largest."""
    keys: KeysSnapshot | None = snapshot(readings, "redis-keys")
    if keys is None:
        return []
    row = first(keys.keys, lambda one: f"{one.node} {one.name}" == key)
    if row is None:
        return [] if key else _largest(readings)
    fix = offer("redis.unlink", f"unlink {row.name[:40]}: {row.kind} of {size(row.bytes)} on {row.node}", key=row.name)
    return [
        fix if row.exact else replace(fix, why_not="its name has bytes that cannot be shown, so it cannot be confirmed")
    ]


MAKERS: dict[str, Maker] = {"redis": _redis, "redis-views": _redis, "redis-memory": _redis, "redis-keys": _of_key}
