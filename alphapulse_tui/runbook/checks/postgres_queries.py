"""Checks of slow queries (runbook 2.1, facts 2.1.2): what runs, who blocks whom, what takes the time, which index is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.postgres_explainable import no_plan
from alphapulse_tui.model.postgres_hints import IndexHint, built_anew, missing_indexes
from alphapulse_tui.model.postgres_surveys import PREPARED, LockSurvey, StatementSurvey, TableSurvey
from alphapulse_tui.model.words import age, size
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

LOCKS, STATEMENTS, TABLES = "postgres-locks", "postgres-statements", "postgres-tables"

STALE_PERCENT = 10.0
"""Of a table's rows changed since its last ANALYZE (facts 2.1.2)."""


EXAMPLE = IndexHint("public.trades", "tenant_id, symbol", "the runbook's example")
"""Offered only when nothing is known to be missing (runbook 2.1)."""


def _running(snapshot: PostgresSnapshot, scene: Scene, least: float) -> list[Session]:
    """Active client queries that run for longer than ``least`` seconds; no walsender, no parallel worker, nobody who waits for a lock."""
    return sorted(
        (
            session
            for session in snapshot.sessions
            if session.backend_type == "client backend"
            and session.state == "active"
            and session.leader_pid is None
            and not session.blocked_by
            and session.query_start is not None
            and scene.wall + snapshot.clock_offset - session.query_start > least
        ),
        key=lambda session: session.query_start or 0.0,
    )


def active(scene: Scene) -> CheckResult:
    """What runs for longer than the runbook's second."""
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    least = scene.number("slow-seconds", scene.thresholds.postgres_slow_query)
    found = _running(snapshot, scene, least)
    rows = tuple(
        (
            f"pid {session.pid} {session.application or session.user}",
            f"{_for(session, snapshot, scene)}  {session.wait or 'on a CPU'}  {session.query}",
        )
        for session in found
    )
    if not found:
        return CheckResult(Passed.YES, f"no query runs for longer than {least:g} s", rows, "none")
    return CheckResult(
        Passed.NO,
        f"{len(found)} run for longer than {least:g} s, the longest for {_for(found[0], snapshot, scene)}",
        rows,
        "slow",
    )


def locks(scene: Scene) -> CheckResult:
    """The lock tree: who waits, who stands at the root, and what ending the root would cost."""
    tree: LockSurvey | None = scene.snapshot(LOCKS)
    if tree is None:
        return scene.silence(LOCKS)
    rows = []
    for node in tree.nodes:
        name = f"{'  ' * node.depth}{node.name} {node.application or node.user}"
        if node.depth == 0:
            wrote = ", has written" if node.wrote else ""
            rows.append((name, f"{node.kind or node.state}{wrote}, {node.locks} locks, {node.behind} wait behind it"))
        else:
            also = [pid for pid in node.blocked_by if pid != PREPARED]
            more = f" (by {', '.join(f'pid {pid}' for pid in also)})" if len(also) > 1 else ""
            rows.append((name, f"waits for {node.waits_for}{more}"))
    if not tree.waiting:
        return CheckResult(Passed.YES, "nobody waits for a lock", tuple(rows), "none")
    roots = ", ".join(root.name for root in tree.roots) or "each other: a deadlock, which the server breaks"
    sessions = [root for root in tree.roots if root.pid != PREPARED]
    value = "blocked" if sessions else "prepared" if tree.roots else "deadlock"
    return CheckResult(Passed.NO, f"{len(tree.waiting)} wait for locks; at the root: {roots}", tuple(rows), value)


