"""Views of PostgreSQL: sessions, the lock tree, connections, statements, replication, tables, indexes, settings."""

from __future__ import annotations

from collections.abc import Mapping

from alphapulse_tui.model.postgres import PostgresSnapshot, Session, SessionGroup
from alphapulse_tui.model.postgres_hints import DEFINITION
from alphapulse_tui.model.postgres_surveys import (
    IndexFigures,
    LockNode,
    LockSurvey,
    Setting,
    SettingSurvey,
    Statement,
    StatementSurvey,
    TableFigures,
    TableSurvey,
)
from alphapulse_tui.model.words import size
from alphapulse_tui.screens.tables import postgres_replication, postgres_texts
from alphapulse_tui.screens.tables.postgres_texts import milliseconds, rate
from alphapulse_tui.screens.tables.view import View, since
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.table import Column

Opened = tuple[str, Mapping[str, str]]

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

LOCKS: tuple[Column[LockNode], ...] = (
    Column(
        "WHO BLOCKS WHOM",
        20,
        lambda row: f"{'  ' * row.depth}{'+ ' if row.depth == 0 else '- '}{row.name}",
        lambda row: _lock_style(row),
    ),
    Column("APPLICATION", 18, lambda row: row.kind or row.application or row.user),
    Column("STATE", 10, lambda row: {"idle in transaction": "idle in tx"}.get(row.state, row.state)),
    Column("TX", 4, lambda row: since(row.xact_start), right=True, sort=lambda row: row.xact_start),
    Column("BEHIND", 6, lambda row: str(row.behind) if row.behind else "", right=True, sort=lambda row: -row.behind),
    Column("WROTE", 5, lambda row: "yes" if row.wrote else "no"),
    Column("USER", 17, lambda row: row.user, wide_only=True),
    Column("WAITS FOR", 34, lambda row: row.waits_for, wide_only=True),
    Column("QUERY", 0, lambda row: row.query),
)

CONNECTIONS: tuple[Column[SessionGroup], ...] = (
    Column("APPLICATION", 24, lambda row: row.application or "(no name)"),
    Column("USER", 18, lambda row: row.user),
    Column("DATABASE", 16, lambda row: row.database, wide_only=True),
    Column("STATE", 20, lambda row: row.state, lambda row: "warning" if row.state.startswith("idle in") else "plain"),
    Column("COUNT", 6, lambda row: str(row.count), right=True, sort=lambda row: -row.count),
    Column("", 0, lambda row: ""),  # noqa: ARG005 - what is left of the line
)

STATEMENTS: tuple[Column[Statement], ...] = (
    Column("TOOK", 8, lambda row: milliseconds(row.total_ms), right=True, sort=lambda row: -row.total_ms),
    Column("CALLS", 7, lambda row: str(row.calls), right=True, sort=lambda row: -row.calls),
    Column(
        "EACH",
        8,
        lambda row: milliseconds(row.mean_ms),
        lambda row: _slower(row),
        right=True,
        sort=lambda row: -row.mean_ms,
    ),
    Column("BEFORE", 8, lambda row: milliseconds(row.mean_ms_before) if row.mean_ms_before else "", right=True),
    Column("ROWS", 8, lambda row: str(row.rows), right=True, sort=lambda row: -row.rows, wide_only=True),
    Column("READ", 8, lambda row: str(row.blocks_read), right=True, sort=lambda row: -row.blocks_read, wide_only=True),
    Column("TEMP", 6, lambda row: str(row.temp_written), right=True, wide_only=True),
    Column("USER", 17, lambda row: row.user, wide_only=True),
    Column("STATEMENT", 0, lambda row: row.query),
)

