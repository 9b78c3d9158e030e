"""Views of the platform: key metrics, latency and errors by endpoint, pods, what their logs complain of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alphapulse_tui.model.api import EndpointErrors, EndpointTime, ErrorsSnapshot, LatencySnapshot, LogGroup, PodTime
from alphapulse_tui.model.api_cause import where_time_goes
from alphapulse_tui.model.platform import Metric
from alphapulse_tui.model.words import figure
from alphapulse_tui.screens.tables.view import Readings, View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column

SLOW = 500.0
"""Milliseconds of p99 that are drawn as slow (runbook 4.2); the rules judge by the profile's own line."""

METRICS: tuple[Column[Metric], ...] = (
    Column("METRIC", 18, lambda row: row.title),
    Column(
        "NOW",
        12,
        lambda row: figure(row.value, row.unit),
        lambda row: "unknown" if row.value is None else "strong",
        right=True,
    ),
    Column("QUERY", 0, lambda row: row.query, lambda row: "dim"),  # noqa: ARG005
)

ENDPOINTS: tuple[Column[EndpointTime], ...] = (
    Column("ENDPOINT", 0, lambda row: row.endpoint),
    Column("REQ/S", 7, lambda row: f"{row.rate:.2f}", right=True, sort=lambda row: -row.rate),
    Column("P50", 8, lambda row: figure(row.p50, "ms"), right=True, sort=lambda row: -(row.p50 or 0.0)),
    Column("P95", 8, lambda row: figure(row.p95, "ms"), right=True, sort=lambda row: -(row.p95 or 0.0)),
    Column(
        "P99",
        8,
        lambda row: figure(row.p99, "ms"),
        lambda row: "critical" if (row.p99 or 0.0) >= SLOW else "plain",
        right=True,
        sort=lambda row: -(row.p99 or 0.0),
    ),
    Column("TIME GOES TO", 16, lambda row: _where(row)),
)

PODS: tuple[Column[PodTime], ...] = (
    Column("POD", 0, lambda row: row.pod, keep_end=True),
    Column("RELEASE", 12, lambda row: row.version),
    Column("REQ/S", 7, lambda row: f"{row.rate:.2f}", right=True, sort=lambda row: -row.rate),
    Column(
        "P99",
        9,
        lambda row: figure(row.p99, "ms"),
        lambda row: "critical" if (row.p99 or 0.0) >= SLOW else "plain",
        right=True,
        sort=lambda row: -(row.p99 or 0.0),
    ),
    Column(
        "CPU",
        8,
        lambda row: "?" if row.cpu is None else f"{row.cpu * 1000:.0f}m",
        right=True,
        sort=lambda row: -(row.cpu or 0.0),
    ),
)

ERRORS: tuple[Column[EndpointErrors], ...] = (
    Column("ENDPOINT", 0, lambda row: row.endpoint),
    Column("STATUS", 6, lambda row: row.status, lambda row: "critical" if row.status.startswith("5") else "plain"),
    Column("A SECOND", 9, lambda row: f"{row.rate:.2f}", right=True, sort=lambda row: -row.rate),
    Column("OF ITS ANSWERS", 14, lambda row: f"{row.percent:.1f}%", right=True, sort=lambda row: -row.percent),
)

COMPLAINTS: tuple[Column[LogGroup], ...] = (
    Column("TIMES", 5, lambda row: str(row.count), right=True, sort=lambda row: -row.count),
    Column("LAST", 4, lambda row: since(row.last_at), right=True, sort=lambda row: -(row.last_at or 0.0)),
    Column("PODS", 4, lambda row: str(len(row.pods)), right=True, sort=lambda row: -len(row.pods)),
    Column("LINE", 0, lambda row: row.text),
)


def _where(row: EndpointTime) -> str:
    name, part = where_time_goes(row)
    return "not told" if name == "unknown" else f"{'api itself' if name == 'api' else name} {100 * part:.0f}%"