def statements(scene: Scene) -> CheckResult:
    """Which statements take the time now: the difference of two samples, not the mean since the last reset."""
    survey: StatementSurvey | None = scene.snapshot(STATEMENTS)
    if survey is None:
        return scene.silence(STATEMENTS)
    if survey.missing or survey.missing_grants:
        why = survey.missing or f"statements are hidden from us: {survey.missing_grants[0]}"
        return CheckResult(Passed.UNKNOWN, why, value="unknown")
    rows = tuple(
        (f"{one.total_ms:.0f} ms in {one.calls} calls", f"{one.mean_ms:.1f} ms each  {one.query}")
        for one in survey.statements[:12]
    )
    if not survey.window:
        return CheckResult(
            Passed.YES,
            "first sample: these are totals since the last reset; the next sample tells what is slow now",
            rows,
            "first",
        )
    if not survey.statements:
        return CheckResult(Passed.YES, f"nothing was called during {survey.window:.0f} s", rows, "none")
    top = survey.statements[0]
    share = 100.0 * top.total_ms / survey.total_ms if survey.total_ms else 0.0
    full = (
        f"; {survey.forgotten} entries were thrown away, pg_stat_statements.max is too small"
        if survey.forgotten
        else ""
    )
    return CheckResult(
        Passed.YES,
        f"in {survey.window:.0f} s one statement took {share:.0f} % of the time, {top.mean_ms:.1f} ms a call{full}",
        rows,
        "some",
    )


def indexes(scene: Scene) -> CheckResult:
    """Tables that are read whole again and again, the index that would help, and invalid indexes."""
    survey: TableSurvey | None = scene.snapshot(TABLES)
    if survey is None:
        return scene.silence(TABLES)
    hints = _hints(scene, survey)
    invalid = [index for index in survey.indexes if not index.valid]
    rows = tuple(
        [(f"{hint.table}", f"{hint.why}; index on ({hint.columns})" if hint.columns else hint.why) for hint in hints]
        + [
            (index.full_name, index.progress or "INVALID: kept up by every write, used by no query")
            for index in invalid
        ]
    )
    choices = tuple((f"{hint.table} ({hint.columns})", hint.why) for hint in _to_build(scene, survey))
    building = [index for index in invalid if index.progress]
    if building:
        return CheckResult(
            Passed.NO, f"{building[0].name} is being built: {building[0].progress}", rows, "building", choices
        )
    if invalid:
        plain = any(hint.replaces == invalid[0].name for hint in built_anew(survey))
        cure = "create it again, which drops it first" if plain else "its owner builds it anew (REINDEX CONCURRENTLY)"
        return CheckResult(Passed.NO, f"{invalid[0].name} is INVALID: {cure}", rows, "invalid", choices)
    if hints:
        return CheckResult(Passed.NO, f"{hints[0].table} is read whole: {hints[0].why}", rows, "missing", choices)
    if not survey.window:
        return CheckResult(Passed.YES, "first reading: the next one tells what is read whole now", rows, "first")
    return CheckResult(Passed.YES, "no large table is read whole, no index is invalid", rows, "none")


def _hints(scene: Scene, survey: TableSurvey) -> tuple[IndexHint, ...]:
    statements: StatementSurvey | None = scene.snapshot(STATEMENTS)
    return missing_indexes(survey, statements)


def _to_build(scene: Scene, survey: TableSurvey) -> list[IndexHint]:
    """What can be built: in the place of an INVALID one first, then for a table that is read whole by columns that a statement tells."""
    return [*built_anew(survey), *(hint for hint in _hints(scene, survey) if hint.columns)]


def _pick(part: Callable[[IndexHint], str]) -> Check:
    """The choices of one value of the index to build."""

    def check(scene: Scene) -> CheckResult:
        survey: TableSurvey | None = scene.snapshot(TABLES)
        if survey is None:
            return scene.silence(TABLES)
        found = _to_build(scene, survey)
        if not found and indexes(scene).passed is Passed.YES:
            found = [EXAMPLE]
        choices = tuple((part(hint), hint.why) for hint in found)
        passed = Passed.YES if choices else Passed.UNKNOWN
        return CheckResult(passed, f"{len(choices)} to choose from", choices, choices=choices)

    return check


def statement_keys(scene: Scene) -> CheckResult:
    """The statements that have a plan, to choose from; the one that took the most time first."""
    survey: StatementSurvey | None = scene.snapshot(STATEMENTS)
    if survey is None:
        return scene.silence(STATEMENTS)
    planned = [one for one in survey.statements if not no_plan(one.query)]
    choices = tuple((one.key, f"{one.mean_ms:.1f} ms each  {one.query}") for one in planned)
    passed = Passed.YES if choices else Passed.UNKNOWN
    return CheckResult(passed, f"{len(choices)} statements", choices, choices=choices)


