"""Views of the namespace: pods, rollouts, autoscalers, nodes, quota, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot, ClusterEvent, EventsSnapshot, Node, QuotaLine
from alphapulse_tui.model.kubernetes import KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.quantities import amount
from alphapulse_tui.model.words import size
from alphapulse_tui.screens.tables.kubernetes_text import describe_event, describe_pod, describe_workload
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column

PODS: tuple[Column[Pod], ...] = (
    Column("NAME", 0, lambda pod: pod.name, lambda pod: "plain" if pod.healthy else "critical", keep_end=True),
    Column("READY", 5, lambda pod: f"{pod.ready}/{pod.total}", right=True, sort=lambda pod: pod.ready - pod.total),
    Column("STATUS", 18, lambda pod: pod.status, lambda pod: "ok" if pod.healthy else "critical"),
    Column("RST", 4, lambda pod: str(pod.restarts), right=True, sort=lambda pod: -pod.restarts),
    Column("AGE", 4, lambda pod: since(pod.created_at), right=True, sort=lambda pod: -pod.created_at),
    Column("OWNER", 22, lambda pod: f"{pod.owner_kind} {pod.owner}", wide_only=True),
    Column("LAST END", 18, lambda pod: _last_end(pod), lambda pod: "warning", wide_only=True),  # noqa: ARG005
    Column("NODE", 12, lambda pod: pod.node, wide_only=True),
)

ROLLOUTS: tuple[Column[Workload], ...] = (
    Column("NAME", 0, lambda row: row.name, lambda row: "plain" if row.rolled_out else "critical"),
    Column("KIND", 11, lambda row: row.kind, wide_only=True),
    Column("REV", 4, lambda row: str(row.revisions[0].number) if row.revisions else "", right=True),
    Column("READY", 7, lambda row: f"{row.ready}/{row.desired}", right=True, sort=lambda row: row.ready - row.desired),
    Column("UPDATED", 7, lambda row: str(row.updated), right=True, sort=lambda row: row.updated),
    Column("STATE", 10, lambda row: _rollout(row), lambda row: "ok" if row.rolled_out else "critical"),
    Column("SINCE", 5, lambda row: since(_newest(row)), right=True, sort=lambda row: _newest(row)),
    Column("IMAGE", 26, lambda row: row.image, keep_end=True),
    Column("CAUSE", 40, lambda row: row.revisions[0].cause if row.revisions else "", wide_only=True),
)

AUTOSCALERS: tuple[Column[Autoscaler], ...] = (
    Column("NAME", 0, lambda row: row.name, lambda row: "critical" if row.problem or row.at_maximum else "plain"),
    Column("SCALES", 22, lambda row: f"{row.kind} {row.workload}"),
    Column("HAS", 4, lambda row: str(row.current), right=True, sort=lambda row: row.current),
    Column("WANTS", 5, lambda row: str(row.desired), right=True, sort=lambda row: row.desired),
    Column("BOUNDS", 9, lambda row: f"{row.least} to {row.most}", sort=lambda row: row.most),
    Column("FIGURES", 20, lambda row: ", ".join(row.figures)),
    Column("LIMITED", 16, lambda row: row.limited, lambda row: "warning" if row.at_maximum else "dim", wide_only=True),
    Column("PROBLEM", 40, lambda row: row.problem, lambda row: "critical", wide_only=True),  # noqa: ARG005
)

NODES: tuple[Column[Node], ...] = (
    Column("NAME", 0, lambda row: row.name, lambda row: "plain" if row.ready and not row.pressures else "critical"),
    Column("STATE", 24, lambda row: _node(row), lambda row: "ok" if _node(row) == "Ready" else "critical"),
    Column("MEMORY", 12, lambda row: _used(row.memory_used, row.memory), sort=lambda row: -(row.memory_used or 0.0)),
    Column("FREE", 10, lambda row: "?" if row.memory_free is None else size(row.memory_free), right=True),
    Column("CPU", 12, lambda row: _used(row.cpu_used, row.cpu), sort=lambda row: -(row.cpu_used or 0.0)),
    Column("AGE", 4, lambda row: since(row.created_at), right=True, sort=lambda row: -row.created_at),
    Column("VERSION", 12, lambda row: row.version, wide_only=True),
)

QUOTA: tuple[Column[QuotaLine], ...] = (
    Column("RESOURCE", 0, lambda row: row.resource, lambda row: "critical" if not row.left else "plain"),
    Column("USED", 12, lambda row: amount(row.resource, row.used), right=True, sort=lambda row: -row.used),
    Column("OF", 12, lambda row: amount(row.resource, row.hard), right=True, sort=lambda row: -row.hard),
    Column("LEFT", 12, lambda row: amount(row.resource, row.left), right=True, sort=lambda row: row.left),
    Column("QUOTA", 20, lambda row: row.quota),
)

EVENTS: tuple[Column[ClusterEvent], ...] = (
    Column("LAST", 4, lambda row: since(row.last_at), right=True, sort=lambda row: -(row.last_at or 0.0)),
    Column("TYPE", 7, lambda row: row.type, lambda row: "warning" if row.type == "Warning" else "dim"),
    Column("REASON", 18, lambda row: row.reason),
    Column("OBJECT", 24, lambda row: row.object, keep_end=True),
    Column("x", 4, lambda row: str(row.count), right=True, sort=lambda row: -row.count),
    Column("MESSAGE", 0, lambda row: row.message),
)


def _last_end(pod: Pod) -> str:
    """How the container that died last ended."""
    ended = [container for container in pod.containers if container.last_reason]
    if not ended:
        return ""
    last = max(ended, key=lambda container: container.last_finished_at or 0.0)
    return f"{last.last_reason} {last.last_exit_code}"


def _newest(row: Workload) -> float | None:
    return row.revisions[0].created_at if row.revisions else None


def _rollout(row: Workload) -> str:
    if row.paused:
        return "paused"
    if row.deadline_exceeded:
        return "failed"
    return "done" if row.rolled_out else "rolling" if row.rolling else "not ready"


def _node(row: Node) -> str:
    state = [*(() if row.ready else ("NOT READY",)), *row.pressures]
    return ", ".join([*state, *(("cordoned",) if row.unschedulable else ())]) or "Ready"


def _used(used: float | None, room: float) -> str:
    return "not known" if used is None else f"{100 * used / room:.0f}% used" if room else ""


def _of_pod(pod: Pod) -> tuple[str, Mapping[str, str]]:
    """The procedure that mends the pod: only an API's crash loop has one."""
    if pod.healthy or pod.owner_kind != "Deployment":
        return "", {}
    ended = max(
        (one for one in pod.containers if one.last_reason), key=lambda one: one.last_finished_at or 0.0, default=None
    )
    return "api-crashloop", {"deployment": pod.owner, "container": ended.name if ended is not None else ""}


