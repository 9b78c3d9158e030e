"""Panel 6: the runbook's key metrics (4.1) as numbers with sparklines, and the API seen from outside."""

from __future__ import annotations

from alphapulse_tui.model.platform import EdgeHealth, Metric, PlatformSnapshot
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.words import figure
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.sparkline import sparkline

NOT_CONFIGURED = "No metrics: set [prometheus] and [api] in the profile."


def body(snapshot: PlatformSnapshot, thresholds: Thresholds, width: int, ascii_only: bool) -> list[Line]:
    """Latency in one line, then every metric with its last hour."""
    lines = [_edge(snapshot.edge)] if snapshot.edge else []
    latency = [metric for metric in snapshot.metrics if metric.id in ("p50", "p95", "p99")]
    if latency:
        spans = [
            part
            for metric in latency
            for part in ((f"{metric.id} ", "dim"), (_value(metric), _style(metric, thresholds)), "  ")
        ]
        lines.append(line(*spans))
    # Errors first: p99 stands in the line above already, and comes again for its last hour.
    series = sorted(
        (metric for metric in snapshot.metrics if metric.id not in ("p50", "p95")),
        key=lambda metric: metric.id != "error_percent",
    )
    lines += [_metric(metric, thresholds, width, ascii_only) for metric in series]
    return lines


def _edge(edge: EdgeHealth) -> Line:
    if edge.code == 0:
        return line("API ", ("no answer", "critical"), (f"  {edge.problem}", "dim"))
    good = 200 <= edge.code < 300
    return line(
        "API ",
        (f"answers {edge.code}", "ok" if good else "critical"),
        (f"  in {figure(edge.milliseconds, ' ms')}", "dim"),
    )


def _metric(metric: Metric, thresholds: Thresholds, width: int, ascii_only: bool) -> Line:
    room = width - 24
    return line(
        (f"{metric.title:<13}", "dim"),
        (f"{_value(metric):>9}", _style(metric, thresholds)),
        ("  " + sparkline(metric.history, room, ascii_only), "accent") if room >= 8 else "",
    )


def _value(metric: Metric) -> str:
    return figure(metric.value, metric.unit)


def _style(metric: Metric, thresholds: Thresholds) -> str:
    """The metric's severity by the runbook's thresholds; absent is unknown."""
    value = metric.value
    if value is None:
        return "unknown"
    limits = {
        "p99": (thresholds.api_p99_warning, thresholds.api_p99_critical),
        "error_percent": (thresholds.api_error_rate_healed, thresholds.api_error_rate_critical),
        "vault_ms": (thresholds.vault_latency_warning, thresholds.vault_latency_critical),
    }.get(metric.id)
    if metric.id == "hit_percent":
        return "warning" if value < thresholds.redis_hit_rate_warning else "plain"
    if limits is None:
        return "plain"
    return "critical" if value >= limits[1] else "warning" if value >= limits[0] else "plain"