def statistics(scene: Scene) -> CheckResult:
    """Tables whose statistics are stale, so that the planner guesses."""
    survey: TableSurvey | None = scene.snapshot(TABLES)
    if survey is None:
        return scene.silence(TABLES)
    stale = [table for table in survey.tables if table.stale_percent > STALE_PERCENT and table.modified > 50]
    rows = tuple(
        (
            table.full_name,
            f"{table.stale_percent:.0f} % changed since its last ANALYZE, {table.dead_percent:.0f} % dead, {size(table.size)}",
        )
        for table in (stale or survey.tables[:6])
    )
    if stale:
        names = ", ".join(table.full_name for table in stale[:3])
        return CheckResult(Passed.NO, f"the planner's statistics are stale: {names}", rows, "stale")
    return CheckResult(
        Passed.YES, f"no table has changed by more than {STALE_PERCENT:g} % since its last ANALYZE", rows, "fresh"
    )


def cause(scene: Scene) -> CheckResult:
    """What to do first: end a root blocker, cancel a query, build an index, renew statistics; ``untold`` where nothing tells which index."""
    waiting, running = locks(scene), active(scene)
    if Passed.UNKNOWN in (waiting.passed, running.passed):
        return waiting if waiting.passed is Passed.UNKNOWN else running
    if waiting.value != "none":
        return waiting
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    long = scene.number("cancel-seconds", scene.thresholds.postgres_slow_query_warning)
    if snapshot is not None and _running(snapshot, scene, long):
        return CheckResult(Passed.NO, running.sentence, running.rows, "slow")
    wanted, stale = indexes(scene), statistics(scene)
    if wanted.value == "building":
        return wanted
    if wanted.passed is Passed.NO and wanted.choices:
        return replace(wanted, value="index")
    if stale.passed is Passed.NO:
        return stale
    unread = next((found for found in (wanted, stale) if found.passed is Passed.UNKNOWN), None)
    if unread is not None:
        return unread
    if wanted.passed is Passed.NO:
        return replace(wanted, value="untold")
    return CheckResult(Passed.YES, "nobody waits, nothing runs long, no index is missing", (), "none")


def healthy(scene: Scene) -> CheckResult:
    """The proof: nobody waits for a lock, and no query runs longer than the procedure cancels."""
    waiting = locks(scene)
    if waiting.passed is not Passed.YES:
        return waiting
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    long = scene.number("cancel-seconds", scene.thresholds.postgres_slow_query_warning)
    found = _running(snapshot, scene, long)
    if found:
        return CheckResult(Passed.NO, f"pid {found[0].pid} runs for {_for(found[0], snapshot, scene)}", value="slow")
    return CheckResult(Passed.YES, f"nobody waits for a lock, no query runs for longer than {long:g} s", value="ok")


def unblocked(scene: Scene) -> CheckResult:
    """No session stands at the root of a lock tree any more (a prepared transaction has its own step)."""
    found = locks(scene)
    if found.passed is Passed.UNKNOWN or found.value in ("none", "prepared"):
        said = found.sentence if found.passed is Passed.UNKNOWN else f"no session blocks another; {found.sentence}"
        return CheckResult(
            Passed.UNKNOWN if found.passed is Passed.UNKNOWN else Passed.YES, said, found.rows, found.value
        )
    return found


def _for(session: Session, snapshot: PostgresSnapshot, scene: Scene) -> str:
    return age(scene.wall + snapshot.clock_offset - (session.query_start or 0.0))


CHECKS: dict[str, Check] = {
    "pg.active": active,
    "pg.locks": locks,
    "pg.statements": statements,
    "pg.indexes": indexes,
    "pg.statistics": statistics,
    "pg.slow-cause": cause,
    "pg.healthy": healthy,
    "pg.unblocked": unblocked,
    "pg.statement-keys": statement_keys,
    "pg.index-table": _pick(lambda hint: hint.table),
    "pg.index-columns": _pick(lambda hint: hint.columns),
    "pg.index-name": _pick(lambda hint: hint.name),
}
