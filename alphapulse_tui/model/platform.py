"""The runbook's key metrics (4.1) and the API's public health, with a short history for sparklines.

Read by ``sources.platform`` from Prometheus and the API's health address.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the platform. ``value`` is none when the query answered nothing: *metric absent*, which is not zero."""

    id: str
    """``p50``, ``p95``, ``p99``, ``error_percent``, ``requests``, ``hit_percent``, ``vault_ms``,
    ``vault_contact_ms``."""
    title: str
    unit: str
    """``ms``, ``%``, ``/s``."""
    value: float | None
    history: tuple[float, ...] = ()
    """Oldest first, at most an hour; gaps are left out."""
    query: str = ""


@dataclass(frozen=True, slots=True)
class EdgeHealth:
    """What the public health address answered. ``code`` 0 means no answer; then ``problem`` says why."""

    url: str
    code: int
    milliseconds: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PlatformSnapshot:
    """The platform's figures at one moment."""

    metrics: tuple[Metric, ...]
    edge: EdgeHealth | None
    problem: str = ""
    """Why Prometheus, which is configured, did not answer; then every value is none."""

    def metric(self, metric_id: str) -> Metric | None:
        """The metric of that id, or none if it is not asked for."""
        return next((metric for metric in self.metrics if metric.id == metric_id), None)
