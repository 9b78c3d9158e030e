"""Checks of a Deployment's rollout and history (runbook 2.4, 3.2, 4.2)."""

from __future__ import annotations

from alphapulse_tui.model.api import ErrorsSnapshot, LatencySnapshot
from alphapulse_tui.model.api_cause import Suspect, came_at, first_crash, suspect_release, told_suspect
from alphapulse_tui.model.kubernetes import KubernetesSnapshot, Pod, Workload
from alphapulse_tui.model.never_ran import NEVER_RAN
from alphapulse_tui.model.rules.kubernetes import API
from alphapulse_tui.model.words import age
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene


def deployment_of(scene: Scene) -> tuple[KubernetesSnapshot | None, Workload | None]:
    """The namespace, and the procedure's Deployment in it (parameter ``deployment``, else ``api``)."""
    snapshot: KubernetesSnapshot | None = scene.snapshot("kubernetes")
    name = scene.params.get("deployment") or API
    if snapshot is None:
        return None, None
    found = next((one for one in snapshot.workloads if (one.kind, one.name) == ("Deployment", name)), None)
    return snapshot, found


def pods_of(snapshot: KubernetesSnapshot, workload: Workload) -> list[Pod]:
    """The Deployment's pods, those that ended for good apart."""
    mine = (workload.kind, workload.name)
    return [pod for pod in snapshot.pods if (pod.owner_kind, pod.owner) == mine and not pod.finished]


def absent(scene: Scene, snapshot: KubernetesSnapshot | None) -> CheckResult:
    """The answer without the Deployment: not readable, or not there."""
    if snapshot is None:
        return scene.silence("kubernetes")
    name = scene.params.get("deployment") or API
    return CheckResult(Passed.UNKNOWN, f"no Deployment {name} is visible in {snapshot.namespace}", value="unknown")


def history(scene: Scene) -> CheckResult:
    """Revisions that one can go back to, newest first; the choices of parameter ``revision``, the release before first."""
    snapshot, workload = deployment_of(scene)
    if workload is None:
        return absent(scene, snapshot)
    known = [one for one in workload.revisions if one.number]
    back = workload.gone_back_from
    rows = tuple(
        (
            f"revision {one.number}{' (runs now)' if one is known[0] else ' (gone back from)' if one in back else ''}",
            f"{one.image}  {age(scene.wall - one.created_at)} ago  {one.replicas} pods  {one.cause or '(no cause given)'}",
        )
        for one in known
    )
    choices = tuple((str(one.number), f"{one.image}  {one.cause}".strip()) for one in workload.earlier)
    if workload.paused:
        return CheckResult(
            Passed.NO,
            f"the rollout of {workload.name} is paused: resume it first (kubectl rollout resume)",
            rows,
            "paused",
            choices,
        )
    previous = workload.before
    if previous is None:
        only = f" but what somebody went back from ({', '.join(str(one.number) for one in back)})" if back else ""
        return CheckResult(Passed.NO, f"{workload.name} has no earlier revision to go back to{only}", rows, "none")
    sentence = f"{len(choices)} to go back to; the one before is {previous.number} ({previous.image})"
    return CheckResult(Passed.YES, sentence, rows, "some", choices)


def standing(scene: Scene) -> CheckResult:
    """Whether the rollout is through, by kubectl's rule; one that ran into its deadline is no progress (facts 3.1).

    The API at 0 replicas is through by that rule and down all the same (facts 4.2); another may be meant to be at 0.
    """
    snapshot, workload = deployment_of(scene)
    if workload is None:
        return absent(scene, snapshot)
    rows = (
        ("wanted", str(workload.desired)),
        ("updated", str(workload.updated)),
        ("ready", str(workload.ready)),
        ("available", str(workload.available)),
        ("of an earlier template", str(workload.left_over)),
        ("image", workload.image),
    )
    if workload.desired == 0 and workload.name == API:
        return CheckResult(Passed.NO, f"{workload.name} is scaled to 0: no pod of it serves", rows, "none")
    if workload.rolled_out:
        sentence = f"{workload.available} of {workload.desired} pods of {workload.name} are updated and available"
        return CheckResult(Passed.YES, sentence, rows, "done")
    if workload.deadline_exceeded:
        sentence = f"the rollout of {workload.name} ran into its deadline; nothing rolls back by itself"
        return CheckResult(Passed.NO, sentence, rows, "failed")
    old = f", {workload.left_over} old still there" if workload.left_over else ""
    sentence = f"{workload.updated} of {workload.desired} pods updated, {workload.available} available{old}"
    return CheckResult(Passed.NO, sentence, rows, "rolling")