TABLES: tuple[Column[TableFigures], ...] = (
    Column("TABLE", 0, lambda row: row.full_name, keep_end=True),
    Column("ROWS", 9, lambda row: f"{row.rows:,}", right=True, sort=lambda row: -row.rows),
    Column(
        "DEAD",
        5,
        lambda row: f"{row.dead_percent:.0f}%",
        lambda row: _dead(row),
        right=True,
        sort=lambda row: -row.dead,
    ),
    Column(
        "STALE",
        5,
        lambda row: f"{row.stale_percent:.0f}%",
        lambda row: _stale(row),
        right=True,
        sort=lambda row: -row.stale_percent,
    ),
    Column(
        "WHOLE/S",
        7,
        lambda row: rate(row),
        lambda row: _scan_style(row),
        right=True,
        sort=lambda row: -(row.seq_scans_a_second or 0.0),
    ),
    Column("BY INDEX", 9, lambda row: str(row.index_scans), right=True, wide_only=True),
    Column("SIZE", 9, lambda row: size(row.size), right=True, sort=lambda row: -row.size),
    Column(
        "ANALYZED",
        8,
        lambda row: since(row.last_analyze) or "never",
        right=True,
        sort=lambda row: row.last_analyze or 0.0,
    ),
    Column("VACUUMED", 8, lambda row: since(row.last_vacuum) or "never", right=True, wide_only=True),
    Column("OWNER", 12, lambda row: row.owner, wide_only=True),
)

INDEXES: tuple[Column[IndexFigures], ...] = (
    Column("INDEX", 0, lambda row: row.full_name, keep_end=True),
    Column("TABLE", 16, lambda row: row.table),
    Column("STATE", 8, lambda row: _index_state(row), lambda row: "plain" if row.valid else "critical"),
    Column("SCANS", 7, lambda row: str(row.scans), right=True, sort=lambda row: row.scans),
    Column("SIZE", 9, lambda row: size(row.size), right=True, sort=lambda row: -row.size),
    Column("PROGRESS", 44, lambda row: row.progress, wide_only=True),
)

SETTINGS: tuple[Column[Setting], ...] = (
    Column("SERVER", 18, lambda row: row.server, keep_end=True),
    Column("SETTING", 30, lambda row: row.name, lambda row: "warning" if row.pending_restart else "plain"),
    Column("VALUE", 14, lambda row: _value(row.value)),
    Column("WAITS FOR", 9, lambda row: "a restart" if row.pending_restart else "", lambda row: "warning"),  # noqa: ARG005
    Column("CHANGED BY", 14, lambda row: row.context, wide_only=True),
    Column("FROM", 0, lambda row: row.source, lambda row: "dim"),  # noqa: ARG005
)


def _value(value: str) -> str:
    """A setting's value; what PostgreSQL counts in its pages of 8 kB is told in kB, which nobody multiplies at night.

    >>> _value("4096 8kB"), _value("256 MB"), _value("on")
    ('32768 kB', '256 MB', 'on')
    """
    count, _, unit = value.partition(" ")
    return f"{8 * int(count)} kB" if unit == "8kB" and count.isdigit() else value


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


def _lock_style(node: LockNode) -> str:
    return "critical" if node.depth == 0 else "warning"


def _slower(row: Statement) -> str:
    """Twice as slow as it used to be is worth a colour, and a figure beside it says it without one."""
    return "critical" if row.mean_ms_before and row.mean_ms > 2 * row.mean_ms_before and row.mean_ms > 5 else "plain"


def _dead(row: TableFigures) -> str:
    """Dead rows: a warning from 20 %, critical from 40 % (facts 3.4), once autovacuum should have come."""
    if row.dead < row.dead_limit:
        return "plain"
    return "critical" if row.dead_percent >= 40 else "warning" if row.dead_percent >= 20 else "plain"


def _stale(row: TableFigures) -> str:
    return "warning" if row.stale_percent > 10 and row.modified > 50 else "plain"


def _scan_style(row: TableFigures) -> str:
    return "critical" if (row.seq_scans_a_second or 0.0) >= 0.5 and row.rows >= 10_000 else "plain"


def _index_state(row: IndexFigures) -> str:
    return "building" if row.progress else "unused" if row.valid else "INVALID"


def _session_procedure(row: Session) -> Opened:
    if row.blocked_by or row.state == "active":
        return "pg-slow-queries", {}
    return "pg-connections", {"application": row.application}


