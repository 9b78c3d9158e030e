"""What happened before anybody looked: read from the targets' own memories when an incident is declared.

Filled by ``sources.history``, turned into events of the journal by ``incident.backfill``. Moments are Unix seconds, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.model.health import Severity


@dataclass(frozen=True, slots=True)
class PastAlert:
    """One firing of an alert."""

    fingerprint: str
    name: str
    severity: Severity | None
    summary: str
    starts_at: float
    procedure: str = ""
    """Id of the procedure that it opens, or empty."""
    ended_at: float | None = None
    """None while it fires."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure that stood at or beyond its critical line for a while."""

    target: str
    """The board's key: ``platform``, ``postgres``, ``redis``, ``vault``."""
    subject: str
    """What the figure is of: ``p99 latency``, ``memory of redis-cluster-0``."""
    procedure: str
    """The procedure that the same rule suggests; tells that a finding of the cockpit is about the same."""
    unit: str
    limit: float
    """In ``unit``; the profile's threshold."""
    starts_at: float
    ended_at: float | None
    """None while it stands there."""
    peak: float
    from_before: bool = False
    """It was there already when the time that was read began: its start is not known."""


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """Warnings of the cluster of one reason about one workload, or what a Deployment's controller did."""

    subject: str
    """``Pod api``, ``Deployment api``."""
    reason: str
    message: str
    """Of the first of them."""
    starts_at: float
    last_at: float
    count: int = 1
    warning: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """A new ReplicaSet: somebody deployed."""

    workload: str
    replica_set: str
    revision: int
    image: str
    cause: str
    """The change-cause annotation, or empty."""
    starts_at: float


@dataclass(frozen=True, slots=True)
class History:
    """What the targets remember of ``since`` until ``until``."""

    since: float
    until: float
    alerts: tuple[PastAlert, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    cluster_events: tuple[ClusterEvent, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    missing: tuple[str, ...] = ()
    """What could not be read, a sentence each: a part that is missing is said, never taken for *nothing happened*."""
