"""Checks of a slow API (runbook 2.4): which endpoint, and where its time goes."""

from __future__ import annotations

from alphapulse_tui.model.api import EndpointTime, LatencySnapshot
from alphapulse_tui.model.api_cause import SHARE, suspect_release, where_time_goes
from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.platform import Metric, PlatformSnapshot
from alphapulse_tui.model.quantities import amount
from alphapulse_tui.model.words import age, figure
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene
from alphapulse_tui.runbook.checks.rollout import absent, deployment_of, pods_of

SURVEY = "api-latency"

BUSY = 0.8
"""Part of its CPU limit from which on a pod is short of it; where the limit is not known a core stands in."""

RUNBOOK_PODS = 30
"""To how many the runbook scales (2.4), whatever there are."""

SURGE = 1.5
"""Times as many requests as half an hour ago count as a surge."""


def p99(scene: Scene) -> CheckResult:
    """p99 of all requests against the runbook's 500 ms (2.4, 4.2)."""
    snapshot: PlatformSnapshot | None = scene.snapshot("platform")
    if snapshot is None:
        return scene.silence("platform")
    rows = tuple(
        (metric.title, figure(metric.value, metric.unit))
        for metric in snapshot.metrics
        if metric.id in ("p50", "p95", "p99", "requests", "error_percent")
    )
    metric = snapshot.metric("p99")
    if metric is None or metric.value is None:
        return CheckResult(
            Passed.UNKNOWN,
            snapshot.problem or "no latency is measured: no traffic, or the metric is absent",
            rows,
            "unknown",
        )
    line = scene.thresholds.api_p99_critical
    slow = metric.value >= line
    return CheckResult(
        Passed.NO if slow else Passed.YES,
        f"p99 is {metric.value:.0f} ms ({'at or over' if slow else 'under'} the line of {line:.0f} ms)",
        rows,
        "slow" if slow else "well",
    )


def endpoints(scene: Scene) -> CheckResult:
    """p50, p95 and p99 of each endpoint, slowest first; one endpoint or all."""
    snapshot: LatencySnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    rows = tuple(
        (
            one.endpoint,
            f"p50 {figure(one.p50, 'ms')}  p95 {figure(one.p95, 'ms')}  p99 {figure(one.p99, 'ms')}  {one.rate:.2f}/s",
        )
        for one in snapshot.endpoints
    )
    if not snapshot.endpoints:
        return CheckResult(Passed.UNKNOWN, "no endpoint has traffic", rows, "unknown")
    line = scene.thresholds.api_p99_critical
    slow = [one for one in snapshot.endpoints if one.p99 is not None and one.p99 >= line]
    since = f", since {age(scene.wall - snapshot.onset)}" if snapshot.onset is not None else ""
    if not slow and all(one.p99 is None for one in snapshot.endpoints):
        return CheckResult(Passed.UNKNOWN, "nobody measures the endpoints' p99", rows, "unknown")
    if not slow:
        return CheckResult(Passed.YES, f"no endpoint's p99 is over {line:.0f} ms", rows, "none")
    if len(slow) == len(snapshot.endpoints) > 1:
        return CheckResult(
            Passed.NO, f"all {len(slow)} endpoints are slow{since}: look at what they share", rows, "all"
        )
    names = ", ".join(one.endpoint for one in slow)
    return CheckResult(
        Passed.NO, f"slow{since}: {names} ({figure(slow[0].p99, 'ms')} p99); the others are not", rows, "one"
    )


