"""Why the API crashes, is slow or fails, as far as the readings prove it: pure inference, each conclusion with its evidence.

A release is suspect number one when it came shortly before the trouble began (runbook 4.2: "rollback if recent deployment"). Used by the
checks of the API's procedures and by their fixes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alphapulse_tui.model.api import DEPENDENCIES, CrashSnapshot, EndpointTime, LastEnd
from alphapulse_tui.model.kubernetes import Pod, Revision, Workload
from alphapulse_tui.model.never_ran import NEVER_RAN, NO_CONFIG, told_never_ran
from alphapulse_tui.model.quantities import memory
from alphapulse_tui.model.words import age

BEFORE_ONSET = 900.0
"""Seconds between a release and the trouble that it may have caused: a rollout of 50 pods takes minutes (runbook 3.1)."""

RECENT = 7200.0
"""Seconds for which a release counts as recent when nobody knows since when the trouble is there."""

LONGEST_BACK_OFF = 310.0
"""Seconds between two restarts of a container at most: the kubelet waits up to five minutes (facts 2.4.1), and it must start."""

JUST = 5.0
"""Seconds below which release and trouble came at the same time."""

SHARE = 0.5
"""Part of an endpoint's time from which on it is where the time goes."""

EXIT_CODES = {
    0: "it finished, and is meant to run",
    1: "an error of the application",
    2: "an error of the application",
    126: "its command cannot be executed",
    127: "its command was not found",
    134: "it aborted",
    137: "killed (SIGKILL): out of memory if the reason says so, else a probe, an eviction or a person",
    139: "a segmentation fault",
    143: "told to stop (SIGTERM)",
}
"""What an exit code means (facts 2.4.1)."""

_WORDS = {
    "database": re.compile(r"\b(database|postgres(?:ql)?|asyncpg|psycopg|sqlalchemy|DATABASE_URL)\b", re.IGNORECASE),
    "redis": re.compile(r"\b(redis|valkey|REDIS_\w+|CLUSTERDOWN|MOVED)\b", re.IGNORECASE),
    "vault": re.compile(r"\b(vault|openbao|hvac|VAULT_\w+)\b", re.IGNORECASE),
}

