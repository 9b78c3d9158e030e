"""What the cluster remembers: warnings, rollouts and scalings of the namespace, read raw from the API server.

The server keeps events for an hour by default, so less may come than was asked for. A rollout is a new ReplicaSet; a rollback makes none
and shows as an old ReplicaSet that is scaled up again. Called by ``sources.history``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from alphapulse_tui.model.history import ClusterEvent, Rollout
from alphapulse_tui.sources import kubernetes_decode as decode
from alphapulse_tui.sources.contract import SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_link import PAGE, Gone, Link
from alphapulse_tui.text import clean

MOST_PAGES = 5
"""Pages of a list that are read: 5,000 events; more are told as missing."""

MOST_EVENTS = 40
"""Groups of events that are told, the most frequent ones."""

_POD = re.compile(r"-(?:[bcdf-hj-np-tv-z2-9]{5,10}-)?[bcdf-hj-np-tv-z2-9]{5}$|-\d+$")
"""What Kubernetes hangs onto a workload's name to name its pods: template hash and five random letters, or an ordinal."""

_SET = re.compile(r"^Scaled (up|down) replica set (\S+) ")


class Source(decode.Object):
    """``involvedObject``."""

    kind: str = ""
    name: str = ""


class RawSeries(decode.Object):
    """``series`` of an event that repeats."""

    count: int = 0
    last_observed_time: datetime | None = None


class RawEvent(decode.Object):
    """An event of core/v1; which of its times are set depends on who wrote it."""

    involved_object: Source
    metadata: decode.Meta
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: RawSeries | None = None

    def times(self) -> tuple[float, float] | None:
        """Unix seconds of the first and the last time, or none."""
        last = self.series.last_observed_time if self.series else None
        known = [self.first_timestamp, self.event_time, self.last_timestamp, last, self.metadata.creation_timestamp]
        seconds = [moment.timestamp() for moment in known[:4] if moment is not None]
        if not seconds and known[4] is not None:
            seconds = [known[4].timestamp()]
        return (min(seconds), max(seconds)) if seconds else None


class EventList(decode.Object):
    """A page of events."""

    metadata: decode.ListMeta
    items: list[RawEvent] | None = None


_events = msgspec.json.Decoder(EventList)
Item = TypeVar("Item")


async def read_cluster(
    kubeconfig: str, context: str, namespace: str, since: float, until: float
) -> tuple[list[ClusterEvent], list[Rollout], list[str]]:
    """Events, rollouts, and a sentence for each list that could not be read. Moments in Unix seconds.

    Raises:
        Unreachable, Denied: nothing could be asked at all.
    """
    link = Link(kubeconfig, context)
    missing: list[str] = []
    try:
        await link.open()
        core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"

        async def events(selector: str) -> list[RawEvent]:
            return await _pages(link, f"{core}/events", "events", namespace, _page_of_events, selector, missing)

        warnings, scalings, sets = await asyncio.gather(
            _or_missing(events("type=Warning"), missing),
            _or_missing(events("reason=ScalingReplicaSet"), missing),
            _or_missing(
                _pages(link, f"{apps}/replicasets", "replicasets", namespace, _page_of_sets, "", missing), missing
            ),
        )
    finally:
        await link.close()
    rollouts = rollouts_of(sets, since, until)
    found = [*warnings_of(warnings, since, until), *scalings_of(scalings, rollouts, since, until)]
    return found, rollouts, list(dict.fromkeys(missing))


async def _or_missing(list_: Awaitable[list[Item]], missing: list[str]) -> list[Item]:
    try:
        return await list_
    except SourceProblem as problem:
        missing.append(clean(problem))
        return []


async def _pages(
    link: Link,
    path: str,
    plural: str,
    namespace: str,
    page_of: Callable[[bytes], tuple[list[Item], str]],
    selector: str,
    missing: list[str],
) -> list[Item]:
    found: list[Item] = []
    params = {"limit": str(PAGE)} | ({"fieldSelector": selector} if selector else {})
    for _ in range(MOST_PAGES):
        grant = f"missing grant: {plural}: list in namespace {clean(namespace)}"
        try:
            items, more = page_of(await link.get(path, grant, params))
        except Gone:
            missing.append(f"the list of {plural} changed while it was read; its rest is missing")
            return found
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(f"the list of {plural} cannot be understood") from None
        found += items
        if not more:
            return found
        params["continue"] = more
    missing.append(f"there are more than {MOST_PAGES * PAGE:,} {plural}; the rest has not been read")
    return found


