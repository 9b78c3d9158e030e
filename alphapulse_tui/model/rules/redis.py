"""What is wrong with a Redis cluster: each node's own view compared with the others', then memory (runbook 2.2, facts 2.2).

Used by ``sources.redis`` after every reading.
"""

from __future__ import annotations

from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.redis import CLUSTER_SLOTS, RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_cluster import contested, joined, marked_open, name_of, owners, ranges
from alphapulse_tui.model.rules import missing, worst_first
from alphapulse_tui.model.thresholds import Thresholds

TARGET = "redis"
SPLIT = "redis-split-brain"
MEMORY = "redis-memory"
FRAGMENTATION_FROM = 256 * 1024 * 1024
"""Bytes in use from which fragmentation says anything (facts 2.2.2)."""


def judge(snapshot: RedisSnapshot, thresholds: Thresholds) -> tuple[Finding, ...]:
    """The findings, worst first."""
    views = [node for node in snapshot.answering if node.view]
    return worst_first(
        [
            *_silent(snapshot),
            *_blind(snapshot),
            *_state(snapshot),
            *_ownership(views),
            *_coverage(views),
            *_members(snapshot, views),
            *_agreement(views),
            *_replicas(snapshot, views),
            *[found for node in snapshot.answering for found in _memory(node, thresholds)],
            *missing(TARGET, snapshot.missing_grants, "facts 11.3"),
        ]
    )


def _split(health: Health, sentence: str, subject: str = "", severity: Severity | None = None) -> Finding:
    return Finding(TARGET, health, sentence, subject, SPLIT, severity, "facts 2.2.1")


def _silent(snapshot: RedisSnapshot) -> list[Finding]:
    return [_split(Health.UNKNOWN, node.problem, node.name) for node in snapshot.nodes if node.problem]


def _blind(snapshot: RedisSnapshot) -> list[Finding]:
    return [
        _split(Health.UNKNOWN, f"{node.name} does not show the cluster as it sees it: {node.view_problem}", node.name)
        for node in snapshot.answering
        if node.view_problem
    ]


def _state(snapshot: RedisSnapshot) -> list[Finding]:
    told = [node for node in snapshot.answering if node.cluster_state]
    failing = [node for node in told if node.cluster_state != "ok"]
    if not failing:
        return []
    if len(failing) == len(told):
        return [
            _split(
                Health.CRITICAL,
                "cluster_state is not ok on any node: the cluster serves nobody",
                "cluster",
                Severity.P0,
            )
        ]
    names = ", ".join(node.name for node in failing)
    return [
        _split(
            Health.CRITICAL,
            f"cluster_state is not ok on {names}, ok on the others: part of the cluster is cut off",
            "cluster",
            Severity.P1,
        )
    ]


def _ownership(views: list[RedisNode]) -> list[Finding]:
    slots = contested(views)
    if not slots:
        return []
    sides: dict[str, list[str]] = {}
    for node in views:
        if owner := owners(node.view)[slots[0]]:
            sides.setdefault(owner, []).append(node.name)
    said = "; ".join(f"{', '.join(names)} say {name_of(views, owner)}" for owner, names in sides.items())
    sentence = f"SPLIT BRAIN: {len(slots)} slots have two owners; slot {slots[0]}: {said}"
    return [_split(Health.CRITICAL, sentence, "cluster", Severity.P0)]


def _coverage(views: list[RedisNode]) -> list[Finding]:
    without = {node.name: owners(node.view).count("") for node in views}
    most = max(without.values(), default=0)
    if most <= 0:
        return []
    names = ", ".join(name for name, count in without.items() if count == most)
    return [
        _split(
            Health.CRITICAL, f"{most} of {CLUSTER_SLOTS} slots have no owner, as {names} see it", "slots", Severity.P1
        )
    ]


def _members(snapshot: RedisSnapshot, views: list[RedisNode]) -> list[Finding]:
    failed: dict[str, list[str]] = {}
    suspected: dict[str, list[str]] = {}
    cut: dict[str, list[str]] = {}
    ghosts: dict[str, list[str]] = {}
    for node in views:
        for member in node.view:
            who = next(
                (
                    other.name
                    for other in snapshot.nodes
                    if member.node_id == other.node_id or member.address == other.address
                ),
                "",
            )
            who = who or member.address or member.node_id[:8]
            if "fail" in member.flags:
                failed.setdefault(who, []).append(node.name)
            elif "fail?" in member.flags:
                suspected.setdefault(who, []).append(node.name)
            elif "noaddr" in member.flags or "handshake" in member.flags:
                ghosts.setdefault(who, []).append(node.name)
            elif member.link == "disconnected" and "myself" not in member.flags:
                cut.setdefault(who, []).append(node.name)
    many, moving = len(views), marked_open(views)
    return [
        *[
            _split(Health.CRITICAL, f"{who} has failed, say {len(by)} of {many} nodes", who, Severity.P1)
            for who, by in failed.items()
        ],
        *[
            _split(Health.WARNING, f"{who} may have failed, think {', '.join(by)}", who)
            for who, by in suspected.items()
            if who not in failed
        ],
        *[
            _split(Health.WARNING, f"{', '.join(by)} have no link to {who}", who)
            for who, by in cut.items()
            if who not in failed
        ],
        *[
            _split(Health.WARNING, f"{who} is a ghost in the view of {', '.join(by)}: no address or no handshake", who)
            for who, by in ghosts.items()
        ],
        *(
            [_split(Health.WARNING, f"{_slots(len(moving))} stuck in a move: {ranges(joined(moving)[:3])}", "slots")]
            if moving
            else []
        ),
    ]


