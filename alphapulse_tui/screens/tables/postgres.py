"""Views of PostgreSQL."""

from __future__ import annotations

from alphapulse_tui.model.postgres import Session
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.table import Column

SESSIONS: tuple[Column[Session], ...] = (
    Column("PID", 7, lambda row: str(row.pid), right=True, sort=lambda row: row.pid),
    Column("APPLICATION", 18, lambda row: row.application or "(no name)"),
    Column("USER", 17, lambda row: row.user, wide_only=True),
    Column("STATE", 10, lambda row: _state(row), lambda row: "warning" if row.state.startswith("idle in") else "plain"),
    Column("FOR", 4, lambda row: since(row.state_change), right=True, sort=lambda row: row.state_change),
    Column("WAITS FOR", 16, lambda row: _waits(row), lambda row: "critical" if row.blocked_by else "dim"),
    Column("CLIENT", 15, lambda row: row.client, wide_only=True),
    Column("QUERY", 0, lambda row: row.query),
)


def _state(session: Session) -> str:
    """The state in the words of the panel; the long ones would take the query's place."""
    return {"idle in transaction": "idle in tx", "idle in transaction (aborted)": "aborted tx"}.get(
        session.state, session.state
    )


def _waits(session: Session) -> str:
    """Who blocks it, or what it waits for; waiting for its client is what an idle session does, and no news."""
    if session.blocked_by:
        return "pid " + ",".join(str(pid) for pid in session.blocked_by)
    return "" if session.wait.startswith("Client:") else session.wait


VIEWS = (View("sessions", "postgres", SESSIONS, lambda snapshot: snapshot.sessions, lambda row: row.key),)
