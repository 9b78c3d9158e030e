"""Checks of Redis' memory (runbook 2.2 "High Memory Usage"): node by node, rates instead of counters, large keys found without harm."""

from __future__ import annotations

from alphapulse_tui.model.redis import RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_keys import BigKey, KeysSnapshot
from alphapulse_tui.model.words import age, size
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

BUFFER_PERCENT = 20.0
"""Of a master's limit in its clients' buffers, from which a client that does not read is what fills it. Ours, as the giant key's."""

WORTH_A_WORD = 1024**2
"""Bytes of clients' buffers that are shown; a few hundred bytes a client are always there."""

GIANT_PERCENT = 20.0
"""Of its node's limit; a key beyond it is worth a look before memory is bought for it. Ours: the runbook knows no figure."""


def _masters(scene: Scene) -> tuple[RedisNode, ...] | None:
    snapshot: RedisSnapshot | None = scene.snapshot("redis")
    return None if snapshot is None else snapshot.masters


def used(scene: Scene) -> CheckResult:
    """Used of the limit on every node; the fullest master decides, and before it any master without a limit."""
    snapshot: RedisSnapshot | None = scene.snapshot("redis")
    if snapshot is None:
        return scene.silence("redis")
    rows = tuple((node.name, node.problem or _stand(node)) for node in snapshot.nodes)
    warning, critical = scene.thresholds.redis_memory_warning, scene.thresholds.redis_memory_critical
    masters = snapshot.masters
    if endless := [node.name for node in masters if node.unlimited]:
        # Before the others' percent: the fullest may be the one that has none (facts 2.2.2).
        said = f"no memory limit on {', '.join(endless)}: what grows without one is killed by the kernel or its container's limit"
        return CheckResult(Passed.NO, said, rows, "unlimited")
    if not masters:
        return CheckResult(Passed.UNKNOWN, "no master answers", rows, "unknown")
    fullest = max(masters, key=lambda node: node.memory_percent or 0.0)
    percent = fullest.memory_percent or 0.0
    sentence = f"{fullest.name} uses {percent:.0f} % of {size(fullest.max_memory)} (warning {warning:.0f} %, critical {critical:.0f} %)"
    if percent >= warning:
        return CheckResult(Passed.NO, sentence, rows, "full")
    if unknown := [node.name for node in masters if node.memory_percent is None]:
        return CheckResult(Passed.UNKNOWN, f"the memory of {', '.join(unknown)} is not told", rows, "unknown")
    silent = [node.name for node in snapshot.nodes if node.problem]
    if silent:
        return CheckResult(Passed.NO, f"{sentence}; {', '.join(silent)} does not answer", rows, "silent")
    return CheckResult(Passed.YES, sentence, rows, "ok")


def _stand(node: RedisNode) -> str:
    percent = node.memory_percent
    share = (
        f"{percent:.0f} % of {size(node.max_memory)}" if percent is not None else f"{size(node.used_memory)}, no limit"
    )
    buffers = f"  clients' buffers {size(node.client_buffers)}" if node.client_buffers >= WORTH_A_WORD else ""
    return f"{'replica' if node.role == 'slave' else node.role}  {share}  {node.policy}{buffers}"


def _hogged(scene: Scene) -> RedisNode | None:
    """The full master whose clients hold most in buffers, where that is much: no key, no policy and no larger limit is to blame."""
    found = [
        node
        for node in _masters(scene) or ()
        if (node.memory_percent or 0.0) >= scene.thresholds.redis_memory_warning
        and 100.0 * node.client_buffers >= BUFFER_PERCENT * node.max_memory
    ]
    return max(found, key=lambda node: node.client_buffers, default=None)