def _index_procedure(row: IndexFigures) -> Opened:
    """An INVALID index is built anew as it was meant: all three values or none, for the rest would be another table's."""
    if row.valid:
        return "", {}
    plain = DEFINITION.match(row.definition)
    if plain is None:
        return "pg-slow-queries", {}
    return "pg-slow-queries", {"index-table": plain["table"], "index-columns": plain["columns"], "index-name": row.name}


def _lock_head(survey: LockSurvey) -> Line:
    if not survey.waiting:
        return line(("nobody waits for a lock", "ok"))
    roots = ", ".join(root.name for root in survey.roots) or "a deadlock"
    return line((f"{len(survey.waiting)} wait; at the root: {roots}", "critical"))


def _connection_head(taken: PostgresSnapshot) -> Line:
    """Slots, and the limits that are nearly reached."""
    spans = [(f"{taken.clients} of {taken.usable} usable slots, {taken.used_percent:.0f} %", "strong")]
    near = sorted(
        (limit for limit in taken.limits if limit.limit and limit.used / limit.limit >= 0.7),
        key=lambda one: -one.used / one.limit,
    )
    spans += [(f"   {limit.subject} {limit.used} of {limit.limit}", "warning") for limit in near[:4]]
    return Line(tuple(spans))


def _statement_head(survey: StatementSurvey) -> Line:
    if survey.missing or survey.missing_grants:
        return line((survey.missing or f"statements are hidden from us: {survey.missing_grants[0]}", "unknown"))
    if not survey.window:
        return line(("totals since the last reset; the next sample tells what is slow now", "dim"))
    return line((f"in the last {survey.window:.0f} s: {survey.total_ms / 1000:.1f} s of work", "strong"))


def _table_head(survey: TableSurvey) -> Line:
    if not survey.window:
        return line(("first reading: how often a table is read whole is known with the next", "dim"))
    return line((f"{len(survey.tables)} tables; read whole during the last {survey.window:.0f} s", "dim"))


def _setting_head(survey: SettingSurvey) -> Line:
    waiting = ", ".join(f"{setting.name} on {setting.server}" for setting in survey.waiting)
    said = [
        (
            f"waits for a restart: {waiting}" if waiting else "nothing waits for a restart",
            "warning" if waiting else "dim",
        )
    ]
    said += [(f"   {problem}", "unknown") for problem in survey.problems]
    return Line(tuple(said))


VIEWS = (
    View("sessions", "postgres", SESSIONS, lambda taken: taken.sessions, lambda row: row.key, procedure=_session_procedure,
         text=postgres_texts.session),
    View(
        "locks", "postgres-locks", LOCKS, lambda taken: taken.nodes, lambda row: row.key, fixes="postgres-locks", head=_lock_head,
        procedure=lambda row: ("pg-slow-queries", {}), text=postgres_texts.lock,  # noqa: ARG005
    ),
    View(
        "connections", "postgres", CONNECTIONS, lambda taken: taken.groups, lambda row: row.key, fixes="postgres-connections",
        head=_connection_head, procedure=lambda row: ("pg-connections", {"application": row.application}), text=postgres_texts.connection,
    ),
    View(
        "statements", "postgres-statements", STATEMENTS, lambda taken: taken.statements, lambda row: row.key, fixes="postgres-statements",
        head=_statement_head, procedure=lambda row: ("pg-slow-queries", {}), text=postgres_texts.statement,  # noqa: ARG005
    ),
    postgres_replication.VIEW,
    View(
        "tables", "postgres-tables", TABLES, lambda taken: taken.tables, lambda row: row.full_name, fixes="postgres-tables",
        head=_table_head, procedure=lambda row: ("pg-slow-queries", {}), text=postgres_texts.table,  # noqa: ARG005
    ),
    View(
        "indexes", "postgres-tables", INDEXES, lambda taken: taken.indexes, lambda row: row.full_name, fixes="postgres-indexes",
        procedure=_index_procedure, text=postgres_texts.index,
    ),
    View("settings", "postgres-settings", SETTINGS, lambda taken: taken.settings, lambda row: row.key, fixes="postgres-settings", head=_setting_head),
)  # fmt: skip
