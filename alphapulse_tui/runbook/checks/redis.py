"""Checks of a Redis cluster's agreement (runbook 2.2 "Split-Brain"): every node's own view, never one node's opinion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alphapulse_tui.model.redis import CLUSTER_SLOTS, RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_cluster import (
    answering,
    contested,
    counting,
    cut_off,
    forgetful,
    ghosts,
    joined,
    leadership,
    lost_masters,
    name_of,
    open_slots,
    ranges,
    uncovered,
    unheard,
    unled,
    votes,
)
from alphapulse_tui.model.words import size
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene


def _nodes(scene: Scene) -> tuple[RedisNode, ...] | None:
    snapshot: RedisSnapshot | None = scene.snapshot("redis")
    return None if snapshot is None else snapshot.nodes


def nodes(scene: Scene) -> CheckResult:
    """Who answers, and what each says of itself."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    rows = tuple((node.name, node.problem or _stand(node)) for node in known)
    silent = [node.name for node in known if node.problem]
    spoke = [node for node in known if not node.problem]
    failing = [node.name for node in spoke if node.cluster_state not in ("ok", "")]
    mute = [node.name for node in spoke if not node.cluster_state]
    if failing:
        said = f"cluster_state is not ok on {', '.join(failing)}"
        return CheckResult(Passed.NO, f"{said}; silent: {', '.join(silent)}" if silent else said, rows, "fail")
    if silent:
        # That it is silent is what was found; only when nobody answers, nothing was.
        passed = Passed.NO if spoke else Passed.UNKNOWN
        return CheckResult(passed, f"{', '.join(silent)} does not answer", rows, "silent")
    if mute:
        return CheckResult(Passed.UNKNOWN, f"{', '.join(mute)} does not say its cluster_state", rows, "unknown")
    return CheckResult(Passed.YES, f"all {len(known)} nodes answer and say cluster_state ok", rows, "ok")


def _stand(node: RedisNode) -> str:
    role = "replica" if node.role == "slave" else node.role
    slots = f" {ranges(node.me.slots)}" if node.me is not None and node.me.slots else ""
    lag = "" if node.replication_lag_bytes is None else f" lag {size(node.replication_lag_bytes)}"
    return f"{role}{slots}{lag}  {node.cluster_state or 'no cluster'}, epoch {node.current_epoch}"


def views(scene: Scene) -> CheckResult:
    """Where the views differ: owners, epochs, members, failures, open and uncovered slots."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    rows = _differences(known)
    asked = len(answering(known))
    if rows:
        return CheckResult(Passed.NO, f"{rows[0][0]}: {rows[0][1]}", tuple(rows), "differ")
    if asked < len(known):
        said = (
            f"the {asked} nodes that show it agree; the others' views are not known"
            if asked
            else "no node shows its view"
        )
        return CheckResult(Passed.UNKNOWN, said, (), "unknown")
    return CheckResult(
        Passed.YES, f"all {asked} views agree: {CLUSTER_SLOTS} slots, one epoch, the same members", (), "agree"
    )


def _differences(known: Sequence[RedisNode]) -> list[tuple[str, str]]:
    views_ = answering(known)
    told = [node for node in views_ if node.cluster_state]
    rows: list[tuple[str, str]] = []
    both = contested(known)
    if both:
        rows.append(("SPLIT BRAIN", f"slots {ranges(joined(both))} have two owners"))
    rows += [
        ("cut off", f"{node.name} goes on as a master; the majority has replaced it or holds it for failed")
        for node in cut_off(known)
    ]
    rows += [
        (
            "failed",
            f"{lost.name} ({ranges(lost.slots)}); replicas that answer: {', '.join(r.name for r in lost.replicas) or 'none'}",
        )
        for lost in lost_masters(known)
    ]
    missing = uncovered(known)
    if missing:
        rows.append(("no owner", f"slots {ranges(joined(missing))}"))
    rows += [
        ("no owner", f"{name} knows none of slots {ranges(joined(lacks))}; others do")
        for name, lacks in forgetful(known)
    ]
    rows += [
        ("open slot", f"{one.slot}: {name_of(known, one.owner_id)} -> {name_of(known, one.importer_id)}")
        for one in open_slots(known)
    ]
    if len({node.current_epoch for node in told}) > 1:
        rows.append(("epochs", ", ".join(f"{node.name} {node.current_epoch}" for node in told)))
    if len({frozenset(member.node_id for member in node.view) for node in views_}) > 1:
        rows.append(("members", "the nodes do not know the same ones"))
    lost_ids = {lost.node_id for lost in lost_masters(known)}
    rows += [
        ("failed", f"{name_of(known, node_id)}, for {by} of {len(views_)} nodes; it owns no slots")
        for node_id, by in _failed(views_).items()
        if node_id not in lost_ids
    ]
    rows += [("ghost", f"{name_of(known, one.node_id)} {','.join(one.flags)}") for one in ghosts(known)]
    rows += [
        ("not heard", f"{name_of(known, one.node_id)} lives for the others and does not answer us")
        for one in unheard(known)
    ]
    return rows


def _failed(views_: Sequence[RedisNode]) -> dict[str, int]:
    """Failed members by how many nodes hold them for it."""
    return Counter(member.node_id for node in views_ for member in node.view if "fail" in member.flags)


SAYS = {
    "partition": "a master is cut off and two sides lead: heal the network, the newer epoch wins by itself",
    "master-down": "a master is dead and nobody has taken over; the others can vote",
    "no-majority": "most masters are silent: nobody can be elected",
    "master-lost": "a master has failed and none of its replicas answers: its keys come back with its pod, or not at all",
    "forgotten": "no master is dead, but not every node knows whose all slots are: gossip tells a node that forgot a member within a minute or "
    "two; else an administrator has them meet (CLUSTER MEET)",
    "unreachable": "the nodes agree that all live, but not all of them answer us: look at the way from here",
    "ok": "every shard has a master that the majority knows",
}


def leaders(scene: Scene) -> CheckResult:
    """What has become of the masters; the value is where the branch goes."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    value = leadership(known)
    count = {node.name: votes(node) for node in answering(known)}
    rows = tuple(
        (name, f"sees {one.alive} of {one.of} masters, a majority is {one.needed}") for name, one in count.items()
    )
    passed = Passed.YES if value == "ok" else Passed.UNKNOWN if value == "unreachable" else Passed.NO
    return CheckResult(passed, SAYS[value], rows, value)


