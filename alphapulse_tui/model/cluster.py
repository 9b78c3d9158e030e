"""What surrounds the pods: events, nodes, autoscalers and the namespace's quota.

Read by ``sources.kubernetes_events`` and ``sources.kubernetes_capacity``, only while somebody looks. Moments are unix seconds, memory is bytes,
CPU is cores.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One event of the namespace, repeated ``count`` times."""

    uid: str
    type: str
    """``Normal`` or ``Warning``."""
    reason: str
    """``BackOff``, ``FailedScheduling``, ``OOMKilling`` ..."""
    kind: str
    """Kind of the object that it is about."""
    name: str
    """Name of that object."""
    message: str
    count: int
    first_at: float | None
    last_at: float | None

    @property
    def object(self) -> str:
        """As kubectl writes it: ``pod/api-1``."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class EventsSnapshot:
    """The namespace's events, newest first."""

    events: tuple[ClusterEvent, ...]
    more: bool = False
    """Whether the server has more than were read."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node and what is left on it."""

    name: str
    ready: bool
    pressures: tuple[str, ...]
    """Conditions that should not hold: ``MemoryPressure`` ..."""
    unschedulable: bool
    memory: float
    """Allocatable bytes."""
    cpu: float
    """Allocatable cores."""
    memory_used: float | None = None
    """By the metrics server; none when it does not say."""
    cpu_used: float | None = None
    version: str = ""
    created_at: float = 0.0

    @property
    def memory_free(self) -> float | None:
        """Bytes that nobody uses now, or none when that is not known."""
        return None if self.memory_used is None else max(0.0, self.memory - self.memory_used)


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HorizontalPodAutoscaler."""

    name: str
    uid: str
    kind: str
    """Of what it scales."""
    workload: str
    """Name of what it scales."""
    least: int
    most: int
    current: int
    desired: int
    figures: tuple[str, ...]
    """Each metric against its target: ``cpu 84% of 60%``; ``<unknown>`` where it has no figure."""
    limited: str = ""
    """Reason of ScalingLimited while it holds: ``TooManyReplicas`` (at its maximum and wants more), ``TooFewReplicas``."""
    problem: str = ""
    """Why it cannot scale at all (ScalingActive or AbleToScale is false): reason and message."""
    scaled_at: float | None = None

    @property
    def at_maximum(self) -> bool:
        """Whether it would want more pods than it may have."""
        return self.current >= self.most and self.limited == "TooManyReplicas"


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """One bounded resource of a ResourceQuota."""

    quota: str
    resource: str
    """``pods``, ``requests.memory`` ..."""
    used: float
    hard: float

    @property
    def left(self) -> float:
        """What may still be asked for."""
        return max(0.0, self.hard - self.used)


@dataclass(frozen=True, slots=True)
class CapacitySnapshot:
    """Whether there is room."""

    nodes: tuple[Node, ...]
    autoscalers: tuple[Autoscaler, ...]
    quotas: tuple[QuotaLine, ...]
    missing: tuple[str, ...] = ()
    """What could not be read, one sentence each; the rest holds."""

    def of(self, kind: str, name: str) -> Autoscaler | None:
        """The autoscaler of a workload, or none."""
        return next((one for one in self.autoscalers if (one.kind, one.workload) == (kind, name)), None)