def _of_workload(row: Workload) -> tuple[str, Mapping[str, str]]:
    if row.kind != "Deployment":
        return "", {}
    return ("rollback-deployment" if row.rolled_out else "api-crashloop"), {"deployment": row.name}


def _of_autoscaler(row: Autoscaler) -> tuple[str, Mapping[str, str]]:
    return ("api-latency", {"deployment": row.workload}) if row.at_maximum and row.kind == "Deployment" else ("", {})


def _logs_of(pod: Pod) -> tuple[str, Sequence[str]]:
    return pod.name, tuple(container.name for container in pod.containers)


def _room(snapshot: CapacitySnapshot) -> Line:
    """What could not be read, else the nodes in one sentence."""
    if snapshot.missing:
        return line(("; ".join(snapshot.missing), "unknown"))
    ill = [node.name for node in snapshot.nodes if not node.ready or node.pressures]
    free = sum(node.memory_free or 0.0 for node in snapshot.nodes)
    nodes = f"{len(snapshot.nodes)} node{'s' if len(snapshot.nodes) != 1 else ''}"
    said = f"{nodes}, {size(free)} memory free"
    return line((f"{said}; not well: {', '.join(ill)}", "critical")) if ill else line((said, "dim"))


def _told(snapshot: EventsSnapshot) -> Line:
    warnings = sum(1 for event in snapshot.events if event.type == "Warning")
    more = " (the server has more)" if snapshot.more else ""
    return line((f"{warnings} warnings of {len(snapshot.events)} events, newest first{more}", "dim"))


def _pods_told(snapshot: KubernetesSnapshot) -> Line:
    return line((f"{snapshot.ready_pods} of {len(snapshot.pods)} pods are well in {snapshot.namespace}", "dim"))


VIEWS = (
    View(
        "pods",
        "kubernetes",
        PODS,
        lambda snapshot: snapshot.pods,
        lambda row: row.key,
        head=_pods_told,
        procedure=_of_pod,
        text=describe_pod,
        name=lambda row: row.name,
        text_reads=("kubernetes-events",),
        log=_logs_of,
    ),
    View(
        "rollouts",
        "kubernetes",
        ROLLOUTS,
        lambda snapshot: snapshot.workloads,
        lambda row: row.key,
        procedure=_of_workload,
        text=describe_workload,
        name=lambda row: row.name,
        text_reads=("kubernetes-events",),
    ),
    View(
        "HPAs",
        "kubernetes-capacity",
        AUTOSCALERS,
        lambda snapshot: snapshot.autoscalers,
        lambda row: row.uid,
        fixes="kubernetes-autoscalers",
        procedure=_of_autoscaler,
    ),
    View("nodes", "kubernetes-capacity", NODES, lambda snapshot: snapshot.nodes, lambda row: row.name, head=_room),
    View(
        "quota",
        "kubernetes-capacity",
        QUOTA,
        lambda snapshot: snapshot.quotas,
        lambda row: f"{row.quota}/{row.resource}",
    ),
    View(
        "events",
        "kubernetes-events",
        EVENTS,
        lambda snapshot: snapshot.events,
        lambda row: row.uid,
        fixes="kubernetes-events",
        head=_told,
        text=describe_event,
        name=lambda row: f"{row.reason} {row.object}",
    ),
)