def candidates(scene: Scene) -> CheckResult:
    """Replicas of failed masters, the one that has most first; without a majority also of those that are only suspected."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    found = [
        (replica.name, f"of {lost.name} ({ranges(lost.slots)}), has {replica.offset} bytes")
        for lost in unled(known)
        for replica in lost.replicas
    ]
    if not answering(known):
        return CheckResult(Passed.UNKNOWN, "no node tells its members", (), "unknown")
    if not found:
        return CheckResult(Passed.YES, "no failed master has a replica that waits", (), "none")
    return CheckResult(Passed.NO, f"{found[0][0]} {found[0][1]}", tuple(found), found[0][0], tuple(found))


def slots(scene: Scene) -> CheckResult:
    """Open slots first, then those of nobody."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    opened, missing = open_slots(known), uncovered(known)
    rows = [
        (f"open {one.slot}", f"{name_of(known, one.owner_id)} -> {name_of(known, one.importer_id)}") for one in opened
    ]
    if missing:
        rows.append(("no owner", ranges(joined(missing))))
    if not answering(known):
        return CheckResult(Passed.UNKNOWN, "no node tells its slots", (), "unknown")
    if opened:
        rest = f", {len(missing)} have no owner" if missing else ""
        return CheckResult(
            Passed.NO,
            f"{'1 slot is' if len(opened) == 1 else f'{len(opened)} slots are'} stuck in a move{rest}",
            tuple(rows),
            "open",
        )
    if missing:
        return CheckResult(
            Passed.NO, f"{len(missing)} of {CLUSTER_SLOTS} slots have no owner", tuple(rows), "uncovered"
        )
    gone = [lost for lost in lost_masters(known) if not lost.replicas and not lost.answers]
    if gone:
        rows = [(lost.name, ranges(lost.slots)) for lost in gone]
        return CheckResult(
            Passed.NO, f"{gone[0].name} has failed with {ranges(gone[0].slots)} and no replica", tuple(rows), "gone",
            tuple((lost.name, f"slots {ranges(lost.slots)}") for lost in gone),
        )  # fmt: skip
    if lacking := forgetful(known):
        rows = [(name, f"knows no owner of {ranges(joined(lacks))}") for name, lacks in lacking]
        said = f"{', '.join(name for name, _ in lacking)} knows no owner of slots that have one for the others"
        return CheckResult(Passed.NO, said, tuple(rows), "differ")
    return CheckResult(Passed.YES, f"all {CLUSTER_SLOTS} slots have an owner, none is open", (), "ok")


def members_gone(scene: Scene) -> CheckResult:
    """Members that are gone for good."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    found = [(name_of(known, one.node_id), f"{one.address} {','.join(one.flags)}") for one in ghosts(known)]
    if found:
        return CheckResult(
            Passed.NO, f"{len(found)} members are ghosts: {found[0][0]}", tuple(found), "ghosts", tuple(found)
        )
    if not answering(known):
        return CheckResult(Passed.UNKNOWN, "no node tells its members", (), "unknown")
    return CheckResult(Passed.YES, "no member is a ghost", (), "none")


def agreement(scene: Scene) -> CheckResult:
    """The proof: every node answers, says ok, and all views are one."""
    known = _nodes(scene)
    if known is None:
        return scene.silence("redis")
    first, second = nodes(scene), views(scene)
    worst = next((one for one in (second, first) if one.passed is Passed.NO), None)
    worst = worst or next((one for one in (second, first) if one.passed is Passed.UNKNOWN), None)
    if worst is not None:
        return CheckResult(worst.passed, worst.sentence, worst.rows, worst.value)
    leaving = [node.name for node in counting(known) if node.role == "slave" and node.master_link != "up"]
    if leaving:
        return CheckResult(Passed.NO, f"{', '.join(leaving)} still copies from its master", first.rows, "syncing")
    return CheckResult(Passed.YES, second.sentence, first.rows, "ok")


CHECKS: dict[str, Check] = {
    "redis.nodes": nodes,
    "redis.views": views,
    "redis.leaders": leaders,
    "redis.candidates": candidates,
    "redis.slots": slots,
    "redis.ghosts": members_gone,
    "redis.agreement": agreement,
}
