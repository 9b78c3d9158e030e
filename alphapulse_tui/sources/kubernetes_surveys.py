"""Surveys of the cluster and of the API in it: events, capacity, how pods crash, what their logs and metrics say."""

from __future__ import annotations

from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe


def _in_cluster(profile: Profile) -> bool:
    return profile.kubernetes is not None


def _has_prometheus(profile: Profile) -> bool:
    return profile.prometheus is not None


def _cluster(profile: Profile) -> tuple[str, str, str]:
    """Kubeconfig, context and namespace; the library is imported here, off the loop, because its seconds are no silence of the server's."""
    from alphapulse_tui.sources.kubernetes_link import import_library

    import_library()
    target = profile.kubernetes
    assert target is not None
    return target.kubeconfig, target.context, target.namespace


def _events(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.kubernetes_events import EventsSource

    return EventsSource(*_cluster(profile))


def _capacity(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.kubernetes_capacity import CapacitySource

    return CapacitySource(*_cluster(profile))


def _rights(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.kubernetes_rights import KubernetesRightsSource

    return KubernetesRightsSource(*_cluster(profile))


def _crash(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.api_crash import CrashSource

    return CrashSource(*_cluster(profile))


def _logs(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.api_logs import LogsSource

    return LogsSource(*_cluster(profile))


def _latency(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.api_metrics import LatencySource

    assert profile.prometheus is not None
    return LatencySource(profile.prometheus.url, profile.prometheus.window, profile.thresholds)


def _errors(profile: Profile) -> Source[Any]:
    from alphapulse_tui.sources.api_metrics import ErrorsSource

    assert profile.prometheus is not None
    return ErrorsSource(profile.prometheus.url, profile.prometheus.window, profile.thresholds)


SURVEYS: tuple[Recipe, ...] = (
    Recipe("kubernetes-events", 5.0, 5.0, _in_cluster, _events),
    Recipe("kubernetes-capacity", 5.0, 5.0, _in_cluster, _capacity),
    Recipe("kubernetes-rights", 300.0, 8.0, _in_cluster, _rights),
    Recipe("api-crash", 10.0, 15.0, _in_cluster, _crash),
    Recipe("api-logs", 10.0, 9.0, _in_cluster, _logs),
    Recipe("api-latency", 10.0, 8.0, _has_prometheus, _latency),
    Recipe("api-errors", 10.0, 8.0, _has_prometheus, _errors),
)
"""Every survey."""