def _latency(snapshot: LatencySnapshot) -> Line:
    if snapshot.onset is not None:
        return line((f"p99 is over its line since {since(snapshot.onset)}; rates over {snapshot.window}", "critical"))
    told = "" if snapshot.breakdown else "; the API does not tell where its time goes"
    return line((f"p99 is under its line; rates over {snapshot.window}{told}", "dim"))


def _errors(snapshot: ErrorsSnapshot) -> Line:
    types = ", ".join(f"{kind} {rate:.2f}/s" for kind, rate in snapshot.types) or "none"
    releases = ", ".join(f"{one.version} {one.percent:.1f}%" for one in snapshot.versions)
    began = f"since {since(snapshot.onset)}; " if snapshot.onset is not None else ""
    style = "critical" if snapshot.onset is not None else "dim"
    return line((f"{figure(snapshot.percent, '%')} fail; {began}by type: {types}; by release: {releases}", style))


def _slow(row: EndpointTime) -> tuple[str, Mapping[str, str]]:
    return ("api-latency", {}) if (row.p99 or 0.0) >= SLOW else ("", {})


def _failing(row: EndpointErrors) -> tuple[str, Mapping[str, str]]:
    return ("api-errors", {}) if row.status.startswith("5") else ("", {})


def _endpoint_text(row: EndpointTime, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - a View's signature
    """The endpoint's time, part by part."""
    lines = [
        line((row.endpoint, "title")),
        line(("requests   ", "dim"), f"{row.rate:.2f} a second"),
        line(("p50        ", "dim"), figure(row.p50, "ms")),
        line(("p95        ", "dim"), figure(row.p95, "ms")),
        line(("p99        ", "dim"), figure(row.p99, "ms")),
        line(("mean       ", "dim"), figure(row.mean, "ms")),
        Line(),
    ]
    if row.own is None or not row.mean:
        return [
            *lines,
            line(("The API does not tell where its time goes (api_dependency_duration_seconds).", "unknown")),
        ]
    for name, took in (*row.parts, ("api itself", row.own)):
        lines.append(line((f"{name:<10} ", "dim"), f"{figure(took, 'ms')} a request, {100 * took / row.mean:.0f} %"))
    return lines


def _metric_text(row: Metric, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - a View's signature
    """The metric, its query whole, and the last hour in figures."""
    past = row.history
    hour = f"{min(past):g} to {max(past):g} {row.unit} within the last hour" if past else "no history yet"
    return [
        line((row.title, "title"), ("  ", "plain"), (figure(row.value, row.unit), "strong")),
        line((hour, "dim")),
        Line(),
        line((row.query, "plain")),
    ]


def _complaint_text(row: LogGroup, readings: Readings) -> Sequence[Line]:  # noqa: ARG001 - a View's signature
    """The line whole, and which pods say it."""
    return [
        line((f"{row.count} times in {len(row.pods)} pods, the last {since(row.last_at)} ago", "dim")),
        Line(),
        line((row.text, "strong")),
        Line(),
        *(line((f"  {pod}", "plain")) for pod in row.pods),
    ]


VIEWS = (
    View("metrics", "platform", METRICS, lambda snapshot: snapshot.metrics, lambda row: row.id, text=_metric_text),
    View(
        "latency",
        "api-latency",
        ENDPOINTS,
        lambda snapshot: snapshot.endpoints,
        lambda row: row.endpoint,
        head=_latency,
        procedure=_slow,
        text=_endpoint_text,
    ),
    View(
        "pods", "api-latency", PODS, lambda snapshot: snapshot.pods, lambda row: row.pod, log=lambda row: (row.pod, ())
    ),
    View(
        "errors",
        "api-errors",
        ERRORS,
        lambda snapshot: snapshot.endpoints,
        lambda row: f"{row.endpoint} {row.status}",
        head=_errors,
        procedure=_failing,
    ),
    View(
        "logs",
        "api-logs",
        COMPLAINTS,
        lambda snapshot: snapshot.groups,
        lambda row: row.text,
        text=_complaint_text,
        log=lambda row: (row.pods[0] if row.pods else "", ()),
    ),
)