def mending(scene: Scene) -> CheckResult:
    """After a fix: is it under way (or through), or must another be tried? No pod may still be crashing in a *new* run."""
    snapshot, workload = deployment_of(scene)
    if snapshot is None or workload is None:
        return absent(scene, snapshot)
    unwell = [pod for pod in pods_of(snapshot, workload) if not pod.healthy and pod.status != "Terminating"]
    rows = tuple((pod.name, f"{pod.status} {pod.ready}/{pod.total}, {pod.restarts} restarts") for pod in unwell)
    crashing = [
        pod
        for pod in unwell
        if pod.restarts or any(one.waiting in NEVER_RAN for one in pod.containers) or "BackOff" in pod.status
    ]
    if workload.deadline_exceeded or crashing:
        said = f"{len(crashing)} pods still crash or cannot start" if crashing else "the rollout ran into its deadline"
        return CheckResult(Passed.NO, said, rows, "broken")
    there = sum(1 for pod in pods_of(snapshot, workload) if pod.status != "Terminating")
    said = "every pod is well" if not unwell else f"{len(unwell)} pods are starting"
    if there < workload.desired:
        said = f"{there} of {workload.desired} pods are there" + (f", {len(unwell)} of them starting" if unwell else "")
    return CheckResult(Passed.YES, said, rows, "mending")


def suspect(scene: Scene) -> CheckResult:
    """Is a recent release to blame for the crash loop? It is when its pods began to crash soon after it came."""
    snapshot, workload = deployment_of(scene)
    if snapshot is None or workload is None:
        return absent(scene, snapshot)
    return judged_suspect(scene, workload, first_crash(pods_of(snapshot, workload)), "the crashes")


def suspect_of_latency(scene: Scene) -> CheckResult:
    """Is a recent release to blame for the latency?"""
    snapshot, workload = deployment_of(scene)
    latency: LatencySnapshot | None = scene.snapshot("api-latency")
    if workload is None:
        return absent(scene, snapshot)
    if latency is None:
        return scene.silence("api-latency")
    return judged_suspect(scene, workload, latency.onset, "the latency")


def suspect_of_errors(scene: Scene) -> CheckResult:
    """Is a recent release to blame for the errors?"""
    snapshot, workload = deployment_of(scene)
    errors: ErrorsSnapshot | None = scene.snapshot("api-errors")
    if workload is None:
        return absent(scene, snapshot)
    if errors is None:
        return scene.silence("api-errors")
    return judged_suspect(scene, workload, errors.onset, "the errors")


def judged_suspect(scene: Scene, workload: Workload, onset: float | None, what: str) -> CheckResult:
    """The release against the beginning of the trouble."""
    snapshot, _ = deployment_of(scene)
    pods = pods_of(snapshot, workload) if snapshot is not None else []
    found = suspect_release(workload, onset, scene.wall, pods)
    rows = _rows(scene, workload, onset, what)
    if found is None:
        newest = next((one for one in workload.revisions if one.number), None)
        came = "there is none"
        if newest is not None:
            back = ", as a way back" if workload.gone_back_from else ""
            moment = came_at(newest, pods, workload.progressed_at)
            came = f"the last one came {age(scene.wall - moment)} ago{back}"
        since = (
            f"{what} began {age(scene.wall - onset)} ago"
            if onset is not None
            else f"nobody knows since when {what} are there"
        )
        return CheckResult(Passed.YES, f"no release fits: {came}, {since}", rows, "none")
    if found.previous is None:
        return CheckResult(Passed.NO, f"{told_suspect(found, scene.wall)}; there is none before it", rows, "first")
    return CheckResult(Passed.NO, f"suspect number one: {told_suspect(found, scene.wall)}", rows, _certainty(found))


def _certainty(found: Suspect) -> str:
    return "release" if found.onset is not None else "recent"


def _rows(scene: Scene, workload: Workload, onset: float | None, what: str) -> tuple[tuple[str, str], ...]:
    began = f"{age(scene.wall - onset)} ago" if onset is not None else "not known"
    revisions = tuple(
        (f"revision {one.number}", f"{age(scene.wall - one.created_at)} ago  {one.image}  {one.cause}".rstrip())
        for one in workload.revisions[:4]
    )
    return ((f"{what} began", began), *revisions)


CHECKS: dict[str, Check] = {
    "rollout.history": history,
    "rollout.standing": standing,
    "rollout.mending": mending,
    "rollout.suspect": suspect,
    "rollout.suspect-latency": suspect_of_latency,
    "rollout.suspect-errors": suspect_of_errors,
}
