"""The fixes menu ``f``: what can be done about the focused panel or row, numbered, what the readings suggest first (design 4, rule 11).

Pure: from readings to a list. Nothing here asks a target; the chosen fix is planned by the executor against the target as it is then, and
the plan may still refuse. ``why_not`` is set only where the readings already say that it cannot work. Used by ``screens.fixes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.kubernetes import Container, KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot

Readings = Mapping[str, Reading[Any]]
T = TypeVar("T")

MOST = 9
"""A menu is chosen from by one digit."""

OWN_PROCEDURES = {
    "redis": "scaling does not move slots: open the Redis procedures",
    "vault": "a raft cluster is not scaled by its StatefulSet: open the Vault procedures",
    "postgres": "a database is not scaled by its StatefulSet: open the PostgreSQL procedures",
}
"""Beginnings of the names of StatefulSets that are never scaled from here, and why (facts 3.3)."""

NO_LOG = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")
"""Waiting reasons of a container that never ran: it has no log, and what is wrong stands in its revision."""

ALERT_TARGETS = {
    "api-crashloop": "kubernetes",
    "api-errors": "kubernetes",
    "api-latency": "platform",
    "pg-connections": "postgres",
    "redis-memory": "redis",
    "vault-sealed": "vault",
}
"""An alert's procedure to the panel whose fixes are offered for it."""

API = "api"
"""The Deployment that the platform's panel and the API's alerts mean (runbook 1.2)."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One line of the menu."""

    number: int
    action_id: str
    """An id of ``actions.registry``."""
    params: tuple[tuple[str, str], ...]
    title: str
    suggested: bool = False
    why_not: str = ""
    """Why it is not possible now; empty when it is."""


def fixes_for(target: str, key: str, readings: Readings, now: float) -> tuple[Fix, ...]:
    """The fixes for row ``key`` (empty: the panel itself) of panel ``target``, the suggested one first, numbered from 1.

    ``now`` is the board's clock: what is too old to be trusted suggests nothing.
    """
    maker = _MAKERS.get(target)
    reading = readings.get(_behind(target))
    if maker is None or reading is None:
        return ()
    found = maker(key, readings)
    if reading.link is Link.UNCONFIGURED:
        found = [
            replace(fix, suggested=False, why_not=f"{reading.target} is not configured in this profile")
            for fix in found
        ]
    elif not reading.trusted(now):
        found = [replace(fix, suggested=False) for fix in found]
    found.sort(key=lambda fix: not fix.suggested)
    return tuple(replace(fix, number=number) for number, fix in enumerate(found[:MOST], 1))


def _postgres(key: str, readings: Readings) -> list[Fix]:
    reading: Reading[PostgresSnapshot] = readings["postgres"]
    sessions = reading.snapshot.sessions if reading.snapshot is not None else ()
    in_transaction = _fix("pg.terminate-idle-in-transaction", "terminate idle in transaction")
    idle = _fix("pg.terminate-idle", "terminate idle, poolers excepted")
    row = _first(sessions, lambda session: session.key == key)
    if row is not None:
        return [replace(_one_session(row), suggested=True), in_transaction, idle]
    # The rules have judged ages against the profile's own thresholds; a second opinion here could only differ.
    critical = [found for found in reading.findings if found.health is Health.CRITICAL]
    holds_locks = any(found.procedure == "pg-connections" and found.subject.startswith("pid ") for found in critical)
    full = any(found.procedure == "pg-connections" and not found.subject.startswith("pid ") for found in critical)
    return [replace(in_transaction, suggested=holds_locks), replace(idle, suggested=full and not holds_locks)]


def _one_session(session: Session) -> Fix:
    """Ends the row's session; which action depends on what it does, because that decides what is checked again at the signal."""
    params = {"pids": session.key}
    action = "pg.terminate-backend"
    if session.state.startswith("idle in transaction"):
        action, params["min_seconds"] = "pg.terminate-idle-in-transaction", "0"
    elif session.state == "idle":
        action, params["min_seconds"] = "pg.terminate-idle", "0"
    fix = _fix(action, f"terminate pid {session.pid} of {session.user} ({session.state or 'unknown state'})", **params)
    if session.superuser:
        return replace(fix, why_not="a superuser's session is never ended from here")
    if session.replication:
        return replace(fix, why_not="a replication role's session is never ended from here")
    if session.backend_type != "client backend":
        return replace(fix, why_not=f"it is no client but a {session.backend_type or 'backend of an unknown kind'}")
    return fix


def _vault(key: str, readings: Readings) -> list[Fix]:
    snapshot: VaultSnapshot | None = readings["vault"].snapshot
    if snapshot is None:
        return [_fix("vault.unseal", "unseal next node", node="next")]
    sealed = [node for node in snapshot.sealed if not node.auto_unseal]
    none = _no_share_helps(snapshot)
    fixes = []
    row = _first(snapshot.nodes, lambda node: node.name == key)
    if row is not None and row in sealed:
        fixes.append(_fix("vault.unseal", f"unseal {row.name} ({_round(row)})", node=row.name))
    following = max(sealed, key=lambda node: node.progress, default=None)
    if not fixes:
        title = f"unseal next node: {following.name} ({_round(following)})" if following else "unseal next node"
        fixes.append(replace(_fix("vault.unseal", title, node="next"), why_not=none))
    if len(sealed) > 1:
        fixes.append(_fix("vault.unseal", f"give one share to all {len(sealed)} sealed nodes"))
    begun = [node.name for node in sealed if node.progress]
    reset = _fix("vault.reset-unseal", f"reset the unseal round{' of ' + ', '.join(begun) if begun else ''}")
    fixes.append(replace(reset, why_not="" if begun else "no round of shares is under way"))
    if sealed:
        # A share that one person has brought opens every node a step further; without a row that is what the procedure does too.
        best = fixes[0] if row in sealed or len(sealed) == 1 else fixes[1]
        fixes = [replace(fix, suggested=fix is best) for fix in fixes]
    return fixes


