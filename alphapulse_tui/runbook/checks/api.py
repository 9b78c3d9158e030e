"""Checks of the API and its pods, as far as other procedures end in them (runbook 2.3: "API pods recover")."""

from __future__ import annotations

from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.platform import PlatformSnapshot
from alphapulse_tui.model.rules.kubernetes import API
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene


def pods(scene: Scene) -> CheckResult:
    """Every pod of the API is ready, and as many as its Deployment wants (facts 4.2): a pod that a quota keeps away is in no list."""
    snapshot: KubernetesSnapshot | None = scene.snapshot("kubernetes")
    if snapshot is None:
        return scene.silence("kubernetes")
    found = [pod for pod in snapshot.pods if pod.owner == API and not pod.finished]
    wanted = next((one.desired for one in snapshot.workloads if (one.kind, one.name) == ("Deployment", API)), None)
    rows = tuple((pod.name, f"{pod.status} {pod.ready}/{pod.total}, {pod.restarts} restarts") for pod in found)
    ready = sum(1 for pod in found if pod.healthy)
    if not found and wanted is None:
        return CheckResult(Passed.UNKNOWN, "no pod of the API is visible", rows, "unknown")
    of = max(len(found), wanted or 0)
    good = 0 < ready == of
    return CheckResult(
        Passed.YES if good else Passed.NO, f"{ready} of {of} API pods ready", rows, "ok" if good else "bad"
    )


def edge(scene: Scene) -> CheckResult:
    """The public health address answers with 2xx."""
    snapshot: PlatformSnapshot | None = scene.snapshot("platform")
    if snapshot is None or snapshot.edge is None:
        return scene.silence("platform")
    health = snapshot.edge
    good = 200 <= health.code < 300
    said = f"answers {health.code}" if health.code else f"no answer: {health.problem}"
    return CheckResult(Passed.YES if good else Passed.NO, f"{health.url} {said}", (), "ok" if good else "bad")


CHECKS: dict[str, Check] = {"api.pods": pods, "api.edge": edge}