def where(scene: Scene) -> CheckResult:
    """Milliseconds a request of each endpoint by where they go: database, Redis, Vault, the API itself."""
    snapshot: LatencySnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    rows = tuple((one.endpoint, _split(one)) for one in snapshot.endpoints)
    slowest = slowest_of(snapshot, scene.thresholds.api_p99_critical)
    if slowest is None:
        return CheckResult(Passed.UNKNOWN, "no endpoint has traffic", rows, "unknown")
    if not snapshot.breakdown:
        said = "the API does not tell (api_dependency_duration_seconds is absent): judge by the dependencies' own figures below"
        return CheckResult(Passed.UNKNOWN, said, _neighbours(scene), "unknown")
    name, part = where_time_goes(slowest)
    if name == "unknown":
        return CheckResult(Passed.UNKNOWN, f"{slowest.endpoint} does not tell where its time goes", rows, "unknown")
    place = "the API itself" if name == "api" else name
    least = f", but no part takes over {100 * SHARE:.0f} %" if part < SHARE else ""
    misses = f", {_cache_misses(scene)}" if name == "database" and part >= SHARE and _cache_misses(scene) else ""
    sentence = f"{slowest.endpoint}: {100 * part:.0f} % of its time goes to {place}{least}{misses}"
    return CheckResult(Passed.NO if part >= SHARE else Passed.YES, sentence, (*rows, *_neighbours(scene)), name)


def slowest_of(snapshot: LatencySnapshot, line: float) -> EndpointTime | None:
    """The endpoint that the question is about: of those whose p99 is over ``line`` (else of all) the one that takes longest on average.

    Not the one with the highest p99: on a busy machine a rare request of a healthy endpoint is as slow as every one of the ill endpoint.
    """
    slow = [one for one in snapshot.endpoints if one.p99 is not None and one.p99 >= line]
    return max(slow or snapshot.endpoints, key=lambda one: one.mean or 0.0, default=None)


def _split(one: EndpointTime) -> str:
    if one.mean is None:
        return "no data"
    parts = [f"{name} {took:.1f}" for name, took in one.parts]
    own = [f"api itself {one.own:.1f}"] if one.own is not None else ["(not told where)"]
    return f"{one.mean:.1f} ms a request: {', '.join([*parts, *own])}"


def _neighbours(scene: Scene) -> tuple[tuple[str, str], ...]:
    """What the dependencies' own readings say: the word of each panel."""
    told = []
    for target in ("postgres", "redis", "vault"):
        reading = scene.readings.get(target)
        if reading is None:
            continue
        health = reading.health(scene.now)
        worst = reading.findings[0].sentence if reading.findings and health is not Health.UNKNOWN else ""
        told.append((f"{target} panel", worst or ("well" if health is Health.OK else "not verified")))
    return tuple(told)


def pods(scene: Scene) -> CheckResult:
    """p99 and CPU of each pod: one pod or all, and whether they are short of CPU."""
    snapshot: LatencySnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    rows = tuple(
        (
            one.pod,
            f"{one.version}  p99 {figure(one.p99, 'ms')}  {one.rate:.2f}/s  cpu {'not known' if one.cpu is None else f'{one.cpu * 1000:.0f}m'}",
        )
        for one in snapshot.pods
    )
    if not snapshot.pods:
        return CheckResult(Passed.UNKNOWN, "no pod is told apart by the metrics", rows, "unknown")
    line = scene.thresholds.api_p99_critical
    slow = [one for one in snapshot.pods if one.p99 is not None and one.p99 >= line]
    busy = [one for one in snapshot.pods if one.cpu is not None and one.cpu >= BUSY]
    surge = ""
    if snapshot.rate_now and snapshot.rate_before and snapshot.rate_now > SURGE * snapshot.rate_before:
        surge = f"; {snapshot.rate_now / snapshot.rate_before:.1f} times the requests of half an hour ago"
    if busy:
        return CheckResult(Passed.NO, f"{len(busy)} of {len(snapshot.pods)} pods are out of CPU{surge}", rows, "busy")
    if len(slow) == 1 < len(snapshot.pods):
        return CheckResult(Passed.NO, f"only {slow[0].pod} is slow{surge}: delete it rather than scale", rows, "one")
    said = f"{len(slow)} of {len(snapshot.pods)} pods are slow, none is short of CPU{surge}"
    return CheckResult(Passed.YES, said, rows, "all" if slow else "none")


