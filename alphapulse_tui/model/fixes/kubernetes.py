"""The fixes for pods, their workloads, their autoscalers and the platform: logs, restart, roll back, scale, memory."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.cluster import CapacitySnapshot, EventsSnapshot
from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer, snapshot
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.never_ran import NEVER_RAN

OWN_PROCEDURES = {
    "redis": "scaling does not move slots: open the Redis procedures",
    "vault": "a raft cluster is not scaled by its StatefulSet: open the Vault procedures",
    "postgres": "a database is not scaled by its StatefulSet: open the PostgreSQL procedures",
}
"""Beginnings of the names of StatefulSets that are never scaled from here, and why (facts 3.3)."""

TWICE = "2x"
"""Value of the memory action's ``memory``: twice the present limit."""

WHICH_IMAGE = "Which image? A tag (v1.4.3), a digest (sha256:...) or a whole name"

API = "api"
"""The Deployment that the platform's panel and the API's alerts mean (runbook 1.2)."""


def _pods(key: str, readings: Readings) -> list[Fix]:
    cluster: KubernetesSnapshot | None = snapshot(readings, "kubernetes")
    if cluster is None:
        return []
    pod = first(cluster.pods, lambda pod: pod.key == key)
    workload = first(cluster.workloads, lambda workload: workload.key == key)
    if not key:  # The panel itself; a row that is gone has no fixes, least of all those of another object.
        pod = first(cluster.pods, lambda pod: not pod.healthy)
        ill = first(cluster.workloads, lambda workload: not workload.rolled_out)
        workload = ill or _named(cluster, API)
    if pod is not None:
        workload = first(cluster.workloads, lambda w: (w.kind, w.name) == (pod.owner_kind, pod.owner))
    return [
        *(_of_pod(pod) if pod is not None else ()),
        *(_of_workload(workload, pod) if workload is not None else ()),
        *(_last_resort(pod) if pod is not None else ()),
    ]


def _events(key: str, readings: Readings) -> list[Fix]:
    """Those of the pod or the workload that the event is about, while it is there."""
    told: EventsSnapshot | None = snapshot(readings, "kubernetes-events")
    cluster: KubernetesSnapshot | None = snapshot(readings, "kubernetes")
    event = first(told.events, lambda one: one.uid == key) if told is not None else None
    if event is None or cluster is None:
        return []
    if event.kind == "Pod":
        about = next((pod.key for pod in cluster.pods if pod.name == event.name), "")
    else:
        named = (event.kind, event.name)
        about = next((one.key for one in cluster.workloads if (one.kind, one.name) == named), "")
    return _pods(about, readings) if about else []


def _of_pod(pod: Pod) -> list[Fix]:
    """The previous log of the container that failed."""
    failed = _crashed(pod)
    fix = offer("kubernetes.previous-log", f"previous log of {pod.name}", pod=pod.name)
    if failed is None:
        return [replace(fix, why_not="none of its containers has run before: there is no previous log")]
    named = replace(fix, params=(*fix.params, ("container", failed.name)))
    return [replace(named, suggested=not pod.healthy and failed.waiting not in NEVER_RAN and _killed(pod) is None)]


def _crashed(pod: Pod) -> Container | None:
    """The container whose previous run is of interest: unready ones first, then the most restarts."""
    ended = [container for container in pod.containers if container.last_reason or container.restarts]
    return min(ended, key=lambda container: (container.ready, -container.restarts), default=None)


def _of_workload(workload: Workload, pod: Pod | None) -> list[Fix]:
    named = {"kind": workload.kind, "name": workload.name}
    fixes = []
    if workload.kind == "Deployment":
        fixes.append(_roll_back(workload, pod, named))
    restart = offer("kubernetes.restart", f"restart {workload.name}, pod after pod", **named)
    if workload.kind == "StatefulSet" and workload.name.startswith(
        "vault"
    ):  # Facts 2.3.2: a slow Vault becomes a sealed one.
        restart = replace(restart, why_not="each node would come back sealed: restart one node from Vault's panel")
    fixes.append(restart)
    killed = _killed(pod) if pod is not None else None
    if killed is not None:
        title = f"twice the memory for {killed.name} of {workload.name}, which was killed for want of it"
        more = offer("kubernetes.set-memory", title, **named, container=killed.name, memory=TWICE)
        fixes.insert(0, replace(more, suggested=True))
    inside = offer(
        "kubernetes.test-inside", f"test database, Redis and Vault from a pod of {workload.name}", name=workload.name
    )
    needs = [inside] if workload.kind == "Deployment" and pod is not None and not pod.healthy else []
    return fixes + _scale(workload, named) + needs + _image(workload, pod, named)


