"""Checks of a crash loop of the API (runbook 2.4): how it ended, its last words, and the four causes."""

from __future__ import annotations

import re
from dataclasses import replace

from alphapulse_tui.model.api import DEPENDENCIES, CrashesSnapshot, CrashSnapshot, LastEnd, Probe
from alphapulse_tui.model.api_cause import (
    EXIT_CODES,
    Cause,
    Suspect,
    cause_of_crash,
    first_crash,
    only_new_pods_crash,
    suspect_release,
)
from alphapulse_tui.model.api_environment import WHOLE
from alphapulse_tui.model.cluster import EventsSnapshot
from alphapulse_tui.model.kubernetes import Pod
from alphapulse_tui.model.never_ran import NEVER_RAN, NO_CONFIG, asking, missing_of, told_never_ran
from alphapulse_tui.model.quantities import memory
from alphapulse_tui.model.words import age, size
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene
from alphapulse_tui.runbook.checks.rollout import absent, deployment_of, pods_of

SURVEY = "api-crash"

UP = {"database": "postgres", "redis": "redis", "vault": "vault"}
"""A dependency to the board's target that says whether it is well itself."""

PROCEDURES = {
    "database": "pg-connections (or a restore, runbook 5.1, where it is down)",
    "redis": "redis-split-brain or redis-memory",
    "vault": "vault-sealed",
}
"""Where a dependency that is ill itself is mended."""


KEEPER = "its keeper makes it, and the pods start by themselves"
"""What ends a CreateContainerConfigError without a roll back: the kubelet tries again (facts 2.4.1)."""


def crash_of(scene: Scene) -> CrashSnapshot | None:
    """What the survey has of the procedure's Deployment."""
    snapshot: CrashesSnapshot | None = scene.snapshot(SURVEY)
    return snapshot.of(scene.params.get("deployment") or "api") if snapshot is not None else None


def not_read(scene: Scene) -> CheckResult:
    """The answer without it."""
    if scene.snapshot(SURVEY) is None:
        return scene.silence(SURVEY)
    name = scene.params.get("deployment") or "api"
    return CheckResult(
        Passed.UNKNOWN, f"Deployment {name} is not there, or is well: nothing of it was read", value="unknown"
    )


def pods(scene: Scene) -> CheckResult:
    """Every pod: its state as kubectl tells it, and its restarts within the window."""
    snapshot, workload = deployment_of(scene)
    if snapshot is None or workload is None:
        return absent(scene, snapshot)
    found = pods_of(snapshot, workload)
    window = scene.thresholds.pod_restart_window
    rows = tuple(
        (
            pod.name,
            f"{pod.status} {pod.ready}/{pod.total}  {pod.restarts} restarts, "
            f"{sum(1 for moment in pod.restarted_at if scene.wall - moment < window)} within {age(window)}",
        )
        for pod in found
    )
    unwell = [pod for pod in found if not pod.healthy]
    if not found:
        return CheckResult(Passed.NO, f"{workload.name} has no pod at all, and wants {workload.desired}", rows, "none")
    serving = len(found) - len(unwell)
    if not unwell and serving < workload.desired:
        said = f"{serving} of the {workload.desired} wanted pods of {workload.name} are there; its events say why no more come"
        return CheckResult(Passed.NO, said, rows, "few")
    if not unwell:
        return CheckResult(Passed.YES, f"all {len(found)} pods of {workload.name} are ready", rows, "well")
    states = ", ".join(sorted({pod.status for pod in unwell}))
    return CheckResult(
        Passed.NO, f"{len(unwell)} of {len(found)} pods are not well ({states}); {serving} serve", rows, "crashing"
    )


def last_end(scene: Scene) -> CheckResult:
    """How the last run ended, and its last words: reason and exit code before any guess."""
    snapshot = crash_of(scene)
    if snapshot is None:
        return not_read(scene)
    if not snapshot.ends:
        return CheckResult(Passed.YES, "no container has ended and is not back", (), "well")
    rows: list[tuple[str, str]] = []
    for end in snapshot.ends:
        code = (
            "" if end.exit_code is None else f"exit code {end.exit_code} ({EXIT_CODES.get(end.exit_code, 'its own')})"
        )
        when = f"{age(scene.wall - end.finished_at)} ago" if end.finished_at else ""
        told = ", ".join(filter(None, (end.reason, code, when, end.waiting)))
        rows.append((f"{end.pod} {end.container}", told or end.message))
        if end.log_problem:
            rows.append(("  previous log", end.log_problem))
        rows += [("  previous log", words) for words in end.words[-3:]]
    worst = snapshot.ends[0]
    if worst.waiting in NEVER_RAN and not worst.reason:
        return CheckResult(
            Passed.NO, f"{worst.waiting}: {told_never_ran(worst, snapshot.variables)}", tuple(rows), "ended"
        )
    said = f"its last words: {worst.words[-1]}" if worst.words else _speechless(worst)
    ended = worst.reason or worst.waiting
    code = f" (exit code {worst.exit_code})" if worst.exit_code is not None else ""
    where = f"{worst.place}: " if worst.init or len(snapshot.bounds) > 1 else ""
    return CheckResult(Passed.NO, f"{where}{ended}{code}, {worst.restarts} restarts; {said}", tuple(rows), "ended")