def _no_share_helps(snapshot: VaultSnapshot) -> str:
    if not snapshot.sealed:
        silent = [node.name for node in snapshot.nodes if node.problem]
        return f"no node that answers is sealed; {', '.join(silent)}: no answer" if silent else "no node is sealed"
    if all(node.auto_unseal for node in snapshot.sealed):
        return f"{snapshot.sealed[0].name} is opened by {snapshot.sealed[0].seal_type}, not by shares: mend the KMS"
    return ""


def _round(node: VaultNode) -> str:
    return f"{node.progress}/{node.threshold}"


def _pods(key: str, readings: Readings) -> list[Fix]:
    snapshot: KubernetesSnapshot | None = readings["kubernetes"].snapshot
    if snapshot is None:
        return []
    pod = _first(snapshot.pods, lambda pod: pod.key == key)
    workload = _first(snapshot.workloads, lambda workload: workload.key == key)
    if pod is None and workload is None:
        pod = _first(snapshot.pods, lambda pod: not pod.healthy)
        if pod is None:
            workload = _first(snapshot.workloads, lambda workload: not workload.rolled_out)
    if pod is not None:
        workload = _first(snapshot.workloads, lambda w: (w.kind, w.name) == (pod.owner_kind, pod.owner))
    if pod is None and workload is None:
        workload = _named(snapshot, API)
    return [*(_of_pod(pod) if pod is not None else ()), *(_of_workload(workload, pod) if workload is not None else ())]


def _of_pod(pod: Pod) -> list[Fix]:
    """The previous log of the container that failed."""
    failed = _crashed(pod)
    fix = _fix("kubernetes.previous-log", f"previous log of {pod.name}", pod=pod.name)
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
    fixes.append(_fix("kubernetes.restart", f"restart {workload.name}, pod after pod", **named))
    return fixes + _scale(workload, named)


def _roll_back(workload: Workload, pod: Pod | None, named: dict[str, str]) -> Fix:
    if len(workload.revisions) < 2:
        fix = _fix("kubernetes.rollback", f"roll back {workload.name}", **named)
        return replace(fix, why_not="it has no earlier revision")
    previous = workload.revisions[1]
    title = f"roll back {workload.name} to revision {previous.number} ({previous.image})"
    fix = _fix("kubernetes.rollback", title, **named, revision=str(previous.number))
    if workload.paused:
        return replace(fix, why_not="its rollout is paused: resume it first")
    never_ran = pod is not None and any(container.waiting in NO_LOG for container in pod.containers)
    return replace(fix, suggested=never_ran or (workload.deadline_exceeded and (pod is None or pod.healthy)))


def _scale(workload: Workload, named: dict[str, str]) -> list[Fix]:
    """One more, one less: an engineer wants a number that is known to be meant."""
    desired = workload.desired
    up = _fix(
        "kubernetes.scale", f"scale {workload.name} {desired} -> {desired + 1}", **named, replicas=str(desired + 1)
    )
    down = _fix(
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
        _fix("kubernetes.restart", f"restart {api.name}, pod after pod", **named),
    ]


def _alerts(key: str, readings: Readings) -> list[Fix]:
    """The fixes of what the alert is about; without a row, of the first firing one."""
    snapshot: AlertsSnapshot | None = readings["alerts"].snapshot
    if snapshot is None:
        return []
    alert = _first(snapshot.alerts, lambda alert: alert.key == key) or _first(snapshot.firing, lambda _: True)
    target = ALERT_TARGETS.get(alert.procedure, "") if alert is not None else ""
    maker = _MAKERS.get(target)
    if alert is None or maker is None or _behind(target) not in readings:
        return []
    return maker(_row_of(dict(alert.labels), target, readings), readings)


def _behind(target: str) -> str:
    """The reading that a panel's fixes are made of."""
    return "kubernetes" if target in ("pods", "platform") else target


def _row_of(labels: Mapping[str, str], target: str, readings: Readings) -> str:
    """The row that an alert's labels name, as the panel of ``target`` keys it; empty when they name none."""
    snapshot = readings[_behind(target)].snapshot
    name = labels.get("pod", "")
    if isinstance(snapshot, KubernetesSnapshot):
        pod = _first(snapshot.pods, lambda pod: bool(name) and pod.name == name)
        unhealthy = _first(snapshot.pods, lambda pod: pod.owner == API and not pod.healthy)
        return pod.key if pod is not None else unhealthy.key if unhealthy is not None else ""
    return name


def _named(snapshot: KubernetesSnapshot, name: str) -> Workload | None:
    return _first(snapshot.workloads, lambda workload: workload.name == name and workload.kind == "Deployment")


def _first(items: Iterable[T], fits: Callable[[T], bool]) -> T | None:
    return next((item for item in items if fits(item)), None)


def _fix(action_id: str, title: str, **params: str) -> Fix:
    return Fix(0, action_id, tuple(params.items()), title)


_MAKERS: dict[str, Callable[[str, Readings], list[Fix]]] = {
    "postgres": _postgres,
    "vault": _vault,
    "kubernetes": _pods,
    "pods": _pods,
    "platform": _platform,
    "alerts": _alerts,
}
"""Panels that have fixes; Redis' come with its procedures."""
