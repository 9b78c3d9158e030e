"""The fixes for pods, their workloads and the platform: logs, restart, roll back, scale."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Workload

OWN_PROCEDURES = {
    "redis": "scaling does not move slots: open the Redis procedures",
    "vault": "a raft cluster is not scaled by its StatefulSet: open the Vault procedures",
    "postgres": "a database is not scaled by its StatefulSet: open the PostgreSQL procedures",
}
"""Beginnings of the names of StatefulSets that are never scaled from here, and why (facts 3.3)."""

NO_LOG = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")
"""Waiting reasons of a container that never ran: it has no log, and what is wrong stands in its revision."""

API = "api"
"""The Deployment that the platform's panel and the API's alerts mean (runbook 1.2)."""


def _pods(key: str, readings: Readings) -> list[Fix]:
    snapshot: KubernetesSnapshot | None = readings["kubernetes"].snapshot
    if snapshot is None:
        return []
    pod = first(snapshot.pods, lambda pod: pod.key == key)
    workload = first(snapshot.workloads, lambda workload: workload.key == key)
    if pod is None and workload is None:
        pod = first(snapshot.pods, lambda pod: not pod.healthy)
        if pod is None:
            workload = first(snapshot.workloads, lambda workload: not workload.rolled_out)
    if pod is not None:
        workload = first(snapshot.workloads, lambda w: (w.kind, w.name) == (pod.owner_kind, pod.owner))
    if pod is None and workload is None:
        workload = _named(snapshot, API)
    return [*(_of_pod(pod) if pod is not None else ()), *(_of_workload(workload, pod) if workload is not None else ())]


def _of_pod(pod: Pod) -> list[Fix]:
    """The previous log of the container that failed."""
    failed = _crashed(pod)
    fix = offer("kubernetes.previous-log", f"previous log of {pod.name}", pod=pod.name)
    if failed is None:
        return [replace(fix, why_not="none of its containers has run before: there is no previous log")]
    named = replace(fix, params=(*fix.params, ("container", failed.name)))
    return [replace(named, suggested=not pod.healthy and failed.waiting not in NO_LOG)]


def _crashed(pod: Pod) -> Container | None:
    """The container whose previous run is of interest: unready ones first, then the most restarts."""
    ended = [container for container in pod.containers if container.last_reason or container.restarts]
    return min(ended, key=lambda container: (container.ready, -container.restarts), default=None)


def _of_workload(workload: Workload, pod: Pod | None) -> list[Fix]:
    named = {"kind": workload.kind, "name": workload.name}
    fixes = []
    if workload.kind == "Deployment":
        fixes.append(_roll_back(workload, pod, named))
    fixes.append(offer("kubernetes.restart", f"restart {workload.name}, pod after pod", **named))
    return fixes + _scale(workload, named)


def _roll_back(workload: Workload, pod: Pod | None, named: dict[str, str]) -> Fix:
    if len(workload.revisions) < 2:
        fix = offer("kubernetes.rollback", f"roll back {workload.name}", **named)
        return replace(fix, why_not="it has no earlier revision")
    previous = workload.revisions[1]
    title = f"roll back {workload.name} to revision {previous.number} ({previous.image})"
    fix = offer("kubernetes.rollback", title, **named, revision=str(previous.number))
    if workload.paused:
        return replace(fix, why_not="its rollout is paused: resume it first")
    never_ran = pod is not None and any(container.waiting in NO_LOG for container in pod.containers)
    return replace(fix, suggested=never_ran or (workload.deadline_exceeded and (pod is None or pod.healthy)))


def _scale(workload: Workload, named: dict[str, str]) -> list[Fix]:
    """One more, one less: an engineer wants a number that is known to be meant."""
    desired = workload.desired
    up = offer(
        "kubernetes.scale", f"scale {workload.name} {desired} -> {desired + 1}", **named, replicas=str(desired + 1)
    )
    down = offer(
        "kubernetes.scale", f"scale {workload.name} {desired} -> {desired - 1}", **named, replicas=str(desired - 1)
    )
    if workload.kind == "StatefulSet":
        reason = next((why for start, why in OWN_PROCEDURES.items() if workload.name.startswith(start)), "")
        if reason:
            return [replace(up, title=f"scale {workload.name}", why_not=reason)]
    return [replace(up, suggested=desired == 0), *([down] if desired > 1 else [])]


def _platform(key: str, readings: Readings) -> list[Fix]:  # noqa: ARG001 - the panel has no rows that can be mended
    snapshot: KubernetesSnapshot | None = readings["kubernetes"].snapshot
    api = _named(snapshot, API) if snapshot is not None else None
    if api is None:
        return []
    named = {"kind": api.kind, "name": api.name}
    return [
        *_scale(api, named),
        _roll_back(api, None, named),
        offer("kubernetes.restart", f"restart {api.name}, pod after pod", **named),
    ]


def _named(snapshot: KubernetesSnapshot, name: str) -> Workload | None:
    return first(snapshot.workloads, lambda workload: workload.name == name and workload.kind == "Deployment")


MAKERS: dict[str, Maker] = {"kubernetes": _pods, "pods": _pods, "platform": _platform}
"""By menu."""