_CALM = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE)\b|\blevel[\"']?[=:]\s*[\"']?(trace|debug|info|notice)\b")
_LOUD = re.compile(
    r"error|fail|refus|cannot|can't|could not|unable|time[ds]? ?out|denied|unreachable|sealed|FATAL|exception",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One conclusion."""

    kind: str
    """``memory``, ``image``, ``config``, ``room``, ``database``, ``redis``, ``vault``, ``application`` or ``unknown``."""
    sentence: str
    certain: bool = False
    """Whether it was seen and not only read in a log."""


def cause_of_crash(snapshot: CrashSnapshot) -> Cause:
    """Why the containers end: what the kubelet says first, then what does not answer, then their own last words."""
    for end in snapshot.ends:
        if end.reason == "OOMKilled":
            return Cause("memory", f"{end.place} was killed for want of memory{_limit(snapshot, end)}", True)
        if end.waiting in NEVER_RAN:
            kind = "config" if end.waiting == NO_CONFIG else "image"
            return Cause(kind, told_never_ran(end, snapshot.variables), True)
    if snapshot.held and not snapshot.ends:
        return Cause("room", "; ".join(snapshot.held), True)
    said = {kind: _says(snapshot.ends, kind) for kind in DEPENDENCIES}
    for kind in DEPENDENCIES:
        failing = snapshot.failing(kind)
        if failing:
            one = failing[0]
            words = f"; its log says: {said[kind]}" if said[kind] else ""
            return Cause(kind, f"{one.variable} names {one.place} ({one.origin}), which {_verb(one.said)}{words}", True)
    # The last line is the reason; a program names the dependency first that it stumbled over.
    for end in snapshot.ends:
        for line in reversed(end.words):
            kind = next((kind for kind in DEPENDENCIES if _complains_of(line, kind)), "")
            if kind:
                return Cause(kind, f"its last words name {kind}: {line}")
    for end in snapshot.ends:
        if end.exit_code is not None:
            words = f": {end.words[-1]}" if end.words else ""
            meaning = EXIT_CODES.get(end.exit_code, "its own matter")
            return Cause("application", f"{end.place} ended with code {end.exit_code}, {meaning}{words}")
    return Cause("unknown", "no container has ended yet" if not snapshot.ends else "it left no word")


def own_cause(revision: Revision, revisions: Sequence[Revision]) -> str:
    """Its change-cause, unless an older one has the same: a release that sets none inherits it, and the history lies (facts 1.2)."""
    inherited = any(one.cause == revision.cause for one in revisions if 0 < one.number < revision.number)
    return "" if inherited else revision.cause


def _limit(snapshot: CrashSnapshot, end: LastEnd) -> str:
    bounds = next((one for one in snapshot.bounds if one.container == end.container), None)
    return f" at its limit of {memory(bounds.memory_limit)}" if bounds and bounds.memory_limit else ""


def _says(ends: Sequence[LastEnd], kind: str) -> str:
    return next((line for end in ends for line in reversed(end.words) if _complains_of(line, kind)), "")


def _complains_of(line: str, kind: str) -> bool:
    """Whether a line names a dependency, and not only as news: "INFO connected to Redis" is no reason to die.

    >>> _complains_of("INFO database pool is ready", "database"), _complains_of("INFO database: connection refused", "database")
    (False, True)
    """
    return bool(_WORDS[kind].search(line)) and not (_CALM.search(line) and not _LOUD.search(line))


def _verb(said: str) -> str:
    """What a probe said, as the rest of "which ..."."""
    if said.startswith(("refuses", "cannot", "answers")):
        return said
    if " answers" in said:
        return f"answers{said.split(' answers', 1)[1]}"
    return f"gives {said}" if said.startswith("no ") else f"fails: {said}"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A release that may be to blame."""

    revision: Revision
    previous: Revision | None
    """What one would go back to."""
    onset: float | None
    """When the trouble began; none when that is not known."""
    came: float
    """When it was rolled out."""

    @property
    def lead(self) -> float | None:
        """Seconds from the release to the trouble."""
        return None if self.onset is None else self.onset - self.came


def came_at(revision: Revision, pods: Sequence[Pod], progressed_at: float | None = None) -> float:
    """When a revision was rolled out: with its ReplicaSet, however young its pods are (a node that was drained makes all of them anew).

    A template that ran before gets its old ReplicaSet back: then its first pod tells, or the last step of the rollout where that is earlier.
    """
    if not revision.returned:
        return revision.created_at
    mine = [pod.created_at for pod in pods if pod.name.startswith(f"{revision.replica_set}-")]
    known = [*mine, *([] if progressed_at is None else [progressed_at])]
    return max(revision.created_at, min(known, default=revision.created_at))


def suspect_release(
    workload: Workload, onset: float | None, now: float, pods: Sequence[Pod] = (), slack: float = 60.0
) -> Suspect | None:
    """The present revision, if it came shortly before ``onset``; without an onset, if it is recent.

    ``pods`` are the workload's. ``slack``: by how many seconds the onset may be seen too early (a scrape, a rate's window). A return to an
    earlier template answers to trouble that is there already: only what began after it is laid to it.
    """
    newest = next((one for one in workload.revisions if one.number), None)
    if newest is None:
        return None
    newest = replace(newest, cause=own_cause(newest, workload.revisions))
    previous = workload.before
    came = came_at(newest, pods, workload.progressed_at)
    if onset is None:
        recent = now - came <= RECENT and not workload.gone_back_from
        return Suspect(newest, previous, None, came) if recent else None
    least = 0.0 if workload.gone_back_from else -slack
    return Suspect(newest, previous, onset, came) if least <= onset - came <= BEFORE_ONSET else None


def first_crash(pods: Sequence[Pod]) -> float | None:
    """When the first of the pods that are not well began to crash; of those that are on their way out another release may be to blame."""
    living = [pod for pod in pods if pod.status != "Terminating"]
    moments = [moment for pod in living if not pod.healthy and (moment := _began(pod)) is not None]
    return min(moments, default=None)


def _began(pod: Pod) -> float | None:
    """When a pod began to crash. Of many restarts only the last are known: each before them took a back-off at most, and a pod cannot have
    crashed before it was there. One that never ran began when it came.
    """
    if not pod.restarts:
        return pod.created_at if any(one.waiting in NEVER_RAN for one in pod.containers) else None
    if not pod.restarted_at:
        return pod.created_at
    unknown = max(0, pod.restarts - len(pod.restarted_at))
    return max(pod.created_at, min(pod.restarted_at) - unknown * LONGEST_BACK_OFF)


def only_new_pods_crash(pods: Sequence[Pod], revision: Revision) -> bool:
    """Whether every pod that is not well belongs to the revision, and some pod of another one is well."""
    mark = f"{revision.replica_set}-"
    unwell = [pod for pod in pods if not pod.healthy]
    return (
        bool(unwell)
        and all(pod.name.startswith(mark) for pod in unwell)
        and any(pod.healthy and not pod.name.startswith(mark) for pod in pods)
    )


def told_suspect(suspect: Suspect, now: float) -> str:
    """The suspect in words."""
    revision = suspect.revision
    cause = f", {revision.cause}" if revision.cause else ""
    when = f"{age(now - suspect.came)} ago"
    if suspect.lead is None:
        return f"revision {revision.number} ({revision.image}{cause}) came {when}"
    gap = f"{age(suspect.lead)} before" if suspect.lead >= JUST else "just when"
    return f"revision {revision.number} ({revision.image}{cause}) came {when}, {gap} it began"


def where_time_goes(endpoint: EndpointTime) -> tuple[str, float]:
    """What takes the most of a request's time (a dependency, or ``api`` itself) and its part, 0 to 1; ``unknown`` without a breakdown."""
    own, mean = endpoint.own, endpoint.mean
    if own is None or not mean:
        return "unknown", 0.0
    name, took = max([*endpoint.parts, ("api", own)], key=lambda one: one[1])
    return name, min(1.0, took / mean)