def evictions(scene: Scene) -> CheckResult:
    """Evicted and refused a second, and what is found of what is asked for."""
    known = _masters(scene)
    if known is None:
        return scene.silence("redis")
    rows = tuple(
        (
            node.name,
            f"evicted {node.evicted_per_second:.0f}/s  refused {node.refused_per_second:.0f}/s  "
            f"hits {'no data' if node.hit_percent is None else f'{node.hit_percent:.0f} %'}",
        )
        for node in known
    )
    evicted, refused = sum(node.evicted_per_second for node in known), sum(node.refused_per_second for node in known)
    hits = [node.hit_percent for node in known if node.hit_percent is not None]
    low = min(hits, default=100.0)
    if not known:
        return CheckResult(Passed.UNKNOWN, "no master answers", rows, "unknown")
    mute = [node.name for node in known if not node.policy]  # Every server that shows its INFO tells it.
    if mute:
        return CheckResult(Passed.UNKNOWN, f"{', '.join(mute)} does not show its figures", rows, "unknown")
    if refused:
        return CheckResult(Passed.NO, f"{refused:.0f} writes a second are refused for lack of memory", rows, "refusing")
    if evicted:
        return CheckResult(Passed.NO, f"{evicted:.0f} keys a second are evicted", rows, "evicting")
    if low < scene.thresholds.redis_hit_rate_warning:
        wanted = scene.thresholds.redis_hit_rate_warning
        return CheckResult(Passed.NO, f"a master finds only {low:.0f} % (wanted: over {wanted:.0f} %)", rows, "missing")
    return CheckResult(Passed.YES, "nothing is evicted, no write is refused", rows, "ok")


def policy(scene: Scene) -> CheckResult:
    """The policy of every node against the one that is wanted."""
    snapshot: RedisSnapshot | None = scene.snapshot("redis")
    if snapshot is None:
        return scene.silence("redis")
    wanted = scene.params.get("policy") or "allkeys-lru"
    choices = (
        ("allkeys-lru", "every key is a cache (runbook 2.2)"),
        ("volatile-lru", "only keys with a TTL may go"),
        ("volatile-ttl", "those that expire soonest go first"),
        ("allkeys-lfu", "the least used go"),
        ("noeviction", "nothing goes: a store, a queue; writes fail when full"),
    )
    rows = tuple(
        (
            node.name,
            node.problem or f"{node.policy}  {node.keys - node.expiring_keys} of {node.keys} keys without a TTL",
        )
        for node in snapshot.nodes
    )
    other = [node.name for node in snapshot.answering if node.policy != wanted]
    if other:
        said = f"{len(other)} of {len(snapshot.answering)} nodes have another policy than {wanted}"
        return CheckResult(Passed.NO, said, rows, "other", choices)
    silent = [node.name for node in snapshot.nodes if node.problem]
    if silent:
        said = f"{wanted} on every node that answers; {', '.join(silent)} does not"
        return CheckResult(Passed.NO if snapshot.answering else Passed.UNKNOWN, said, rows, "silent", choices)
    return CheckResult(Passed.YES, f"{wanted} on all {len(snapshot.nodes)} nodes", rows, "ok", choices)


def big_keys(scene: Scene) -> CheckResult:
    """The largest keys, as far as the scan has come."""
    snapshot: KeysSnapshot | None = scene.snapshot("redis-keys")
    if snapshot is None:
        return scene.silence("redis-keys")
    rows = tuple(
        (key.name[:60], f"{size(key.bytes)} {key.kind} {_lives(key)} on {key.node}") for key in snapshot.keys[:12]
    )
    choices = tuple((key.name, f"{size(key.bytes)} {key.kind} on {key.node}") for key in snapshot.keys if key.exact)
    progress = f"{snapshot.seen} of {snapshot.total} keys looked at in {snapshot.seconds:.0f} s"
    if snapshot.running:
        return CheckResult(Passed.UNKNOWN, f"looking: {progress}", rows, "looking", choices, awaited=True)
    problem = f"; {snapshot.problems[0]}" if snapshot.problems else ""
    if not snapshot.keys:
        return CheckResult(
            Passed.UNKNOWN if problem else Passed.YES, f"no key found{problem}; {progress}", rows, "none"
        )
    largest = snapshot.keys[0]
    giant = _giant(scene, snapshot)
    said = f"the largest is {largest.name[:60]}: {size(largest.bytes)} on {largest.node}; {progress}{problem}"
    if giant is not None:
        return CheckResult(Passed.NO, said, rows, "giant", choices)
    passed = Passed.YES if not problem else Passed.NO
    return CheckResult(passed, said, rows, "spread" if snapshot.whole else "part", choices)


