"""Panel 4: Redis: what the nodes agree on, memory, hit rate, and every node's own answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alphapulse_tui.model.redis import CLUSTER_SLOTS, RedisNode, RedisSnapshot
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.words import size
from alphapulse_tui.screens.panels.past import with_trend
from alphapulse_tui.widgets.lines import Line, line

ROOMY = 60
"""Cells from which a panel spends a line on the past of the evictions: below it rows are scarce too (80x24)."""

NOT_CONFIGURED = "No Redis: set [redis] with its nodes in the profile."


def body(
    snapshot: RedisSnapshot,
    thresholds: Thresholds,
    width: int = 0,
    past: Mapping[str, Sequence[float | None]] | None = None,
    ascii_only: bool = False,
) -> list[Line]:
    """Cluster first, then memory, then a line for each node. ``past`` are the last figures of ``memory`` and ``evicted``."""
    lines = [_cluster(snapshot), *_past(_memory(snapshot, thresholds), width, past or {}, ascii_only)]
    lines += [line(("missing right: ", "warning"), grant) for grant in snapshot.missing_grants]
    names = {node.node_id: node.name for node in snapshot.answering}
    lines += [_node(node, names, thresholds) for node in sorted(snapshot.nodes, key=_trouble_first)]
    return lines


def _cluster(snapshot: RedisSnapshot) -> Line:
    answering = snapshot.answering
    if not answering:
        return line(("no node answers", "unknown"))
    states = {node.cluster_state for node in answering}
    agreed = states == {"ok"}
    state = "ok" if agreed else "nodes disagree" if len(states) > 1 else next(iter(states))
    slots = min(node.slots_assigned for node in answering)
    return line(
        "cluster ",
        (state, "ok" if agreed else "critical"),
        "  nodes ",
        (f"{len(answering)}/{len(snapshot.nodes)}", "plain" if len(answering) == len(snapshot.nodes) else "critical"),
        "  slots ",
        ("all", "plain") if slots == CLUSTER_SLOTS else (f"{slots}/{CLUSTER_SLOTS}", "critical"),
    )


def _memory(snapshot: RedisSnapshot, thresholds: Thresholds) -> Line:
    percent = snapshot.memory_percent
    evicted = sum(node.evicted_per_second for node in snapshot.masters)
    rates = [node.hit_percent for node in snapshot.masters if node.hit_percent is not None]
    hit = sum(rates) / len(rates) if rates else None
    memory = ("no limit", "warning") if percent is None else (f"{percent:.0f}%", _memory_style(percent, thresholds))
    low = hit is not None and hit < thresholds.redis_hit_rate_warning
    return line(
        "memory ",
        memory,
        f"  evicted {evicted:.0f}/s  hit ",
        ("idle" if hit is None else f"{hit:.0f}%" if hit >= 99.95 else f"{hit:.1f}%", "warning" if low else "plain"),
    )


def _past(now: Line, width: int, past: Mapping[str, Sequence[float | None]], ascii_only: bool) -> list[Line]:
    """Memory and rates with memory's past behind them; what was evicted stands below, where anything was, on a panel with room for it."""
    lines = [with_trend(now, past.get("memory", ()), width, 100.0, ascii_only)]
    evicted = past.get("evicted", ())
    most = max((value for value in evicted if value is not None), default=0.0)
    if most > 0 and width >= ROOMY:
        said = with_trend(line(("evicted ", "dim"), f"up to {most:.0f}/s"), evicted, width, most, ascii_only)
        lines.append(said)
    return lines


def _memory_style(percent: float, thresholds: Thresholds) -> str:
    if percent >= thresholds.redis_memory_critical:
        return "critical"
    return "warning" if percent >= thresholds.redis_memory_warning else "ok"


def _trouble_first(node: RedisNode) -> tuple[bool, str]:
    return (not node.problem and node.cluster_state == "ok", node.name)


def _node(node: RedisNode, names: dict[str, str], thresholds: Thresholds) -> Line:
    if node.problem:
        return line((f"{node.name} ", "plain"), (node.problem, "unknown"), key=node.name)
    percent = node.memory_percent
    memory = (
        (size(node.used_memory), "dim") if percent is None else (f"{percent:.0f}%", _memory_style(percent, thresholds))
    )
    if node.role == "master":
        own = next((member for member in node.view if "myself" in member.flags), None)
        ranges = ",".join(f"{low}-{high}" for low, high in own.slots) if own else ""
        role = (f"master {ranges}", "plain")
    else:
        link = "" if node.master_link == "up" else f" link {node.master_link}"
        role = (
            f"replica of {names.get(node.master_id, node.master_id[:8])}{link}",
            "plain" if not link else "critical",
        )
    return line((f"{node.name} ", "strong"), memory, "  ", role, key=node.name)
