"""Panel 1: alerts, worst first. Enter on one opens its procedure."""

from __future__ import annotations

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.words import age
from alphapulse_tui.widgets.lines import Line, line

NOT_CONFIGURED = "No alerts: set [prometheus] and [alertmanager] in the profile."

_STYLES = {
    Severity.P0: "critical",
    Severity.P1: "critical",
    Severity.P2: "warning",
    Severity.P3: "plain",
    None: "warning",
}


def body(snapshot: AlertsSnapshot, wall: float) -> list[Line]:
    """One line an alert; a quiet platform says so in words. ``wall`` is unix seconds now."""
    lines = [_alert(alert, wall) for alert in snapshot.alerts]
    if not snapshot.firing and not snapshot.unreachable:
        lines.insert(0, line(("nothing asks for you", "warning") if snapshot.silenced else ("nothing fires", "ok")))
    lines += [line(("? rule cannot be evaluated: ", "warning"), rule) for rule in snapshot.broken_rules]
    lines += [line(("? ", "unknown"), (sentence, "unknown")) for sentence in snapshot.unreachable]
    return lines


def _alert(alert: Alert, wall: float) -> Line:
    firing = alert.state == "firing"
    style = _STYLES[alert.severity] if firing else "dim"
    severity = alert.severity.value if alert.severity else "--"
    mark = "!" if firing else "."
    state = "" if firing else f" ({alert.state})"
    since = age(wall - alert.starts_at)
    return line(
        (f"{mark} {severity} {alert.name}{state}", style),
        (f"  {since}  ", "dim"),
        (alert.summary, "plain" if firing else "dim"),
        key=alert.key,
    )
