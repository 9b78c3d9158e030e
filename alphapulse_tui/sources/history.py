"""What the targets remember of the time before anybody looked (design 5): alerts, key figures, the cluster's events and rollouts.

Asked once, when an incident is declared. The three memories are asked side by side under one total deadline; what does not answer in time
is a sentence in ``History.missing``, and the rest counts. ``incident.backfill`` makes events of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.history import ClusterEvent, Crossing, History, PastAlert, Rollout
from alphapulse_tui.sources.contract import SourceProblem, Unreachable
from alphapulse_tui.text import clean

DEADLINE = 5.0
"""Seconds for everything: whoever has declared an incident is not kept waiting for its past."""

Part = TypeVar("Part")


async def read_history(profile: Profile, since: float, until: float, deadline: float = DEADLINE) -> History:
    """What the targets of ``profile`` remember of ``since`` until ``until`` (Unix seconds), within ``deadline`` seconds in all.

    A target that does not answer raises nothing: it is a sentence in ``missing``.
    """
    missing: list[str] = []
    alerts, metrics, cluster = await asyncio.gather(
        _part("alerts", _firing(profile), deadline, missing),
        _part("key figures of Prometheus", _metrics(profile, since, until), deadline, missing),
        _part("events of Kubernetes", _cluster(profile, since, until), deadline, missing),
    )
    crossings, fired, without = metrics or ([], [], [])
    events, rollouts, unread = cluster or ([], [], [])
    firing, unheard = alerts or ([], [])
    missing += [f"the key figures of Prometheus are missing in part: {sentence}" for sentence in without]
    missing += [f"the events of Kubernetes are missing in part: {sentence}" for sentence in unread]
    missing += [f"the alerts are missing in part: {sentence}" for sentence in unheard]
    if alerts is not None and not unheard:
        # Both sides have told what fires now: what they do not name is over, however short ago.
        now = {one.fingerprint for one in firing}
        fired = [one if one.ended_at or one.fingerprint in now else replace(one, ended_at=until) for one in fired]
    return History(
        since, until, _joined(firing, fired), tuple(crossings), tuple(events), tuple(rollouts), tuple(missing)
    )


async def _part(what: str, reading: Awaitable[Part], deadline: float, missing: list[str]) -> Part | None:
    """What ``reading`` gives; none, and a sentence in ``missing``, when it fails or takes too long."""
    try:
        async with asyncio.timeout(deadline):
            return await reading
    except TimeoutError:
        missing.append(f"the {what} are missing: no answer within {deadline:g} s")
    except SourceProblem as problem:
        missing.append(f"the {what} are missing: {clean(problem)}")
    return None


async def _firing(profile: Profile) -> tuple[list[PastAlert], list[str]]:
    if profile.prometheus is None and profile.alertmanager is None:
        raise Unreachable("neither Prometheus nor Alertmanager is configured")
    from alphapulse_tui.sources.alerts import AlertsSource

    source = AlertsSource(
        profile.prometheus.url if profile.prometheus else "", profile.alertmanager.url if profile.alertmanager else ""
    )
    try:
        snapshot = await source.read()
    finally:
        await source.close()
    return firing_of(snapshot), list(snapshot.unreachable)


def firing_of(snapshot: AlertsSnapshot) -> list[PastAlert]:
    """What fires on the board, as this module tells it."""
    return [
        PastAlert(one.fingerprint, one.name, one.severity, one.summary, one.starts_at, one.procedure)
        for one in snapshot.firing
        if one.starts_at > 0
    ]


async def _metrics(profile: Profile, since: float, until: float) -> tuple[list[Crossing], list[PastAlert], list[str]]:
    if profile.prometheus is None:
        raise Unreachable("it is not configured")
    from alphapulse_tui.sources.history_metrics import read_metrics

    crossings, fired, missing = await read_metrics(
        profile.prometheus.url, profile.prometheus.window, profile.thresholds, since, until
    )
    return crossings, [replace(one, procedure=profile.alerts.get(one.name, "")) for one in fired], missing


async def _cluster(profile: Profile, since: float, until: float) -> tuple[list[ClusterEvent], list[Rollout], list[str]]:
    if profile.kubernetes is None:
        raise Unreachable("it is not configured")
    from alphapulse_tui.sources.history_cluster import read_cluster

    target = profile.kubernetes
    return await read_cluster(target.kubeconfig, target.context, target.namespace, since, until)


def _joined(firing: list[PastAlert], fired: list[PastAlert]) -> tuple[PastAlert, ...]:
    """What fires now, told best by the alerts themselves, and what Prometheus remembers besides."""
    now = {one.fingerprint for one in firing}
    return (*firing, *(one for one in fired if one.ended_at is not None or one.fingerprint not in now))