def _speechless(end: LastEnd) -> str:
    """Why there are no last words; what the API server or we say of the log is none of them."""
    if end.log_problem:
        return f"no last words: {end.log_problem}"
    return f"the kubelet says: {end.message}" if end.message else "its last words: none"


def _meaning(end: LastEnd) -> str:
    """Of an exit code; what the reason has already said is not said again."""
    if end.reason == "OOMKilled":
        return "killed for want of memory"
    return EXIT_CODES.get(end.exit_code, "its own") if end.exit_code is not None else ""


def events(scene: Scene) -> CheckResult:
    """Warnings about the Deployment's pods, newest first."""
    snapshot, workload = deployment_of(scene)
    if snapshot is None or workload is None:
        return absent(scene, snapshot)
    told: EventsSnapshot | None = scene.snapshot("kubernetes-events")
    if told is None:
        return scene.silence("kubernetes-events")
    names = {pod.name for pod in pods_of(snapshot, workload)}
    sets = {one.replica_set for one in workload.revisions} | {workload.name}
    about = [event for event in told.events if event.name in names or event.name in sets]
    warnings = [event for event in about if event.type == "Warning"]
    rows = tuple(
        (
            f"{event.reason} {event.object}",
            f"{f'{age(scene.wall - event.last_at)} ago' if event.last_at else ''} x{event.count}  {event.message}",
        )
        for event in (*warnings, *(event for event in about if event.type != "Warning"))
    )[:30]
    if not warnings:
        return CheckResult(Passed.YES, "no warning about its pods within the last hour", rows, "none")
    newest = warnings[0]
    return CheckResult(
        Passed.NO, f"{len(warnings)} warnings; the newest: {newest.reason}: {newest.message}", rows, "some"
    )


def outside(scene: Scene) -> CheckResult:
    """Every address that the present template gives, tried from here."""
    snapshot = crash_of(scene)
    if snapshot is None:
        return not_read(scene)
    silent_first = sorted(snapshot.probes, key=lambda one: one.answers is True)
    rows = tuple(
        (f"{one.dependency} {one.place or one.variable}", f"{one.said}  ({one.variable}, {one.origin})")
        for one in silent_first
    )
    if not snapshot.probes:
        return CheckResult(Passed.UNKNOWN, "its environment names no database, Redis or Vault", rows, "unknown")
    dead = [kind for kind in DEPENDENCIES if snapshot.failing(kind)]
    if dead:
        first = snapshot.failing(dead[0])[0]
        return CheckResult(Passed.NO, f"{first.variable} names {first.place}, which {first.said}", rows, dead[0])
    unread = [one.variable for one in snapshot.probes if one.answers is None]
    silent = [one.place for one in snapshot.probes if one.answers is False]
    if unread:
        return CheckResult(
            Passed.UNKNOWN, f"{', '.join(unread)} cannot be tried from here: test it from the pod", rows, "unknown"
        )
    some = f"; of several, {', '.join(silent)} does not" if silent else ""
    return CheckResult(
        Passed.YES, f"database, Redis and Vault answer at the addresses of the template{some}", rows, "well"
    )


def environment(scene: Scene) -> CheckResult:
    """The names of the variables and where their values come from; values are never read."""
    snapshot = crash_of(scene)
    if snapshot is None:
        return not_read(scene)
    rows = tuple((one.name, one.origin) for one in snapshot.variables)
    written = [one.name for one in snapshot.variables if one.origin == "written in the template"]
    said = f"; written into the template itself: {', '.join(written)}" if written else ""
    whole = [one.origin for one in snapshot.variables if one.name == WHOLE]
    taken = f" and all of {', '.join(whole)}" if whole else ""
    return CheckResult(Passed.YES, f"{len(rows) - len(whole)} variables{taken}{said}", rows, "read")


def memory_bounds(scene: Scene) -> CheckResult:
    """Request, limit and present use of each container; whether one was killed for want of it."""
    snapshot = crash_of(scene)
    if snapshot is None:
        return not_read(scene)
    rows = tuple(
        (
            one.container,
            f"request {memory(one.memory_request) if one.memory_request else 'none'}, "
            f"limit {memory(one.memory_limit) if one.memory_limit else 'none'}, "
            f"uses at most {size(one.used) if one.used is not None else 'not known'}",
        )
        for one in snapshot.bounds
    )
    killed = [end for end in snapshot.ends if end.reason == "OOMKilled"]
    choices = tuple((end.container, "was killed for want of memory") for end in killed[:1])
    others = tuple((one.container, "") for one in snapshot.bounds if not choices or one.container != choices[0][0])
    if killed:
        said = f"{killed[0].container} was killed for want of memory ({len(killed)} pods)"
        return CheckResult(Passed.NO, said, rows, "memory", (*choices, *others))
    near = [one for one in snapshot.bounds if one.used and one.memory_limit and one.used > 0.9 * one.memory_limit]
    if near:
        return CheckResult(Passed.NO, f"{near[0].container} uses over 90 % of its limit", rows, "near", others)
    return CheckResult(Passed.YES, "no container was killed for want of memory", rows, "well", others)


