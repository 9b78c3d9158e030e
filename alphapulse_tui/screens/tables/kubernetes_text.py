"""Pods, workloads and events whole, as ``kubectl describe`` would, without anything that may be a secret."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from alphapulse_tui.model.api_cause import EXIT_CODES
from alphapulse_tui.model.cluster import ClusterEvent, EventsSnapshot
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.words import age
from alphapulse_tui.screens.tables.view import Readings, since
from alphapulse_tui.widgets.lines import Line, line

EVENTS_SHOWN = 20


def describe_pod(pod: Pod, readings: Readings) -> Sequence[Line]:
    """Where it runs, each container with its last end, what the cluster says of it."""
    lines = [
        _pair("pod", pod.name),
        _pair("status", f"{pod.status}, {pod.ready} of {pod.total} ready", "ok" if pod.healthy else "critical"),
        _pair("owner", f"{pod.owner_kind} {pod.owner}"),
        _pair("node", pod.node or "not placed yet"),
        _pair("age", since(pod.created_at)),
        _pair("restarts", f"{pod.restarts}{_recent(pod)}"),
    ]
    for container in pod.containers:
        lines += [Line(), *_container(container)]
    return [*lines, Line(), *_events((pod.name,), readings)]


def describe_workload(row: Workload, readings: Readings) -> Sequence[Line]:
    """Its rollout, its history, its pods, what the cluster says of it."""
    lines = [
        _pair("workload", f"{row.kind} {row.name}"),
        _pair("replicas", f"{row.desired} wanted, {row.updated} updated, {row.ready} ready, {row.available} available"),
        _pair("rollout", _standing(row), "ok" if row.rolled_out else "critical"),
        _pair("image", row.image),
    ]
    if row.revisions:
        lines += [Line(), line(("History", "title"))]
    for place, revision in enumerate(row.revisions):
        mark = " (runs now)" if not place else ""
        lines.append(
            line(
                (f"  {revision.number}{mark}  ", "strong"),
                (f"{since(revision.created_at)} ago  {revision.replicas} pods  {revision.image}  ", "plain"),
                (revision.cause or "(no cause given)", "dim"),
            )
        )
    reading = readings.get("kubernetes")
    snapshot: KubernetesSnapshot | None = reading.snapshot if reading is not None else None
    mine = [pod for pod in snapshot.pods if (pod.owner_kind, pod.owner) == (row.kind, row.name)] if snapshot else []
    lines += [Line(), line((f"Pods ({len(mine)})", "title"))]
    for pod in mine[:EVENTS_SHOWN]:
        style = "plain" if pod.healthy else "critical"
        lines.append(
            line(
                (f"  {pod.name}  ", "plain"), (f"{pod.status} {pod.ready}/{pod.total}, {pod.restarts} restarts", style)
            )
        )
    names = (row.name, *(revision.replica_set for revision in row.revisions), *(pod.name for pod in mine))
    return [*lines, Line(), *_events(names, readings)]


def describe_event(row: ClusterEvent, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - a View's signature
    """One event, its message whole."""
    return [
        _pair("object", row.object),
        _pair("reason", f"{row.type} {row.reason}", "warning" if row.type == "Warning" else "plain"),
        _pair("times", str(row.count)),
        _pair("last", f"{since(row.last_at)} ago" if row.last_at else "not told"),
        _pair("first", f"{since(row.first_at)} ago" if row.first_at else "not told"),
        Line(),
        line((row.message, "strong")),
    ]


def _pair(name: str, value: str, style: str = "plain") -> Line:
    return line((f"{name:<10} ", "dim"), (value, style))


def _recent(pod: Pod) -> str:
    return f", the last one {since(pod.restarted_at[-1])} ago" if pod.restarted_at else ""


def _container(container: Container) -> list[Line]:
    kind = "init container" if container.init else "container"
    lines = [
        line((f"{kind} {container.name}", "title")),
        _pair("image", container.image),
        _pair("ready", "yes" if container.ready else "no", "ok" if container.ready else "critical"),
        _pair("restarts", str(container.restarts)),
    ]
    if container.waiting:
        lines.append(_pair("waits", f"{container.waiting}: {container.waiting_message}".rstrip(": "), "critical"))
    if container.last_reason:
        code = container.last_exit_code
        meaning = f", exit code {code} ({EXIT_CODES.get(code, 'its own')})" if code is not None else ""
        when = f", {age(time.time() - container.last_finished_at)} ago" if container.last_finished_at else ""
        lines.append(_pair("last end", f"{container.last_reason}{meaning}{when}", "warning"))
    return lines


def _standing(row: Workload) -> str:
    if row.paused:
        return "paused"
    if row.deadline_exceeded:
        return "ran into its deadline: it does not go on by itself, and nothing rolls back"
    return "done" if row.rolled_out else "under way" if row.rolling else "pods are missing"


def _events(names: Iterable[str], readings: Readings) -> list[Line]:
    """What the cluster says of these objects, warnings first."""
    reading = readings.get("kubernetes-events")
    snapshot: EventsSnapshot | None = reading.snapshot if reading is not None else None
    if snapshot is None:
        waited_for = reading is None or reading.taken_at is None
        said = "being read" if waited_for else "not verified any more"
        return [line(("Events  ", "title"), ((reading.problem if reading is not None else "") or said, "unknown"))]
    wanted = set(names)
    about = [event for event in snapshot.events if event.name in wanted]
    about.sort(key=lambda event: event.type != "Warning")
    lines = [line((f"Events ({len(about)})", "title"))]
    for event in about[:EVENTS_SHOWN]:
        style = "warning" if event.type == "Warning" else "dim"
        when = since(event.last_at)
        lines.append(line((f"  {when:>4} x{event.count} ", "dim"), (f"{event.reason}: {event.message}", style)))
    return lines