def _slots(count: int) -> str:
    return "1 slot is" if count == 1 else f"{count} slots are"


def _agreement(views: list[RedisNode]) -> list[Finding]:
    found = []
    epochs = {node.current_epoch for node in views if node.cluster_state}
    if len(epochs) > 1:
        found.append(
            _split(Health.WARNING, f"the nodes are at different epochs, {min(epochs)} to {max(epochs)}", "epoch")
        )
    if len({frozenset(member.node_id for member in node.view) for node in views}) > 1:
        found.append(_split(Health.WARNING, "the nodes do not know the same members", "members"))
    for node in views:
        others = [
            member for other in views if other is not node for member in other.view if member.node_id == node.node_id
        ]
        replicas = [member for member in others if "slave" in member.flags]
        if node.role == "master" and others and len(replicas) * 2 > len(others):
            found.append(
                _split(Health.WARNING, f"{node.name} calls itself master, most others call it a replica", node.name)
            )
    return found


def _replicas(snapshot: RedisSnapshot, views: list[RedisNode]) -> list[Finding]:
    found = []
    for node in views:
        if node.role == "slave" and node.master_link == "down":
            found.append(_split(Health.WARNING, f"{node.name} has lost the link to its master", node.name))
        owns = any("myself" in member.flags and member.slots for member in node.view)
        mates = [member for member in node.view if member.master_id == node.node_id and "slave" in member.flags]
        silent = {other.address for other in snapshot.nodes if other.problem}
        if owns and not [mate for mate in mates if "fail" not in mate.flags and mate.address not in silent]:
            found.append(
                _split(
                    Health.WARNING,
                    f"master {node.name} has no replica that answers: its next failure loses slots",
                    node.name,
                )
            )
    return found


def _memory(node: RedisNode, thresholds: Thresholds) -> list[Finding]:
    def finding(health: Health, sentence: str, source: str, severity: Severity | None = None) -> Finding:
        return Finding(TARGET, health, sentence, node.name, MEMORY, severity, source)

    found = []
    percent = node.memory_percent
    if percent is not None and percent >= thresholds.redis_memory_critical:
        found.append(
            finding(Health.CRITICAL, f"{node.name} uses {percent:.0f} % of its memory", "runbook 4.2", Severity.P2)
        )
    elif percent is not None and percent >= thresholds.redis_memory_warning:
        found.append(finding(Health.WARNING, f"{node.name} uses {percent:.0f} % of its memory", "runbook 2.2"))
    if node.unlimited and node.role == "master":
        sentence = f"{node.name} has no memory limit (maxmemory 0): it evicts nothing, and grows until the kernel or its container's limit kills it"
        found.append(finding(Health.WARNING, sentence, "facts 2.2.2"))
    if node.evicted_per_second > 0:
        cache = node.policy.startswith("allkeys-")
        sentence = (
            f"{node.name} evicts {node.evicted_per_second:.0f} keys a second under {node.policy or 'an unknown policy'}"
        )
        found.append(finding(Health.WARNING if cache else Health.CRITICAL, sentence, "facts 2.2.2"))
    if node.refused_per_second > 0 and node.role == "master":
        sentence = (
            f"{node.name} refuses {node.refused_per_second:.0f} commands a second for lack of memory ({node.policy})"
        )
        found.append(finding(Health.CRITICAL, sentence, "facts 2.2.2", Severity.P2))
    if node.rejected_per_second > 0:
        sentence = f"{node.name} turns clients away: it has as many as it may (maxclients)"
        found.append(finding(Health.CRITICAL, sentence, "facts 2.2.2"))
    if node.hit_percent is not None and node.hit_percent < thresholds.redis_hit_rate_warning and node.role == "master":
        found.append(
            finding(
                Health.WARNING, f"{node.name} finds only {node.hit_percent:.0f} % of what is asked for", "runbook 2.2"
            )
        )
    if (node.fragmentation or 0.0) > thresholds.redis_fragmentation_warning and node.used_memory >= FRAGMENTATION_FROM:
        found.append(
            finding(
                Health.WARNING,
                f"{node.name} holds {node.fragmentation:.1f} times the memory that it uses",
                "facts 2.2.2",
            )
        )
    return found