def hits(scene: Scene) -> CheckResult:
    """The cache's hit rate of now, not of all time (2.2: 85 %)."""
    snapshot: PlatformSnapshot | None = scene.snapshot("platform")
    if snapshot is None:
        return scene.silence("platform")
    metric = snapshot.metric("hit_percent")
    if metric is None or metric.value is None:
        return CheckResult(
            Passed.UNKNOWN, "no lookups are measured: no traffic, or the metric is absent", (), "unknown"
        )
    line = scene.thresholds.redis_hit_rate_warning
    low = metric.value < line
    before = _hit_rate_before(metric, line)
    was = f"; within the hour it was {before:.0f} %" if low and before is not None else ""
    return CheckResult(
        Passed.NO if low else Passed.YES,
        f"{metric.value:.0f} % of lookups hit ({'under' if low else 'over'} the line of {line:.0f} %){was}",
        (("query", metric.query),),
        "low" if low else "well",
    )


def _hit_rate_before(metric: Metric, line: float) -> float | None:
    """The best hit rate of the history, where it was over ``line``: a collapse is another matter than a cache that was never warm."""
    best = max(metric.history, default=None)
    return best if best is not None and best >= line else None


def _cache_misses(scene: Scene) -> str:
    """That the cache misses, in words; empty where it hits or nobody measures it."""
    found = hits(scene)
    return f"because the cache misses ({found.sentence.partition(' (')[0]})" if found.value == "low" else ""