def _image(workload: Workload, pod: Pod | None, named: dict[str, str]) -> list[Fix]:
    """Another image for the container that wants one; which, only a person knows."""
    if workload.kind != "Deployment":
        return []
    ill = first(pod.containers, lambda container: not container.ready) if pod is not None else None
    container = ill or (pod.containers[0] if pod is not None and len(pod.containers) == 1 else None)
    present = container.image if container is not None else workload.image
    fix = offer("kubernetes.set-image", f"set another image for {workload.name} (now {present})", **named)
    if container is not None:
        fix = replace(fix, params=(*fix.params, ("container", container.name)))
    return [replace(fix, asks=("image", WHICH_IMAGE))]


def _killed(pod: Pod) -> Container | None:
    """The container that was killed for want of memory."""
    return first(pod.containers, lambda container: container.last_reason == "OOMKilled" and not container.ready)


def _last_resort(pod: Pod) -> list[Fix]:
    """End the pod, so that its workload makes another."""
    fix = offer("kubernetes.delete-pod", f"delete {pod.name}, so that another one comes", pod=pod.name)
    if pod.status == "Terminating":
        return [replace(fix, why_not="it is ending already")]
    if pod.name.startswith("vault"):
        return [replace(fix, why_not="it would come back sealed: restart one node from Vault's panel")]
    return [fix if pod.owner else replace(fix, why_not="it belongs to no workload: nobody would start it again")]


def _roll_back(workload: Workload, pod: Pod | None, named: dict[str, str]) -> Fix:
    previous = workload.before
    if previous is None:
        fix = offer("kubernetes.rollback", f"roll back {workload.name}", **named)
        only = " but what somebody went back from" if workload.gone_back_from else ""
        return replace(fix, why_not=f"it has no earlier revision{only}")
    title = f"roll back {workload.name} to revision {previous.number} ({previous.image})"
    fix = offer("kubernetes.rollback", title, **named, revision=str(previous.number))
    if workload.paused:
        return replace(fix, why_not="its rollout is paused: resume it first")
    # Of a container that never ran nothing stands in a log, and what is wrong stands in its revision.
    never_ran = pod is not None and any(container.waiting in NEVER_RAN for container in pod.containers)
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
    cluster: KubernetesSnapshot | None = snapshot(readings, "kubernetes")
    api = _named(cluster, API) if cluster is not None else None
    if api is None:
        return []
    named = {"kind": api.kind, "name": api.name}
    return [
        *_scale(api, named),
        _roll_back(api, None, named),
        offer("kubernetes.restart", f"restart {api.name}, pod after pod", **named),
    ]


def _autoscalers(key: str, readings: Readings) -> list[Fix]:
    """Half as many again, and twice as many."""
    room: CapacitySnapshot | None = snapshot(readings, "kubernetes-capacity")
    found = first(room.autoscalers, lambda one: one.uid == key) if room is not None else None
    if found is None:
        return []
    fixes = []
    for most in dict.fromkeys((found.most + max(1, found.most // 2), found.most * 2)):
        fixes.append(
            offer(
                "kubernetes.hpa-maximum",
                f"let {found.name} have up to {most} (now {found.most})",
                name=found.name,
                most=str(most),
            )
        )
    return [replace(fixes[0], suggested=found.at_maximum), *fixes[1:]]


def _named(cluster: KubernetesSnapshot, name: str) -> Workload | None:
    return first(cluster.workloads, lambda workload: workload.name == name and workload.kind == "Deployment")


MAKERS: dict[str, Maker] = {
    "kubernetes": _pods,
    "pods": _pods,
    "platform": _platform,
    "kubernetes-autoscalers": _autoscalers,
    "kubernetes-events": _events,
}
"""By menu."""
