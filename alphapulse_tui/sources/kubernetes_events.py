"""The namespace's events, newest first: a survey, read while somebody looks (facts 2.4.1).

Listed, not watched: events are forgotten by the server after an hour, and a page of 500 is what a person can take in. Made by ``surveys``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphapulse_tui.model.cluster import ClusterEvent, EventsSnapshot
from alphapulse_tui.model.health import Finding
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.kubernetes_objects import Objects, metadata
from alphapulse_tui.sources.moments import unix
from alphapulse_tui.text import clean

PAGE = 500
"""Events of one reading; the server's order is none, so all are needed to find the newest."""

PAGES = 4
"""Pages of one reading: 2,000 events are more than a namespace of the runbook's size makes in an hour."""


class EventsSource(Source[EventsSnapshot]):
    """One namespace's events."""

    target = "kubernetes-events"
    interval = 5.0
    deadline = 5.0

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        self._objects = Objects(kubeconfig, context, namespace)

    async def read(self) -> EventsSnapshot:
        """List them, page by page."""
        found: list[Any] = []
        more = ""
        path = self._objects.path("/api/v1", "events")
        for _ in range(PAGES):
            params = {"limit": str(PAGE)} | ({"continue": more} if more else {})
            page = await self._objects.read(path, f"events: list in namespace {clean(self._objects.namespace)}", params)
            found += page.get("items") or []
            more = str(metadata(page).get("continue") or "")
            if not more:
                break
        events = sorted((event_of(one) for one in found if isinstance(one, dict)), key=_newest_first)
        return EventsSnapshot(tuple(events), bool(more))

    def judge(self, snapshot: EventsSnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - what events mean, the pods show
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._objects.close()


def event_of(raw: Mapping[str, Any]) -> ClusterEvent:
    """The model's event; those of the new API keep their count and time in ``series``."""
    about = raw.get("involvedObject") or raw.get("regarding") or {}
    series = raw.get("series") or {}
    last = unix(series.get("lastObservedTime")) or unix(raw.get("lastTimestamp")) or unix(raw.get("eventTime"))
    count = series.get("count") or raw.get("count") or 1
    return ClusterEvent(
        uid=clean(metadata(raw).get("uid", ""), 64),
        type=clean(raw.get("type") or "Normal", 16),
        reason=clean(raw.get("reason") or "", 128),
        kind=clean(about.get("kind") or "", 64),
        name=clean(about.get("name") or "", 256),
        message=redact(clean(raw.get("message") or raw.get("note") or "", 1024)),
        count=count if isinstance(count, int) else 1,
        first_at=unix(raw.get("firstTimestamp")) or unix(raw.get("eventTime")),
        last_at=last or unix(metadata(raw).get("creationTimestamp")),
    )


def _newest_first(event: ClusterEvent) -> tuple[float, str]:
    return -(event.last_at or 0.0), event.uid
