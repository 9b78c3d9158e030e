"""What is wrong in the namespace: the API without a ready pod, stuck rollouts, crash loops (runbook 2.4 and 4.2, facts 2.4.1).

Used by ``sources.kubernetes`` after every reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.kubernetes import KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.never_ran import NEVER_RAN, why_never_ran
from alphapulse_tui.model.rules import missing, span, worst_first
from alphapulse_tui.model.thresholds import Thresholds

TARGET = "kubernetes"
CRASH = "api-crashloop"
API = "api"
"""The Deployment whose pods are *the API* (runbook 2.4: ``deployment/api``)."""

SHOWN = 3
"""Findings of one kind that are told one by one; the others are counted."""

CRASHING = ("CrashLoopBackOff", "OOMKilled", "Error")
"""What kubectl shows of a pod whose container keeps ending (with ``Init:`` before it: of an init container)."""

STUCK = (*NEVER_RAN, "RunContainerError")
"""A pod that cannot start, whatever its program does."""


def judge(snapshot: KubernetesSnapshot, thresholds: Thresholds, now: float) -> tuple[Finding, ...]:
    """The findings, worst first. ``now`` is unix seconds."""
    # Unhealthy pods come first in a snapshot: of 10,000 only those that matter are looked at.
    unwell = list(takewhile(lambda pod: not pod.healthy, snapshot.pods))
    return worst_first(
        [
            *_absent(snapshot),
            *[found for workload in snapshot.workloads for found in _workload(workload, thresholds, now)],
            *_few(_pods(unwell)),
            *_few(_restarts(snapshot.pods, unwell, thresholds, now)),
            *missing(TARGET, snapshot.missing_grants, "facts 11.1"),
        ]
    )


def _absent(snapshot: KubernetesSnapshot) -> list[Finding]:
    """No Deployment of the API where it could be seen: it was deleted, or this is another namespace (facts 4.2: ``or vector(0)) < 1``)."""
    hidden = any(grant.startswith("deployments:") for grant in snapshot.missing_grants)
    if hidden or any((one.kind, one.name) == ("Deployment", API) for one in snapshot.workloads):
        return []
    subject = f"deployment/{API}"
    if not snapshot.workloads and not snapshot.pods:
        said = f"namespace {snapshot.namespace} holds nothing: is it the right one?"
        return [Finding(TARGET, Health.UNKNOWN, said, subject, source="facts 4.2")]
    said = f"no API pod: there is no Deployment {API} in namespace {snapshot.namespace}"
    return [Finding(TARGET, Health.CRITICAL, said, subject, "", Severity.P1, "runbook 4.2")]


def _workload(workload: Workload, thresholds: Thresholds, now: float) -> list[Finding]:
    def finding(
        health: Health, sentence: str, severity: Severity | None = None, source: str = "facts 2.4.1"
    ) -> Finding:
        return Finding(
            TARGET,
            health,
            sentence,
            f"{workload.kind.lower()}/{workload.name}",
            _procedure(workload.kind),
            severity,
            source,
            _values(workload.kind, workload.name),
        )

    what = f"{workload.kind} {workload.name}"
    found = []
    if workload.deadline_exceeded:
        found.append(
            finding(Health.CRITICAL, f"{what}: the rollout did not finish before its deadline", source="design 3")
        )
    api = workload.kind == "Deployment" and workload.name == API
    if workload.desired == 0:
        if api:  # Nobody scales the API to nothing and means it well (facts 4.2: ready or vector(0) < 1).
            said = "no API pod: it is scaled to 0, scale it up"
            found.append(finding(Health.CRITICAL, said, Severity.P1, "runbook 4.2"))
        return found
    if workload.ready == 0:
        down = now - workload.unavailable_since if workload.unavailable_since is not None else 0.0
        if api:
            severity = Severity.P0 if down >= thresholds.api_no_ready_pod else Severity.P1
            ago = f" for {span(down)}" if down >= 1 else ""
            found.append(finding(Health.CRITICAL, f"no ready API pod{ago}", severity, "runbook 4.2"))
        else:
            found.append(finding(Health.CRITICAL, f"{what} has no ready pod of {workload.desired}"))
    elif workload.ready < workload.desired:
        found.append(finding(Health.WARNING, f"{what} has {workload.ready} of {workload.desired} pods ready"))
    return found


def _procedure(kind: str) -> str:
    """The crash loop's procedure rolls a Deployment back: for a Redis, Vault or PostgreSQL pod it would mend the API instead."""
    return CRASH if kind == "Deployment" else ""


def _values(kind: str, name: str) -> tuple[tuple[str, str], ...]:
    return (("deployment", name),) if kind == "Deployment" and name else ()


def _of(pod: Pod, health: Health, sentence: str, source: str) -> Finding:
    values = _values(pod.owner_kind, pod.owner)
    return Finding(TARGET, health, sentence, pod.name, _procedure(pod.owner_kind), None, source, values)


def _pods(pods: Iterable[Pod]) -> list[Finding]:
    found = []
    for pod in pods:
        if pod.finished:
            said = f"{pod.name} has failed for good ({pod.status}) and is kept until somebody deletes it"
            found.append(Finding(TARGET, Health.WARNING, said, pod.name, source="facts 2.4.1"))
            continue
        reason = pod.status.removeprefix("Init:")
        container = next((one for one in pod.containers if one.waiting or one.last_reason), None)
        why = (
            f" (last end: {container.last_reason}, code {container.last_exit_code})"
            if container and container.last_reason
            else ""
        )
        if reason in CRASHING or reason.startswith(("ExitCode:", "Signal:")):
            found.append(_of(pod, Health.CRITICAL, f"{pod.name} is in {pod.status}{why}", "runbook 2.4"))
        elif reason in STUCK:
            known = container is not None and container.waiting_message
            why = why_never_ran(reason, container.waiting_message, container.image) if container and known else ""
            sentence = f"{pod.name} is in {pod.status}" + (f": {why[:160]}" if why else "")
            found.append(_of(pod, Health.CRITICAL, sentence, "facts 2.4.1"))
        elif reason in ("Unknown", "NodeLost"):  # Evicted and Failed have ended for good: see above.
            found.append(_of(pod, Health.WARNING, f"{pod.name} is in {pod.status}", "facts 2.4.1"))
    return found


def _restarts(pods: Iterable[Pod], unwell: list[Pod], thresholds: Thresholds, now: float) -> list[Finding]:
    crashing = {pod.uid for pod in unwell if pod.status.removeprefix("Init:") in CRASHING}
    found = []
    for pod in pods:
        if not pod.restarted_at or pod.finished or pod.uid in crashing:
            continue
        recent = sum(1 for moment in pod.restarted_at if now - moment < thresholds.pod_restart_window)
        if recent < thresholds.pod_restarts_warning:
            continue
        health = Health.CRITICAL if recent >= thresholds.pod_restarts_critical else Health.WARNING
        times = "once" if recent == 1 else f"{recent} times"
        sentence = f"{pod.name} restarted {times} within {span(thresholds.pod_restart_window)}"
        found.append(_of(pod, health, sentence, "facts 2.4.1"))
    return found


def _few(found: list[Finding]) -> list[Finding]:
    ordered = worst_first(found)
    if len(ordered) <= SHOWN + 1:
        return list(ordered)
    rest = ordered[SHOWN]
    said = f"{len(ordered) - SHOWN} more pods are not well"
    more = Finding(TARGET, rest.health, said, "", rest.procedure, None, rest.source, rest.values)
    return [*ordered[:SHOWN], more]
