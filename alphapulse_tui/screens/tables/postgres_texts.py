"""All that is known of one row of PostgreSQL's views, as text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from alphapulse_tui.model.postgres import PostgresSnapshot, Session, SessionGroup
from alphapulse_tui.model.postgres_surveys import IndexFigures, LockNode, Statement, TableFigures
from alphapulse_tui.model.words import age, many, size
from alphapulse_tui.screens.tables.view import Readings
from alphapulse_tui.widgets.lines import Line, line


def milliseconds(value: float) -> str:
    """Milliseconds as people read them."""
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def rate(row: TableFigures) -> str:
    """Sequential scans a second; empty before the second reading."""
    return "" if row.seq_scans_a_second is None else f"{row.seq_scans_a_second:g}"


def session(row: Session, readings: Readings) -> Sequence[Line]:
    """A session."""
    del readings
    return (
        *facts(
            ("pid", f"{row.pid}, since {row.backend_start}"),
            (
                "who",
                f"{row.user} on {row.database}, {row.application or 'no application name'}, from {row.client or 'the same machine'}",
            ),
            ("is", f"{row.backend_type}{f', worker of pid {row.leader_pid}' if row.leader_pid else ''}"),
            ("state", f"{row.state} for {_ago(row.state_change)}"),
            ("transaction", _ago(row.xact_start) or "none"),
            ("query", f"began {_ago(row.query_start)} ago" if row.query_start else "none"),
            ("waits for", row.wait or "nothing"),
            (
                "blocked by",
                ", ".join(f"pid {pid}" if pid else "a prepared transaction" for pid in row.blocked_by) or "nobody",
            ),
        ),
        Line(),
        line((row.query or "(no query)", "plain")),
    )


def lock(row: LockNode, readings: Readings) -> Sequence[Line]:
    """A line of the lock tree, and what ending it would cost."""
    del readings
    ended = "it is no session: ROLLBACK PREPARED as its owner" if row.gid else row.protected or row.kind
    how = "end its root blocker: it only waits" if row.depth else "terminate it; cancelling does nothing where it idles"
    cost = "what it wrote is rolled back" if row.wrote else "it has written nothing"
    return (
        *facts(
            ("who", f"{row.name}  {row.user}  {row.application}"),
            ("is", row.kind or row.backend_type or "a client"),
            ("state", f"{row.state} for {_ago(row.state_change)}"),
            ("transaction", f"open for {_ago(row.xact_start)}; ended now, {cost}"),
            ("holds", f"{many(row.locks, 'lock')}{', on ' + ', '.join(row.tables) if row.tables else ''}"),
            ("waits for", row.waits_for or "nothing"),
            (
                "blocked by",
                ", ".join(f"pid {pid}" if pid else "a prepared transaction" for pid in row.blocked_by) or "nobody",
            ),
            ("behind it", f"{many(row.behind, 'session')}, directly or through others"),
            ("to end it", ended or how),
        ),
        Line(),
        line((row.query or "(no query)", "plain")),
    )


def connection(row: SessionGroup, readings: Readings) -> Sequence[Line]:
    """A group of connections, its limits and its sessions."""
    reading = readings.get("postgres")
    taken: PostgresSnapshot | None = reading.snapshot if reading is not None else None
    mine = (
        [limit for limit in taken.limits if limit.subject in (f"role {row.user}", f"database {row.database}")]
        if taken
        else []
    )
    return (
        *facts(
            ("who", f"{row.application or '(no name)'} of {row.user} on {row.database}"),
            ("holds", f"{row.count} connections, {row.state}"),
            *((limit.subject, f"uses {limit.used} of {limit.limit} that it may have") for limit in mine),
        ),
        Line(),
        *(
            line((f"pid {session.pid:<8}", "dim"), f"{session.state} for {_ago(session.state_change)}  {session.query}")
            for session in (taken.sessions if taken else ())
            if (session.application, session.user, session.state) == (row.application, row.user, row.state)
        ),
    )


def statement(row: Statement, readings: Readings) -> Sequence[Line]:
    """A statement, whole."""
    del readings
    return (
        *facts(
            ("who", f"{row.user} on {row.database}"),
            ("took", f"{milliseconds(row.total_ms)} in {row.calls} calls, {milliseconds(row.mean_ms)} each"),
            (
                "before",
                f"{milliseconds(row.mean_ms_before)} each" if row.mean_ms_before else "not seen before this window",
            ),
            ("rows", str(row.rows)),
            (
                "blocks",
                f"{row.blocks_hit} found in memory, {row.blocks_read} read, {row.temp_written} written as temporary files",
            ),
        ),
        Line(),
        line((row.query, "plain")),
    )


def table(row: TableFigures, readings: Readings) -> Sequence[Line]:
    """A table."""
    del readings
    return facts(
        ("table", f"{row.full_name} of {row.owner}"),
        (
            "rows",
            f"{row.rows:,} live, {row.dead:,} dead ({row.dead_percent:.0f} %; autovacuum comes at {row.dead_limit:,})",
        ),
        (
            "statistics",
            f"{row.modified:,} rows changed since the last ANALYZE, {_ago(row.last_analyze) or 'never'} ago",
        ),
        ("vacuumed", f"{_ago(row.last_vacuum)} ago" if row.last_vacuum else "never"),
        ("size", f"{size(row.size)} as of the last VACUUM or ANALYZE"),
        ("read whole", f"{row.seq_scans} times, {row.seq_rows:,} rows; now {rate(row) or 'not known'} a second"),
        ("by index", f"{row.index_scans} times"),
        ("columns", ", ".join(row.columns)),
        *(("index on", columns) for columns in row.indexes),
    )


def index(row: IndexFigures, readings: Readings) -> Sequence[Line]:
    """An index and how it was made."""
    del readings
    state = "valid" if row.valid else "INVALID: kept up by every write, used by no query"
    return (
        *facts(
            ("index", f"{row.full_name} of {row.table}"),
            ("state", row.progress or state),
            ("used", f"by {row.scans} scans since the statistics were reset"),
            ("size", size(row.size)),
        ),
        Line(),
        line((row.definition, "plain")),
    )


def facts(*pairs: tuple[str, str]) -> tuple[Line, ...]:
    """Names and values, line by line."""
    return tuple(line((f"{name:<14}", "dim"), (value, "plain")) for name, value in pairs)


def _ago(moment: float | None) -> str:
    return age(time.time() - moment) if moment else ""