def _page_of_events(body: bytes) -> tuple[list[RawEvent], str]:
    page = _events.decode(body)
    return page.items or [], page.metadata.continue_


def _page_of_sets(body: bytes) -> tuple[list[decode.RawWorkload], str]:
    page = decode.workload_list.decode(body)
    return page.items or [], page.metadata.continue_


def workload_name(pod: str) -> str:
    """The name of the workload that a pod belongs to, as far as the pod's name tells it.

    >>> workload_name("api-6d4cf56db6-x7k2p"), workload_name("vault-2"), workload_name("migrate")
    ('api', 'vault', 'migrate')
    """
    return _POD.sub("", pod) or pod


def warnings_of(events: Iterable[RawEvent], since: float, until: float) -> list[ClusterEvent]:
    """One entry for all warnings of a reason about a workload's pods, the most frequent :data:`MOST_EVENTS` of them."""
    groups: dict[tuple[str, str], list[tuple[float, float, RawEvent]]] = {}
    for event in events:
        times = event.times()
        if times is None or event.type != "Warning" or times[1] < since or times[0] > until:
            continue
        about = event.involved_object
        name = workload_name(about.name) if about.kind == "Pod" else about.name
        groups.setdefault((f"{clean(about.kind)} {clean(name)}".strip(), clean(event.reason)), []).append(
            (*times, event)
        )
    found = [_grouped(subject, reason, members, since) for (subject, reason), members in groups.items()]
    return sorted(found, key=lambda one: (-one.count, one.starts_at, one.subject))[:MOST_EVENTS]


def _grouped(
    subject: str, reason: str, members: list[tuple[float, float, RawEvent]], since: float, warning: bool = True
) -> ClusterEvent:
    start, _, first = min(members, key=lambda member: member[0])
    return ClusterEvent(
        subject=subject,
        reason=reason,
        message=clean(first.message, 300),
        # What began earlier is placed where the reading begins: its earlier times are not kept one by one.
        starts_at=max(start, since),
        last_at=max(member[1] for member in members),
        count=sum(_count(event) for _, _, event in members),
        warning=warning,
    )


def _count(event: RawEvent) -> int:
    return max(1, event.count or 0, event.series.count if event.series else 0)


def rollouts_of(sets: Iterable[decode.RawWorkload], since: float, until: float) -> list[Rollout]:
    """ReplicaSets of Deployments that were made between ``since`` and ``until``."""
    found = []
    for raw in sets:
        revision = decode.revision_of(raw)
        owner = next((one for one in raw.metadata.owner_references or () if one.kind == "Deployment"), None)
        if owner is not None and since <= revision.created_at <= until:
            found.append(
                Rollout(
                    clean(owner.name), revision.replica_set, revision.number, revision.image, revision.cause,
                    revision.created_at,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: one.starts_at)


def scalings_of(
    events: Iterable[RawEvent], rollouts: Iterable[Rollout], since: float, until: float
) -> list[ClusterEvent]:
    """Scalings that no rollout explains: an old ReplicaSet that grew (a rollback, a scaling), or one that only shrank."""
    new = {one.replica_set for one in rollouts}
    deployed = {one.workload for one in rollouts}
    groups: dict[tuple[str, str, str], list[tuple[float, float, RawEvent]]] = {}
    for event in events:
        times, said = event.times(), _SET.match(event.message)
        if times is None or said is None or times[1] < since or times[0] > until:
            continue
        groups.setdefault((event.involved_object.name, said.group(1), said.group(2)), []).append((*times, event))
    grew = {name for name, way, _ in groups if way == "up"}
    return [
        _grouped(f"Deployment {clean(name)}", "ScalingReplicaSet", members, since, warning=False)
        for (name, way, replica_set), members in groups.items()
        if replica_set not in new and (way == "up" or name not in grew | deployed)
    ]
