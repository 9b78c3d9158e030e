"""Views of Redis: its nodes, their views side by side, where the memory goes, the largest keys, what was slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_keys import BigKey, KeysSnapshot
from alphapulse_tui.model.redis_memory import MemorySnapshot, NodeMemory, SlowCommand
from alphapulse_tui.model.redis_views import MemberRow, ViewsSnapshot
from alphapulse_tui.model.words import age, size, utc
from alphapulse_tui.screens.tables.view import Readings, View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column

SPLIT = "redis-split-brain"
MEMORY = "redis-memory"

NODES: tuple[Column[RedisNode], ...] = (
    Column(
        "NODE",
        16,
        lambda row: row.name,
        lambda row: "critical" if row.problem or row.cluster_state != "ok" else "plain",
        keep_end=True,
    ),
    Column("ROLE", 7, lambda row: {"slave": "replica"}.get(row.role, row.role)),
    Column("CLUSTER", 7, lambda row: row.cluster_state, lambda row: "ok" if row.cluster_state == "ok" else "critical"),
    Column("COVERED", 7, lambda row: str(row.slots_assigned), right=True, sort=lambda row: row.slots_assigned),
    Column("EPOCH", 6, lambda row: str(row.current_epoch), right=True, sort=lambda row: row.current_epoch),
    Column(
        "MEMORY",
        16,
        lambda row: f"{row.memory_percent:.0f}% of {size(row.max_memory)}" if row.max_memory else size(row.used_memory),
        sort=lambda row: -row.used_memory,
    ),
    Column("POLICY", 14, lambda row: row.policy, wide_only=True),
    Column(
        "EVICTED",
        9,
        lambda row: f"{row.evicted_per_second:.0f}/s",
        right=True,
        sort=lambda row: -row.evicted_per_second,
        wide_only=True,
    ),
    Column("ADDRESS", 21, lambda row: row.address, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)

MEMBERS: tuple[Column[MemberRow], ...] = (
    Column("MEMBER", 18, lambda row: row.name, lambda row: "critical" if row.differs else "plain"),
    Column("ROLE", 8, lambda row: row.role),
    Column("SLOTS", 13, lambda row: row.slots),
    Column("EPOCH", 6, lambda row: row.epoch, lambda row: "warning" if "|" in row.epoch else "plain", right=True),
    Column("SEEN BY", 9, lambda row: row.seen, lambda row: "critical" if set(row.seen) & set("!?x-") else "ok"),
    Column(
        "HEALTH", 8, lambda row: row.health, lambda row: "ok" if row.health == "online" else "warning", wide_only=True
    ),
    Column("OF", 18, lambda row: row.of, wide_only=True),
    Column("NODE ID", 10, lambda row: row.node_id[:8], wide_only=True),
    Column("THE VIEWS DIFFER IN", 0, lambda row: row.differs, lambda row: "critical"),  # noqa: ARG005
)

BYTES: tuple[Column[NodeMemory], ...] = (
    Column("NODE", 18, lambda row: row.name, lambda row: "critical" if row.problem else "plain"),
    Column("ROLE", 8, lambda row: row.role, wide_only=True),
    Column(
        "USED",
        5,
        lambda row: _percent(row.percent),
        lambda row: _fullness(row),
        right=True,
        sort=lambda row: -(row.percent or 0.0),
    ),
    Column("LIMIT", 9, lambda row: size(row.limit) if row.limit else "none", right=True, sort=lambda row: -row.limit),
    Column("POLICY", 12, lambda row: row.policy),
    Column("EVICT", 6, lambda row: _rate(row.evicted), right=True, sort=lambda row: -row.evicted),
    Column("REFUSE", 6, lambda row: _rate(row.refused), lambda row: "critical" if row.refused else "plain", right=True),
    Column("HIT", 4, lambda row: _percent(row.hit_percent), right=True, sort=lambda row: row.hit_percent or 101.0),
    Column("EXPIRE", 6, lambda row: _rate(row.expired), right=True, wide_only=True),
    Column("REJECT", 6, lambda row: _rate(row.rejected), right=True, wide_only=True),
    Column("KEYS", 9, lambda row: str(row.keys), right=True, sort=lambda row: -row.keys, wide_only=True),
    Column("NO TTL", 9, lambda row: str(row.keys - row.expiring), right=True, wide_only=True),
    Column("RESIDENT", 9, lambda row: size(row.resident), right=True, wide_only=True),
    Column(
        "FRAG",
        5,
        lambda row: "" if row.fragmentation is None else f"{row.fragmentation:.1f}",
        right=True,
        wide_only=True,
    ),
    Column("BUFFERS", 9, lambda row: size(row.client_buffers + row.replica_buffers), right=True, wide_only=True),
    Column("NOW", 0, lambda row: row.problem or row.fork, lambda row: "unknown" if row.problem else "warning"),
)

KEYS: tuple[Column[BigKey], ...] = (
    Column("SIZE", 10, lambda row: size(row.bytes), right=True, sort=lambda row: -row.bytes),
    Column("TYPE", 7, lambda row: row.kind),
    Column(
        "TTL", 6, lambda row: _lives(row), lambda row: "warning" if row.ttl < 0 else "plain", sort=lambda row: row.ttl
    ),
    Column("NODE", 18, lambda row: row.node),
    Column("KEY", 0, lambda row: row.name, lambda row: "plain" if row.exact else "unknown"),
)

SLOW: tuple[Column[SlowCommand], ...] = (
    Column("TOOK", 9, lambda row: f"{row.microseconds / 1000:.1f} ms", right=True, sort=lambda row: -row.microseconds),
    Column("AGO", 4, lambda row: since(row.at), right=True, sort=lambda row: -row.at),
    Column("NODE", 18, lambda row: row.node),
    Column("CLIENT", 22, lambda row: row.client, wide_only=True),
    Column("COMMAND", 0, lambda row: row.command),
)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}%"


def _rate(value: float) -> str:
    return f"{value:.0f}/s" if value else ""


def _fullness(row: NodeMemory) -> str:
    percent = row.percent or 0.0
    return "critical" if percent >= 90 else "warning" if percent >= 80 else "plain"


def _lives(row: BigKey) -> str:
    return age(row.ttl) if row.ttl >= 0 else "ever" if row.kind else ""


def _of_node(row: RedisNode) -> tuple[str, Mapping[str, str]]:
    """Agreement before memory: a full node of a cluster that serves nobody is not what hurts."""
    if row.problem or row.cluster_state not in ("ok", "") or row.master_link == "down":
        return SPLIT, {}
    short = (row.memory_percent or 0.0) >= 80 or row.evicted_per_second or row.refused_per_second
    return (MEMORY if short else ""), {}


def _of_member(row: MemberRow) -> tuple[str, Mapping[str, str]]:
    return (SPLIT if row.differs or set(row.seen) & set("!?x-.") else ""), {}


def _of_memory(row: NodeMemory) -> tuple[str, Mapping[str, str]]:
    return (MEMORY if _fullness(row) != "plain" or row.evicted or row.refused or not row.limit else ""), {}


def _views_head(snapshot: ViewsSnapshot) -> Line:
    """Whether they are one, and what the marks mean."""
    rows = snapshot.rows
    differ = sum(bool(row.differs) for row in rows)
    said = (f"{differ} of {len(rows)} differ", "critical") if differ else ("the views agree", "ok")
    return line(said, f"   {snapshot.legend}")


def _memory_head(snapshot: MemorySnapshot) -> Line:
    masters = [node for node in snapshot.nodes if node.role == "master"]
    total, limit = sum(node.used for node in masters), sum(node.limit for node in masters)
    refused, evicted = sum(node.refused for node in masters), sum(node.evicted for node in masters)
    return line(
        (f"{len(masters)} masters use {size(total)} of {size(limit)}  ", "plain"),
        (f"evicted {evicted:.0f}/s  ", "warning" if evicted else "dim"),
        (f"refused {refused:.0f}/s", "critical" if refused else "dim"),
    )


def _keys_head(snapshot: KeysSnapshot) -> Line:
    """How far it has come; a scan that ended at a bound says so."""
    looked = (
        f"{snapshot.seen} of {snapshot.total} keys looked at ({snapshot.percent:.0f} %) in {snapshot.seconds:.0f} s"
    )
    if snapshot.running:
        return line(("looking  ", "accent"), f"{looked}; leaving this view ends it")
    if snapshot.problems:
        return line((f"{snapshot.problems[0]}  ", "unknown"), looked)
    if not snapshot.whole:
        return line(("ended at its bound  ", "warning"), looked)
    return line(("done  ", "ok"), f"{looked}, at {utc(snapshot.began)}")


def _slow_head(snapshot: MemorySnapshot) -> Line:
    worst = max(snapshot.latency, key=lambda event: event.worst, default=None)
    if worst is None:
        return line(("no latency event is recorded (latency-monitor-threshold)", "dim"))
    return line(f"worst latency event: {worst.event} {worst.worst} ms on {worst.node}, last {worst.last} ms")


def _member_text(row: MemberRow, readings: Readings) -> Sequence[Line]:
    """What each node says of it, and the settings that decide how it fails over."""
    lines = [
        line((row.name, "title"), f"  {row.role}{f' of {row.of}' if row.of else ''}  {row.slots}"),
        line(("node id  ", "dim"), row.node_id, ("  address  ", "dim"), row.address),
        line((f"differs: {row.differs}", "critical") if row.differs else ("every node says the same", "ok")),
        Line(),
        line(("As each node sees it", "title")),
        *(line((f"  {name}  ", "dim"), said) for name, said in row.views),
    ]
    reading = readings.get("redis-views")
    found = dict(reading.snapshot.settings) if reading is not None and reading.snapshot is not None else {}
    told = found.get(row.name, ())
    if told:
        lines += [Line(), line(("Settings of this node that bound a split", "title"))]
        lines += [line((f"  {name}  ", "dim"), value) for name, value in told]
    return lines


def _memory_text(row: NodeMemory, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - all is in the row
    """Every figure of the node."""
    figures = (
        ("used, counted against the limit", size(row.used)),
        ("limit (maxmemory)", size(row.limit) if row.limit else "none: it grows until the kernel kills it"),
        ("peak", size(row.peak)),
        ("resident", size(row.resident)),
        ("fragmentation", "" if row.fragmentation is None else f"{row.fragmentation:.2f}"),
        ("policy", row.policy),
        ("keys", f"{row.keys}, {row.keys - row.expiring} without a TTL"),
        ("evicted", f"{row.evicted:.1f}/s"),
        ("expired", f"{row.expired:.1f}/s"),
        ("refused for lack of memory", f"{row.refused:.1f}/s"),
        ("connections rejected", f"{row.rejected:.1f}/s"),
        ("clients", f"{row.clients}, buffers {size(row.client_buffers)}"),
        ("replication buffers", size(row.replica_buffers)),
        ("child process", row.fork or "none"),
    )
    head = line((row.name, "title"), f"  {row.role}", (f"  {row.problem}", "unknown"))
    return [head, Line(), *(line((f"  {name:<32}", "dim"), value) for name, value in figures)]


VIEWS = (
    View("nodes", "redis", NODES, lambda snapshot: snapshot.nodes, lambda row: row.name, procedure=_of_node),
    View(
        "views",
        "redis-views",
        MEMBERS,
        lambda snapshot: snapshot.rows,
        lambda row: row.node_id,
        fixes="redis-views",
        head=_views_head,
        procedure=_of_member,
        text=_member_text,
    ),
    View(
        "memory",
        "redis-memory",
        BYTES,
        lambda snapshot: snapshot.nodes,
        lambda row: row.name,
        fixes="redis-memory",
        head=_memory_head,
        procedure=_of_memory,
        text=_memory_text,
    ),
    View(
        "keys",
        "redis-keys",
        KEYS,
        lambda snapshot: snapshot.keys,
        lambda row: f"{row.node} {row.name}",
        fixes="redis-keys",
        head=_keys_head,
        procedure=lambda row: (MEMORY, {"key": row.name} if row.exact else {}),
    ),
    View(
        "slow",
        "redis-memory",
        SLOW,
        lambda snapshot: snapshot.slow,
        lambda row: row.key,
        fixes="redis",
        head=_slow_head,
    ),
)