def room(scene: Scene) -> CheckResult:
    """Whether more pods may and can be had: the autoscaler's bounds, nodes, quota."""
    snapshot: CapacitySnapshot | None = scene.snapshot("kubernetes-capacity")
    if snapshot is None:
        return scene.silence("kubernetes-capacity")
    rows: list[tuple[str, str]] = []
    for hpa in snapshot.autoscalers:
        rows.append((f"hpa {hpa.name}", _told_hpa(hpa)))
    rows += [
        (f"quota {one.resource}", f"{amount(one.resource, one.used)} of {amount(one.resource, one.hard)}")
        for one in snapshot.quotas
    ]
    rows += [
        (f"node {one.name}", "ready" if one.ready and not one.pressures else ", ".join(one.pressures) or "NOT READY")
        for one in snapshot.nodes
    ]
    rows += [("not read", sentence) for sentence in snapshot.missing]
    name = scene.params.get("deployment") or "api"
    mine = snapshot.of("Deployment", name)
    hidden = next((sentence for sentence in snapshot.missing if "horizontalpodautoscalers" in sentence), "")
    if mine is None and hidden:
        return CheckResult(
            Passed.UNKNOWN, f"whether {name} is scaled by an autoscaler is not known: {hidden}", tuple(rows), "unknown"
        )
    if mine is None:
        return CheckResult(Passed.YES, f"no autoscaler scales {name}: it is scaled by hand", tuple(rows), "by-hand")
    choices = ((str(mine.most + max(1, mine.most // 2)), "half as many again"), (str(mine.most * 2), "twice as many"))
    if mine.problem:
        return CheckResult(Passed.NO, f"{mine.name} cannot scale: {mine.problem}", tuple(rows), "broken", choices)
    if mine.at_maximum:
        said = f"{mine.name} is at its maximum of {mine.most} and wants more: raise its maximum, a number set by hand is undone"
        return CheckResult(Passed.NO, said, tuple(rows), "at-maximum", choices)
    return CheckResult(
        Passed.YES,
        f"{mine.name} has {mine.current} of at most {mine.most}: it scales by itself",
        tuple(rows),
        "scales",
        choices,
    )


def replicas(scene: Scene) -> CheckResult:
    """How many pods instead, where they are scaled by hand: more than there are to be; the runbook's 30 only where that is more."""
    snapshot, workload = deployment_of(scene)
    if workload is None:
        return absent(scene, snapshot)
    now = workload.desired
    more = [
        (now + max(1, now // 2), "half as many again"),
        (max(1, now) * 2, "twice as many"),
        (RUNBOOK_PODS, "runbook 2.4"),
    ]
    choices = tuple((str(number), said) for number, said in more if number > now)
    return CheckResult(Passed.YES, f"{workload.name} is to have {now}", choices, choices=choices)


def _told_hpa(hpa: Autoscaler) -> str:
    limited = f"  {hpa.limited}" if hpa.limited else ""
    return f"{hpa.current} of {hpa.least} to {hpa.most}, wants {hpa.desired}  {', '.join(hpa.figures)}{limited}  {hpa.problem}".rstrip()


def verdict(scene: Scene) -> CheckResult:
    """Where to go: a release that fits the onset (beside the dependency that it may have slowed), then where the time goes, then the pods' CPU."""
    snapshot: LatencySnapshot | None = scene.snapshot(SURVEY)
    if snapshot is None:
        return scene.silence(SURVEY)
    cluster, workload = deployment_of(scene)
    mine = pods_of(cluster, workload) if cluster is not None and workload is not None else []
    slow = slowest_of(snapshot, scene.thresholds.api_p99_critical)
    if slow is None:
        return CheckResult(Passed.UNKNOWN, "no endpoint has traffic", (), "unknown")
    if slow.p99 is None:
        return CheckResult(Passed.UNKNOWN, f"the p99 of {slow.endpoint} is not measured", (), "unknown")
    if slow.p99 < scene.thresholds.api_p99_critical:
        return CheckResult(Passed.YES, "no endpoint is slow now", (), "well")
    name, part = where_time_goes(slow)
    place = {"api": "the API itself", "unknown": "nobody knows where"}.get(name, name)
    rows = (("slowest", slow.endpoint), ("time goes to", f"{place} ({100 * part:.0f} %)"))
    release = suspect_release(workload, snapshot.onset, scene.wall, mine) if workload is not None else None
    crowded = _crowded(scene)
    if release is not None and release.previous is not None and name in ("api", "unknown"):
        said = (
            f"{slow.endpoint} is slow in the API itself since revision {release.revision.number}: more pods do not help"
        )
        return CheckResult(Passed.NO, said, rows, "release")
    misses = _cache_misses(scene)
    if name == "database" and part >= SHARE and misses:
        said = f"{slow.endpoint} waits for the database {misses}"
        if release is not None and release.previous is not None and release.onset is not None:
            brought = f"revision {release.revision.number} fits the onset: more pods would ask the database more"
            return CheckResult(Passed.NO, f"{said}; {brought}", rows, "release-cache")
        return CheckResult(Passed.NO, f"{said}: more pods would make it worse", rows, "cache")
    if name in ("database", "redis", "vault") and part >= SHARE:
        if release is not None and release.previous is not None and release.onset is not None:
            said = f"{slow.endpoint} waits for {name} since revision {release.revision.number}: either may be to blame"
            return CheckResult(Passed.NO, said, rows, f"release-{name}")
        return CheckResult(Passed.NO, f"{slow.endpoint} waits for {name}: more pods would make it worse", rows, name)
    if crowded:
        by_hand = room(scene).value == "by-hand"
        return CheckResult(Passed.NO, crowded, rows, "crowded-by-hand" if by_hand else "crowded")
    if release is not None and release.previous is not None:
        return CheckResult(Passed.NO, f"revision {release.revision.number} fits the onset", rows, "release")
    return CheckResult(Passed.NO, f"{slow.endpoint} loses its time in {place}", rows, name)


def _crowded(scene: Scene) -> str:
    """Why more pods would help; empty when nothing says so."""
    capacity: CapacitySnapshot | None = scene.snapshot("kubernetes-capacity")
    hpa = capacity.of("Deployment", scene.params.get("deployment") or "api") if capacity is not None else None
    if hpa is not None and hpa.at_maximum:
        return f"{hpa.name} is at its maximum of {hpa.most} and would want more"
    result = pods(scene)
    return result.sentence if result.value == "busy" else ""


CHECKS: dict[str, Check] = {
    "api.p99": p99,
    "api.endpoints": endpoints,
    "api.where-time": where,
    "api.pods-time": pods,
    "api.cache-hits": hits,
    "api.room": room,
    "api.replicas": replicas,
    "api.latency-verdict": verdict,
}
