"""What a namespace holds, kept current event by event: pods in the order of the panel, workloads with their revisions.

Used by ``sources.kubernetes``. Unchanged objects stay the same objects, and pods stay sorted, so that a snapshot of 10,000 pods costs a copy of
a list, and comparing two snapshots compares identities.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from dataclasses import replace

from alphapulse_tui.model.kubernetes import Pod, Workload
from alphapulse_tui.sources.kubernetes_decode import RawPod, RawWorkload, pod_of, revision_of, workload_of

RESTARTS_KEPT = 5
"""Moments of restarts that a pod carries; the rules count up to three (thresholds)."""

Place = tuple[bool, str, str]
"""Where a pod stands in the panel: unhealthy first, then by name, then by uid."""


class Pods:
    """The namespace's pods. ``clock`` is unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_uid: dict[str, Pod] = {}
        self._order: list[Place] = []
        self._sorted: list[Pod] = []

    def replace(self, raws: Iterable[RawPod]) -> None:
        """A fresh list: whoever is not in it is gone."""
        pods = {raw.metadata.uid: self._converted(raw) for raw in raws}
        self._by_uid = pods
        placed = sorted(((_place(pod), pod) for pod in pods.values()), key=_first)
        self._order = [place for place, _ in placed]
        self._sorted = [pod for _, pod in placed]

    def apply(self, kind: str, raw: RawPod) -> None:
        """An ADDED, MODIFIED or DELETED event."""
        before = self._by_uid.pop(raw.metadata.uid, None)
        if before is not None:
            index = bisect.bisect_left(self._order, _place(before))
            del self._order[index], self._sorted[index]
        if kind == "DELETED":
            return
        pod = self._converted(raw, before)
        if before == pod:
            pod = before
        self._by_uid[raw.metadata.uid] = pod
        index = bisect.bisect_left(self._order, _place(pod))
        self._order.insert(index, _place(pod))
        self._sorted.insert(index, pod)

    def snapshot(self) -> tuple[Pod, ...]:
        """All pods, in the order of the panel."""
        return tuple(self._sorted)

    def _converted(self, raw: RawPod, before: Pod | None = None) -> Pod:
        before = before or self._by_uid.get(raw.metadata.uid)
        pod = pod_of(raw)
        if before is None:
            moments = tuple(
                sorted(
                    one.last_finished_at for one in pod.containers if one.restarts and one.last_finished_at is not None
                )
            )
        else:
            moments = before.restarted_at + (self._clock(),) * min(
                max(0, pod.restarts - before.restarts), RESTARTS_KEPT
            )
        return replace(pod, restarted_at=moments[-RESTARTS_KEPT:]) if moments else pod


def _first(pair: tuple[Place, Pod]) -> Place:
    return pair[0]


def _place(pod: Pod) -> Place:
    return pod.healthy, pod.name, pod.uid


class Workloads:
    """The namespace's Deployments, StatefulSets and ReplicaSets."""

    def __init__(self) -> None:
        self._raw: dict[str, dict[str, RawWorkload]] = {"Deployment": {}, "StatefulSet": {}, "ReplicaSet": {}}
        self._made: tuple[Workload, ...] | None = None

    def replace(self, kind: str, raws: Iterable[RawWorkload]) -> None:
        """A fresh list of ``kind``."""
        self._raw[kind] = {raw.metadata.uid: raw for raw in raws}
        self._made = None

    def apply(self, kind: str, event: str, raw: RawWorkload) -> None:
        """An ADDED, MODIFIED or DELETED event."""
        if event == "DELETED":
            self._raw[kind].pop(raw.metadata.uid, None)
        else:
            self._raw[kind][raw.metadata.uid] = raw
        self._made = None

    def snapshot(self) -> tuple[Workload, ...]:
        """Deployments, then StatefulSets, each by name."""
        if self._made is None:
            owned: dict[str, list[RawWorkload]] = {}
            for raw in self._raw["ReplicaSet"].values():
                for owner in raw.metadata.owner_references or ():
                    owned.setdefault(owner.uid, []).append(raw)
            made = []
            for kind in ("Deployment", "StatefulSet"):
                for uid, raw in self._raw[kind].items():
                    revisions = sorted(
                        (revision_of(one) for one in owned.get(uid, ())), key=lambda revision: -revision.number
                    )
                    made.append(workload_of(kind, raw, tuple(revisions)))
            self._made = tuple(sorted(made, key=lambda workload: (workload.kind, workload.name)))
        return self._made
