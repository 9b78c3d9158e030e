"""The fixes for PostgreSQL: end sessions."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first, offer
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.reading import Reading


def _postgres(key: str, readings: Readings) -> list[Fix]:
    reading: Reading[PostgresSnapshot] = readings["postgres"]
    sessions = reading.snapshot.sessions if reading.snapshot is not None else ()
    in_transaction = offer("pg.terminate-idle-in-transaction", "terminate idle in transaction")
    idle = offer("pg.terminate-idle", "terminate idle, poolers excepted")
    row = first(sessions, lambda session: session.key == key)
    if row is not None:
        return [replace(_one_session(row), suggested=True), in_transaction, idle]
    # The rules have judged ages against the profile's own thresholds; a second opinion here could only differ.
    critical = [found for found in reading.findings if found.health is Health.CRITICAL]
    holds_locks = any(found.procedure == "pg-connections" and found.subject.startswith("pid ") for found in critical)
    full = any(found.procedure == "pg-connections" and not found.subject.startswith("pid ") for found in critical)
    return [replace(in_transaction, suggested=holds_locks), replace(idle, suggested=full and not holds_locks)]


def _one_session(session: Session) -> Fix:
    """Ends the row's session; which action depends on what it does, because that decides what is checked again at the signal."""
    params = {"pids": session.key}
    action = "pg.terminate-backend"
    if session.state.startswith("idle in transaction"):
        action, params["min_seconds"] = "pg.terminate-idle-in-transaction", "0"
    elif session.state == "idle":
        action, params["min_seconds"] = "pg.terminate-idle", "0"
    fix = offer(action, f"terminate pid {session.pid} of {session.user} ({session.state or 'unknown state'})", **params)
    if session.superuser:
        return replace(fix, why_not="a superuser's session is never ended from here")
    if session.replication:
        return replace(fix, why_not="a replication role's session is never ended from here")
    if session.backend_type != "client backend":
        return replace(fix, why_not=f"it is no client but a {session.backend_type or 'backend of an unknown kind'}")
    return fix


MAKERS: dict[str, Maker] = {"postgres": _postgres}
"""By menu."""
