"""The namespace: pods, Deployments, StatefulSets and their revisions.

Read by ``sources.kubernetes`` by list and watch. Moments are unix seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod, and how its last run ended."""

    name: str
    image: str
    ready: bool
    restarts: int
    waiting: str = ""
    """``CrashLoopBackOff``, ``ImagePullBackOff`` ... or empty."""
    waiting_message: str = ""
    last_reason: str = ""
    """Why the previous run ended: ``Error``, ``OOMKilled``, ``Completed``, or empty."""
    last_exit_code: int | None = None
    last_finished_at: float | None = None
    init: bool = False
    """An init container (listed only while it has not ended well) or a sidecar."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod as kubectl would show it."""

    name: str
    uid: str
    status: str
    """kubectl's STATUS column: ``Running``, ``CrashLoopBackOff``, ``Terminating`` ..."""
    ready: int
    total: int
    restarts: int
    created_at: float
    node: str
    owner_kind: str
    owner: str
    """The workload's own name: the Deployment, not its ReplicaSet, where that is known."""
    containers: tuple[Container, ...]
    restarted_at: tuple[float, ...] = ()
    """Unix seconds of the last restarts that are known, newest last, at most five: seen by us, or told by the container's last end."""
    finished: bool = False
    """It has ended for good (phase Succeeded or Failed: a job, an eviction, a node that was drained): it takes nobody's place any more."""

    @property
    def key(self) -> str:
        """Stable identity, for the cursor and for plans."""
        return self.uid

    @property
    def healthy(self) -> bool:
        """Running with every container ready, or finished."""
        return self.status == "Completed" or (self.status == "Running" and self.ready == self.total)


RESTART = "alphapulse.io/restart"
"""Annotation of a pod template that our restart writes."""

MEMORY_GIVEN = "memory limit of"
"""Beginning of the change-cause that our change of a memory limit writes."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One ReplicaSet of a Deployment: a revision one can roll back to."""

    number: int
    image: str
    cause: str
    created_at: float
    replicas: int
    replica_set: str
    restart: str = ""
    """The mark that the last restart left in its template, ours or kubectl's."""
    returned: bool = False
    """Whether it ran under another number before: somebody went back to it, or forward again."""

    def same_release(self, older: Revision) -> bool:
        """Whether only a restart or memory given from here lies between the two: what is wrong with one is wrong with the other.

        Annotations outlive their moment, so only one that is new tells. The image alone says nothing: a release may change a variable.
        """
        restarted = bool(self.restart) and self.restart != older.restart
        given = self.cause.startswith(MEMORY_GIVEN) and self.cause != older.cause
        return self.image == older.image and (restarted or given)


def ways_back(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Revisions to go to instead of the present one, ``revisions`` newest first: the release before it comes first.

    After a roll back the number before is that of the release that somebody went back from (facts 3.2: undone twice, it is back). Such ones
    come behind all others, and what is of the release that runs now comes last.
    """
    same = of_present_release(revisions)
    others = [one for one in revisions if one.number][len(same) :]
    left = left_behind_of(revisions)
    return (*(one for one in others if one not in left), *left, *same[1:])


def release_before(revisions: Sequence[Revision]) -> Revision | None:
    """Of :func:`ways_back` the first that nobody went back from."""
    left = left_behind_of(revisions)
    return next((one for one in ways_back(revisions) if one not in left), None)


def of_present_release(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """The present revision, and those right before it that only a restart or memory given from here tells apart; newest first."""
    known = [one for one in revisions if one.number]
    same = 1
    while same < len(known) and known[same - 1].same_release(known[same]):
        same += 1
    return tuple(known[:same])


def left_behind_of(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Those that somebody went back from: right before the present one, and younger than its ReplicaSet.

    One that is returned to over an older one is a release that comes again: nobody went back.
    """
    same = of_present_release(revisions)
    if not same or not same[-1].returned:
        return ()
    others = [one for one in revisions if one.number][len(same) :]
    return tuple(takewhile(lambda one: one.created_at > same[-1].created_at, others))


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or StatefulSet and its rollout."""

    kind: str
    """``Deployment`` or ``StatefulSet``."""
    name: str
    uid: str
    generation: int
    observed_generation: int
    desired: int
    updated: int
    ready: int
    available: int
    image: str
    paused: bool = False
    deadline_exceeded: bool = False
    revisions: tuple[Revision, ...] = ()
    """Newest first; Deployments only."""
    unavailable_since: float | None = None
    """Unix seconds since when fewer replicas are available than must be; Deployments only."""
    progressed_at: float | None = None
    """Unix seconds of the last step of a rollout; Deployments only."""
    total: int = 0
    """Pods of every template, as the status counts them: more than ``updated`` while pods of the template before still stand."""

    @property
    def key(self) -> str:
        """Stable identity."""
        return self.uid

    @property
    def earlier(self) -> tuple[Revision, ...]:
        """Revisions to go back to, the release before first: see :func:`ways_back`."""
        return ways_back(self.revisions)

    @property
    def gone_back_from(self) -> tuple[Revision, ...]:
        """Revisions that came after the present one had run before: whoever went back has left them for a reason."""
        return left_behind_of(self.revisions)

    @property
    def before(self) -> Revision | None:
        """The revision that a roll back means when nobody names one; none when only those are kept that somebody went back from."""
        return release_before(self.revisions)

    @property
    def rolling(self) -> bool:
        """Whether pods of this template are still to come, or of another to go; otherwise those of this one may only be missing."""
        return self.observed_generation < self.generation or self.updated < self.desired or bool(self.left_over)

    @property
    def left_over(self) -> int:
        """Pods of an earlier template: they serve in the place of new ones that never became ready (facts 3.1)."""
        return max(0, self.total - self.updated)

    @property
    def rolled_out(self) -> bool:
        """kubectl's rollout rule: observed, all updated, none left over, all available, within the deadline (facts 3.1)."""
        return not self.rolling and self.available >= self.updated and not self.deadline_exceeded


@dataclass(frozen=True, slots=True)
class KubernetesSnapshot:
    """The namespace at one moment."""

    namespace: str
    context: str
    server_version: str
    pods: tuple[Pod, ...]
    """Unhealthy first, then by name."""
    workloads: tuple[Workload, ...]
    missing_grants: tuple[str, ...] = ()

    @property
    def ready_pods(self) -> int:
        """Pods that serve."""
        return sum(1 for pod in self.pods if pod.healthy)