def _lives(key: BigKey) -> str:
    return f"for {age(key.ttl)}" if key.ttl >= 0 else "no TTL" if key.kind else ""


def _giant(scene: Scene, keys: KeysSnapshot) -> BigKey | None:
    """A key that alone takes more than :data:`GIANT_PERCENT` of its node."""
    limits = {node.name: node.max_memory or node.used_memory for node in _masters(scene) or ()}
    percent = scene.number("giant-percent", GIANT_PERCENT)
    return next(
        (key for key in keys.keys if key.exact and 100.0 * key.bytes >= percent * max(1, limits.get(key.node, 0)) > 0),
        None,
    )


def choose(scene: Scene) -> CheckResult:
    """What to do first: a client that does not read, one giant key, a policy that refuses, or simply too little memory."""
    keys: KeysSnapshot | None = scene.snapshot("redis-keys")
    # The client before the key: nothing is lost with its connection, and what fills its buffers may be that very key.
    giant = _giant(scene, keys) if keys is not None and _hogged(scene) is None else None
    if giant is not None and used(scene).value != "unknown":
        said = f"{giant.name[:60]} alone takes {size(giant.bytes)} of {giant.node}: more memory would not help for long"
        return CheckResult(Passed.NO, said, (), "giant")
    return then(scene)


def then(scene: Scene) -> CheckResult:
    """What is left to do, large keys apart."""
    memory, wrong, flow = used(scene), policy(scene), evictions(scene)
    if memory.passed is Passed.UNKNOWN and memory.value == "unknown":
        return memory
    hogged = _hogged(scene)
    if hogged is not None:
        said = (
            f"clients hold {size(hogged.client_buffers)} in buffers on {hogged.name}, of {size(hogged.max_memory)}: one does not read its answers; "
            "more memory would go the same way, and keys are evicted for it"
        )
        return CheckResult(Passed.NO, said, memory.rows, "buffers")
    if wrong.value == "other" and (memory.value in ("full", "unlimited") or flow.value == "refusing"):
        return CheckResult(Passed.NO, f"{wrong.sentence}; {memory.sentence}", wrong.rows, "policy")
    if memory.value in ("full", "unlimited") or flow.value in ("refusing", "evicting"):
        said = memory.sentence if memory.value != "ok" else flow.sentence
        return CheckResult(Passed.NO, said, memory.rows, "memory")
    return CheckResult(memory.passed, memory.sentence, memory.rows, "ok")


def room(scene: Scene) -> CheckResult:
    """The proof: below the warning on every master, nothing refused, nothing evicted."""
    memory, flow = used(scene), evictions(scene)
    if memory.passed is not Passed.YES:
        return memory
    if flow.value in ("refusing", "evicting"):
        return CheckResult(Passed.NO, f"{memory.sentence}, but {flow.sentence}", flow.rows, flow.value)
    return CheckResult(Passed.YES, f"{memory.sentence}; {flow.sentence}", memory.rows, "ok")


def sizes(scene: Scene) -> CheckResult:
    """What the limit could be: half as much again, twice as much, each with the share that would be used."""
    known = _masters(scene)
    if known is None:
        return scene.silence("redis")
    most = max((node.max_memory for node in known), default=0)
    need = max((node.used_memory for node in known), default=0)
    if not most:
        return CheckResult(Passed.UNKNOWN, "no master has a limit to begin from", (), "none")
    offers = [int(most * factor) for factor in (1.5, 2, 3)]
    choices = tuple(
        (f"{offer // 1024**2}mb", f"the fullest master would be at {100 * need / offer:.0f} %") for offer in offers
    )
    return CheckResult(Passed.YES, f"{size(most)} now", choices, "", choices)


CHECKS: dict[str, Check] = {
    "redis.memory": used,
    "redis.evictions": evictions,
    "redis.policy": policy,
    "redis.big-keys": big_keys,
    "redis.memory-first": choose,
    "redis.memory-next": then,
    "redis.room": room,
    "redis.sizes": sizes,
}