def cause(scene: Scene) -> CheckResult:
    """Where to go: what the kubelet, the addresses and the last words prove, and whether a release is to blame for it."""
    snapshot, workload = deployment_of(scene)
    crash = crash_of(scene)
    if snapshot is None or workload is None:
        return absent(scene, snapshot)
    if crash is None:
        return not_read(scene)
    mine = pods_of(snapshot, workload)
    found = _with_events(scene, cause_of_crash(crash), mine)
    release = suspect_release(workload, first_crash(mine), scene.wall, mine)
    rows = (
        ("cause", found.sentence),
        ("release", _told_release(release) if release else "none fits"),
        *_missing(crash),
    )
    living = [pod for pod in mine if pod.status != "Terminating"]
    there = len(living) >= workload.desired and all(pod.healthy for pod in living)
    if not crash.ends and not crash.held and there:
        return CheckResult(Passed.YES, "nothing crashes now", rows, "well")
    ill = _ill_itself(scene, found, crash)
    if ill:
        return CheckResult(Passed.NO, f"{found.sentence}; {ill}", rows, "dependency")
    if release is not None and release.previous is not None and found.kind != "memory":
        ail = "crash" if crash.ends else "are unwell"
        alone = f"; only its pods {ail}" if only_new_pods_crash(mine, release.revision) else ""
        keeper = f"; or {KEEPER}" if found.kind == "config" else ""
        said = f"{found.sentence}; revision {_told_release(release)} brought it{alone}{keeper}"
        return CheckResult(Passed.NO, said, rows, "release")
    keeper = f"; {KEEPER}" if found.kind == "config" else ""
    return CheckResult(Passed.NO, f"{found.sentence}{keeper}", rows, found.kind)


def _with_events(scene: Scene, found: Cause, pods: list[Pod]) -> Cause:
    """What only the cluster's events tell: that a probe has killed a container that would live, or why none has begun (facts 2.4.1)."""
    told: EventsSnapshot | None = scene.snapshot("kubernetes-events")
    unwell = {pod.name for pod in pods if not pod.healthy and pod.status != "Terminating"}
    about = [one for one in told.events if one.name in unwell] if told is not None else []
    if found.kind == "application":
        killed = next((one for one in about if one.reason == "Killing" and _PROBE.search(one.message)), None)
        if killed is not None:
            return replace(found, sentence=f"{found.sentence}; the kubelet ended it: {killed.message}")
    if found.kind == "unknown":
        warning = next((one for one in about if one.type == "Warning"), None)
        if warning is not None:
            return replace(found, sentence=f"{found.sentence}; {warning.reason}: {warning.message}")
    return found


_PROBE = re.compile(r"failed (liveness|startup) probe", re.IGNORECASE)
"""In the kubelet's words for why it ends a container."""


def _told_release(suspect: Suspect) -> str:
    """Number and change-cause: who sent a release, and what for, stands in its cause if anywhere."""
    revision = suspect.revision
    return f"{revision.number} ({revision.cause})" if revision.cause else str(revision.number)


def _missing(crash: CrashSnapshot) -> tuple[tuple[str, str], ...]:
    """What the kubelet misses, and which variables ask for it; Secrets are never read, so this is all that is known of them."""
    end = next((end for end in crash.ends if end.waiting == NO_CONFIG), None)
    missing = missing_of(end.message) if end is not None else None
    if missing is None:
        return ()
    by = ", ".join(asking(missing, crash.variables)) or "none of the template's single variables"
    return (("missing", str(missing)), ("asked for by", by))


def _ill_itself(scene: Scene, found: Cause, crash: CrashSnapshot) -> str:
    """Whether the dependency is down, not only wrongly addressed: then no rollback helps. By its own reading on the board."""
    probes: tuple[Probe, ...] = crash.failing(found.kind)
    reading = scene.readings.get(UP.get(found.kind, ""))
    silent = reading is not None and reading.snapshot is not None and not reading.trusted(scene.now)
    if any("sealed" in one.said for one in probes) or (probes and silent):
        return f"{found.kind} itself is not well: {PROCEDURES[found.kind]} mends it"
    return ""


CHECKS: dict[str, Check] = {
    "api.pods-state": pods,
    "api.last-end": last_end,
    "api.events": events,
    "api.outside": outside,
    "api.environment": environment,
    "api.memory": memory_bounds,
    "api.cause": cause,
}
