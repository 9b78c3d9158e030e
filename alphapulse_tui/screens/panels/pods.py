"""Panel 2: pods, those in trouble first, and the rollouts behind them."""

from __future__ import annotations

from alphapulse_tui.model.kubernetes import KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.words import age
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import middle_cut, set_cells

NOT_CONFIGURED = "No cluster: set [kubernetes] in the profile, or KUBECONFIG."

WIDE = 56
"""Cells from which restarts and age are shown beside name and status."""

HEAD_ROWS = 8
"""Rows from which the columns have a head; below, their words speak for themselves."""

MAX_ROWS = 200
"""Lines made for the panel; the rest is in the detail screen. The panel shows at most a few dozen, unhealthy first."""


def title(snapshot: KubernetesSnapshot, width: int) -> str:
    """``Pods 47/50 ready, alphapulse``; the namespace where there is room."""
    namespace = f", {snapshot.namespace}" if width >= WIDE else ""
    return f"Pods {snapshot.ready_pods}/{len(snapshot.pods)} ready{namespace}"


def body(snapshot: KubernetesSnapshot, wall: float, width: int, rows: int) -> list[Line]:
    """Each rollout that is not done, then the pods, those in trouble first. ``wall`` is unix seconds now.

    How many are ready stands in the title (:func:`title`): on four rows every one is needed for what is wrong.
    """
    unfinished = [workload for workload in snapshot.workloads if not workload.rolled_out]
    lines = [_rollout(workload) for workload in unfinished]
    lines += [line(("missing right: ", "warning"), grant) for grant in snapshot.missing_grants]
    wide = width >= WIDE
    status = 18 if wide else 16
    names = max(8, width - (36 if wide else 23))
    if rows >= HEAD_ROWS:
        lines.append(line((f"{'NAME':<{names}} READY {'STATUS':<{status}}{' RST  AGE' if wide else ''}", "dim")))
    lines += [_pod(pod, wall, names, status, wide) for pod in snapshot.pods[:MAX_ROWS]]
    finished = [workload for workload in snapshot.workloads if workload.rolled_out]
    if len(lines) + len(finished) <= rows:
        lines += [_rollout(workload) for workload in finished]
    return lines


def _pod(pod: Pod, wall: float, names: int, status: int, wide: bool) -> Line:
    style = "plain" if pod.healthy else "critical"
    name = middle_cut(pod.name, names).ljust(names)
    age_and_restarts = f" {pod.restarts:>3} {age(wall - pod.created_at):>4}" if wide else ""
    return line(
        (f"{name} {pod.ready:>2}/{pod.total:<2} ", style),
        (f"{set_cells(pod.status, status):<{status}}", style),
        (age_and_restarts, "dim" if pod.healthy else style),
        key=pod.key,
    )


def _rollout(workload: Workload) -> Line:
    revision = f" revision {workload.revisions[0].number}" if workload.revisions else ""
    if workload.deadline_exceeded:
        state, style = "not ready in time", "critical"
    elif workload.paused:
        state, style = "paused", "warning"
    elif workload.rolling:
        state, style = "rolling out", "warning"
    elif not workload.rolled_out:
        state, style = "not all available", "warning"
    else:
        state, style = "rolled out", "dim"
    return line(
        (
            f"{workload.name} {workload.available}/{workload.desired}{revision} ",
            "plain" if workload.rolled_out else "strong",
        ),
        (state, style),
    )
