"""Checks of a failing API (runbook 4.2): where the errors are, of what kind, and what the pods say."""

from __future__ import annotations

from alphapulse_tui.model.api import ErrorsSnapshot, LogsSnapshot
from alphapulse_tui.model.api_cause import suspect_release
from alphapulse_tui.model.platform import PlatformSnapshot
from alphapulse_tui.model.words import age
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene
from alphapulse_tui.runbook.checks.rollout import deployment_of, pods_of

SURVEY = "api-errors"

TYPES = {"database": "database", "cache": "redis", "redis": "redis", "vault": "vault"}
"""``api_errors_total``'s type to the dependency that it blames."""


def rate(scene: Scene) -> CheckResult:
    """Percent of all requests that fail, against the runbook's 0.5 % (4.2)."""
    return _judged(scene, scene.thresholds.api_error_rate_critical)


def healed(scene: Scene) -> CheckResult:
    """The same against 0.1 %, where the runbook calls it healed (1.2 step 8)."""
    return _judged(scene, scene.thresholds.api_error_rate_healed)


def _judged(scene: Scene, line: float) -> CheckResult:
    snapshot: PlatformSnapshot | None = scene.snapshot("platform")
    if snapshot is None:
        return scene.silence("platform")
    metric = snapshot.metric("error_percent")
    if metric is None or metric.value is None:
        return CheckResult(
            Passed.UNKNOWN,
            snapshot.problem or "no errors are measured: no traffic, or the metric is absent",
            (),
            "unknown",
        )
    over = metric.value >= line
    return CheckResult(
        Passed.NO if over else Passed.YES,
        f"{metric.value:.2g} % of requests fail ({'at or over' if over else 'under'} the line of {line:g} %)",
        (("query", metric.query),),
        "failing" if over else "well",
    )


def endpoints(scene: Scene) -> CheckResult:
    """5xx by endpoint and status; one endpoint or all."""
    snapshot: ErrorsSnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    failing = [one for one in snapshot.endpoints if one.status.startswith("5")]
    rows = tuple(
        (f"{one.endpoint} {one.status}", f"{one.percent:.1f} % of its answers, {one.rate:.2f}/s")
        for one in snapshot.endpoints
    )
    if not snapshot.endpoints:
        return CheckResult(Passed.UNKNOWN, "no endpoint has traffic", rows, "unknown")
    if not failing:
        return CheckResult(Passed.YES, "no endpoint answers 5xx", rows, "none")
    names = {one.endpoint for one in failing}
    every = {one.endpoint for one in snapshot.endpoints}
    since = f", since {age(scene.wall - snapshot.onset)}" if snapshot.onset is not None else ""
    if names == every and len(every) > 1:
        return CheckResult(Passed.NO, f"all {len(every)} endpoints fail{since}: look at what they share", rows, "all")
    worst = failing[0]
    return CheckResult(
        Passed.NO,
        f"{worst.endpoint} answers {worst.status} to {worst.percent:.0f} %{since}; {len(names)} of {len(every)} endpoints fail",
        rows,
        "one",
    )


def types(scene: Scene) -> CheckResult:
    """Errors by type (``api_errors_total``): what they blame."""
    snapshot: ErrorsSnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    rows = tuple((kind or "(no type)", f"{count:.2f}/s") for kind, count in snapshot.types)
    rows += tuple(
        (f"release {one.version}", f"{one.percent:.1f} % of {one.rate:.2f}/s fail") for one in snapshot.versions
    )
    if not snapshot.types:
        return CheckResult(Passed.YES, "no error is counted by type", rows, "none")
    kind = snapshot.types[0][0]
    blamed = TYPES.get(kind, "the program itself")
    return CheckResult(Passed.NO, f"most are of type {kind}: they blame {blamed}", rows, TYPES.get(kind, "internal"))


def complaints(scene: Scene) -> CheckResult:
    """What the pods' logs say, the same lines counted."""
    snapshot: LogsSnapshot | None = scene.snapshot("api-logs")
    if snapshot is None:
        return scene.silence("api-logs")
    rows = tuple((f"{group.count} x in {len(group.pods)} pods", group.text) for group in snapshot.groups)
    rows += tuple(("not read", sentence) for sentence in snapshot.missing)
    if not snapshot.groups and snapshot.missing:
        said = f"no complaint in what could be read; not read: {'; '.join(snapshot.missing)}"
        return CheckResult(Passed.UNKNOWN, said, rows, "unknown")
    if not snapshot.lines:
        return CheckResult(Passed.UNKNOWN, f"there is no line to read: logs of {snapshot.pods} pods", rows, "unknown")
    if not snapshot.groups:
        return CheckResult(
            Passed.YES, f"no complaint in the last {snapshot.lines} lines of {snapshot.pods} pods", rows, "none"
        )
    most = snapshot.groups[0]
    return CheckResult(Passed.NO, f"{most.count} x {most.text}", rows, "some")


def verdict(scene: Scene) -> CheckResult:
    """Where to go: a release that fits the onset first, beside what the errors' type blames."""
    snapshot: ErrorsSnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    failing = [one for one in snapshot.endpoints if one.status.startswith("5")]
    if not snapshot.endpoints:
        return CheckResult(Passed.UNKNOWN, "no endpoint has traffic", (), "unknown")
    if failing and snapshot.percent is None:
        said = f"{failing[0].endpoint} answers {failing[0].status}, and how many of all requests fail is not measured"
        return CheckResult(Passed.UNKNOWN, said, (), "unknown")
    if not failing or (snapshot.percent or 0.0) < scene.thresholds.api_error_rate_healed:
        return CheckResult(Passed.YES, "no endpoint fails now", (), "well")
    kind = snapshot.types[0][0] if snapshot.types else ""
    blamed = TYPES.get(kind, "")
    cluster, workload = deployment_of(scene)
    mine = pods_of(cluster, workload) if cluster is not None and workload is not None else []
    release = suspect_release(workload, snapshot.onset, scene.wall, mine) if workload is not None else None
    rows = (("worst endpoint", f"{failing[0].endpoint} {failing[0].status}"), ("type", kind or "not told"))
    if release is not None and release.previous is not None and not blamed:
        return CheckResult(
            Passed.NO, f"revision {release.revision.number} fits the onset: its own errors", rows, "release"
        )
    if blamed:
        if release is not None and release.previous is not None and release.onset is not None:
            said = f"the errors blame {blamed}, and revision {release.revision.number} fits the onset: either may be to blame"
            return CheckResult(Passed.NO, said, rows, f"release-{blamed}")
        return CheckResult(Passed.NO, f"the errors blame {blamed}, not a release", rows, blamed)
    if release is not None and release.previous is not None:
        return CheckResult(Passed.NO, f"revision {release.revision.number} fits the onset", rows, "release")
    return CheckResult(
        Passed.NO, "no release fits the onset, and no dependency is blamed: read the logs", rows, "unknown"
    )


CHECKS: dict[str, Check] = {
    "api.error-rate": rate,
    "api.error-healed": healed,
    "api.error-endpoints": endpoints,
    "api.error-types": types,
    "api.error-lines": complaints,
    "api.error-verdict": verdict,
}
