"""Views of alerts: all of them, those that somebody silenced, and the silences themselves."""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot, Silence
from alphapulse_tui.model.words import utc
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.table import Column


def _severity(alert: Alert) -> str:
    return alert.severity.value if alert.severity else "--"


ALERTS: tuple[Column[Alert], ...] = (
    Column("SEV", 3, _severity, lambda row: "critical" if row.state == "firing" else "dim"),
    Column("ALERT", 22, lambda row: row.name),
    Column("STATE", 9, lambda row: row.state),
    Column("FOR", 4, lambda row: since(row.starts_at), right=True, sort=lambda row: row.starts_at),
    Column("SEEN BY", 24, lambda row: ", ".join(row.seen_by), wide_only=True),
    Column("PROCEDURE", 18, lambda row: row.procedure, wide_only=True),
    Column("SUMMARY", 0, lambda row: row.summary),
)


@dataclass(frozen=True, slots=True)
class Silenced:
    """A silenced alert with the silence that lasts longest."""

    alert: Alert
    silence: Silence | None
    """None where its silences could not be read."""


SILENCED: tuple[Column[Silenced], ...] = (
    Column("SEV", 3, lambda row: _severity(row.alert), lambda row: "warning"),  # noqa: ARG005 - silenced, and firing on
    Column("ALERT", 22, lambda row: row.alert.name),
    Column("UNTIL", 9, lambda row: utc(row.silence.ends_at) if row.silence else "unknown"),
    Column("BY", 12, lambda row: row.silence.created_by if row.silence else "unknown"),
    Column("FOR", 4, lambda row: since(row.alert.starts_at), right=True, sort=lambda row: row.alert.starts_at),
    Column("COMMENT", 0, lambda row: row.silence.comment if row.silence else "its silence could not be read"),
)


@dataclass(frozen=True, slots=True)
class InForce:
    """A silence and the alerts that it keeps quiet now."""

    silence: Silence
    alerts: tuple[str, ...]


SILENCES: tuple[Column[InForce], ...] = (
    Column("SILENCE", 8, lambda row: row.silence.id[:8]),
    Column("UNTIL", 9, lambda row: utc(row.silence.ends_at), sort=lambda row: row.silence.ends_at),
    Column("BY", 12, lambda row: row.silence.created_by),
    Column("KEEPS QUIET", 24, lambda row: ", ".join(row.alerts) or "nothing now"),
    Column("MATCHERS", 40, lambda row: " ".join(row.silence.matchers), wide_only=True),
    Column("COMMENT", 0, lambda row: row.silence.comment),
)


def _silenced(snapshot: AlertsSnapshot) -> tuple[Silenced, ...]:
    return tuple(Silenced(alert, snapshot.silence_of(alert)) for alert in snapshot.silenced)


def _in_force(snapshot: AlertsSnapshot) -> tuple[InForce, ...]:
    return tuple(
        InForce(one, tuple(alert.name for alert in snapshot.alerts if one.id in alert.silenced_by))
        for one in snapshot.silences
    )


VIEWS = (
    View(
        "alerts",
        "alerts",
        ALERTS,
        lambda snapshot: snapshot.alerts,
        lambda row: row.key,
        procedure=lambda row: (row.procedure, {}),
    ),
    View(
        "silenced",
        "alerts",
        SILENCED,
        _silenced,
        lambda row: row.alert.key,
        procedure=lambda row: (row.alert.procedure, {}),
    ),
    View("silences", "alerts", SILENCES, _in_force, lambda row: row.silence.id, fixes="silences"),
)
