"""Checks of PostgreSQL (runbook 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from alphapulse_tui.model.postgres import PostgresSnapshot, Session
from alphapulse_tui.model.postgres_protected import protection_of
from alphapulse_tui.model.postgres_surveys import SettingSurvey
from alphapulse_tui.model.words import age
from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

CLIENT = "client backend"
IDLE_IN_TRANSACTION, ABORTED = "idle in transaction", "idle in transaction (aborted)"
"""States of ``pg_stat_activity``; the second is a transaction that has failed and was not rolled back."""


def slots(scene: Scene) -> CheckResult:
    """Client backends of the usable slots against the runbook's 80 % (4.2)."""
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    percent, critical = snapshot.used_percent, scene.thresholds.postgres_slots_critical
    rows = (
        ("client backends", str(snapshot.clients)),
        (
            "usable slots",
            f"{snapshot.usable} (max_connections {snapshot.max_connections}, reserved {snapshot.superuser_reserved + snapshot.reserved})",
        ),
        ("active", str(snapshot.active)),
        ("idle", str(snapshot.idle)),
        ("idle in transaction", str(snapshot.idle_in_transaction)),
        ("waiting for a lock", str(snapshot.lock_waiting)),
    )
    sentence = (
        f"{snapshot.clients} of {snapshot.usable} usable slots taken, {percent:.0f} % (critical from {critical:.0f} %)"
    )
    return CheckResult(
        Passed.NO if percent >= critical else Passed.YES, sentence, rows, "full" if percent >= critical else "ok"
    )


def who(scene: Scene) -> CheckResult:
    """Who holds the slots: by application, user and state, most first."""
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    groups = sorted(snapshot.groups, key=lambda group: -group.count)
    rows = tuple(
        (f"{group.application or '(no name)'} of {group.user}", f"{group.count} {group.state}") for group in groups
    )
    if not groups and snapshot.clients <= 1:
        return CheckResult(Passed.YES, "nobody is connected but this cockpit", rows, "nobody")
    if not groups:
        return CheckResult(Passed.UNKNOWN, "no client backend is visible: pg_monitor may be missing", rows, "unknown")
    most = groups[0]
    share = 100.0 * most.count / max(1, snapshot.clients)
    sentence = f"{most.application or '(no name)'} holds most: {most.count} {most.state}, {share:.0f} % of all"
    return CheckResult(Passed.YES, sentence, rows, most.application)


def limits(scene: Scene) -> CheckResult:
    """Limits of single roles and databases, which look like a full server but need another fix."""
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    rows = tuple((limit.subject, f"{limit.used} of {limit.limit}") for limit in snapshot.limits)
    reached = _reached(snapshot)
    if reached:
        server = (
            f"the server has room ({snapshot.clients} of {snapshot.usable})"
            if snapshot.used_percent < scene.thresholds.postgres_slots_critical
            else "the server is full besides"
        )
        return CheckResult(
            Passed.NO,
            f"{', '.join(reached)} at its own limit, {server}: raise or drain that one; max_connections does nothing for it",
            rows,
            "reached",
        )
    return CheckResult(
        Passed.YES,
        "no role or database is at a limit of its own" if rows else "no role or database has a limit",
        rows,
        "free",
    )


def victims(scene: Scene) -> CheckResult:
    """Which kind of session the procedure should end first: idle in transaction holds locks and slots, idle only a slot."""
    snapshot: PostgresSnapshot | None = scene.snapshot("postgres")
    if snapshot is None:
        return scene.silence("postgres")
    idle_for = scene.number("idle-seconds", scene.thresholds.postgres_idle)
    in_transaction = _older(snapshot, scene, _ages_in_transaction(scene))
    idle = _older(snapshot, scene, {"idle": idle_for})
    unseen = _unseen(snapshot)
    if unseen > 0 and not in_transaction and not idle:
        said = f"nobody who is listed idles for too long, but {unseen} of {snapshot.clients} sessions are not listed"
        return CheckResult(Passed.UNKNOWN, said, value="unknown")
    limited = _reached(snapshot) if slots(scene).passed is Passed.YES else []
    if limited and not any(_of(session, limited) for session in (*in_transaction, *idle)):
        # The server has room: ending others' sessions would free nothing for the one that is refused.
        return CheckResult(
            Passed.NO,
            f"the server has room; {', '.join(limited)} at its own limit, and none of its sessions idles for too long",
            tuple((limit.subject, f"{limit.used} of {limit.limit}") for limit in snapshot.limits),
            "limit",
        )
    rows = tuple(
        (
            f"pid {session.pid} {session.application}",
            f"{session.state} for {age(_seconds_in_state(session, snapshot, scene))}",
        )
        for session in (*in_transaction, *idle)[:20]
    )
    if in_transaction:
        return CheckResult(
            Passed.NO,
            f"{len(in_transaction)} idle in transaction for too long, {len(idle)} idle for too long",
            rows,
            "idle-in-transaction",
        )
    if idle:
        return CheckResult(
            Passed.NO, f"none idle in transaction for too long, {len(idle)} idle for too long", rows, "idle"
        )
    return CheckResult(
        Passed.YES, "nobody idles for too long: what is connected is at work, or a pooler or tool", rows, "none"
    )


def room(scene: Scene) -> CheckResult:
    """What to do when nobody idles any more: the server is full of work, or one role or database is at a limit of its own."""
    full, limited = slots(scene), limits(scene)
    if full.passed is Passed.UNKNOWN:
        return full
    idling = victims(scene)
    if full.passed is Passed.NO and idling.passed is Passed.UNKNOWN:
        # Who may still be ended is not known: nobody plans a larger server on that.
        return CheckResult(Passed.UNKNOWN, f"{full.sentence}; {idling.sentence}", full.rows, "unknown")
    if full.passed is Passed.NO and idling.value == "none":
        return CheckResult(Passed.NO, f"{full.sentence}, and nobody idles for too long", full.rows, "full")
    if limited.passed is Passed.NO:
        return CheckResult(Passed.NO, limited.sentence, limited.rows, "limit")
    return CheckResult(full.passed, full.sentence, full.rows, "enough" if full.passed is Passed.YES else "idle")


def pending(scene: Scene) -> CheckResult:
    """Settings that are written and wait for a restart, on every server; a server that was not asked is not verified."""
    survey: SettingSurvey | None = scene.snapshot("postgres-settings")
    if survey is None:
        return scene.silence("postgres-settings")
    rows = tuple((f"{setting.server} {setting.name}", f"{setting.value} in force") for setting in survey.waiting)
    rows += tuple(
        (f"{setting.server} {setting.name}", setting.value)
        for setting in survey.settings
        if setting.name == "max_connections" and not setting.pending_restart
    )
    if survey.problems:
        return CheckResult(Passed.UNKNOWN, survey.problems[0], rows, "unknown")
    if survey.waiting:
        names = ", ".join(f"{setting.name} on {setting.server}" for setting in survey.waiting)
        return CheckResult(Passed.NO, f"waits for a restart: {names}; standbys are restarted first", rows, "pending")
    return CheckResult(Passed.YES, "nothing waits for a restart", rows, "none")


def _reached(snapshot: PostgresSnapshot) -> list[str]:
    """The roles and databases that are at a limit of their own: ``role NAME``, ``database NAME``. A limit of 0 is a door that is shut on purpose."""
    return [limit.subject for limit in snapshot.limits if limit.used >= limit.limit > 0]


def _of(session: Session, subjects: list[str]) -> bool:
    return f"role {session.user}" in subjects or f"database {session.database}" in subjects


def _ages_in_transaction(scene: Scene) -> dict[str, float]:
    """Least seconds by state, as the action that ends them has it: a failed transaction is ended after a minute (facts 2.1.1), or with the others."""
    limits = scene.thresholds
    open_for = scene.number("transaction-seconds", limits.postgres_idle_in_transaction_critical)
    return {IDLE_IN_TRANSACTION: open_for, ABORTED: min(open_for, limits.postgres_idle_in_transaction_warning)}


def _older(snapshot: PostgresSnapshot, scene: Scene, least: Mapping[str, float]) -> list[Session]:
    """Client sessions in a state of ``least`` for longer than its seconds that the actions would end: no pooler's, no tool's."""
    return [
        session
        for session in snapshot.sessions
        if session.backend_type == CLIENT
        and not protection_of(
            session.application, session.user, superuser=session.superuser, replication=session.replication
        )
        and session.state in least
        and _seconds_in_state(session, snapshot, scene) > least[session.state]
    ]


def _seconds_in_state(session: Session, snapshot: PostgresSnapshot, scene: Scene) -> float:
    """By the server's own clock, which may be minutes away from ours; 0 when the server does not tell."""
    now = scene.wall + snapshot.clock_offset
    return 0.0 if session.state_change is None else now - session.state_change


def _unseen(snapshot: PostgresSnapshot) -> int:
    """Clients that are counted and not listed, ourselves apart: the list is cut at 1000, idle ones last, and shows nobody without pg_monitor."""
    return snapshot.clients - 1 - sum(session.backend_type == CLIENT for session in snapshot.sessions)


CHECKS: dict[str, Check] = {
    "pg.slots": slots,
    "pg.who": who,
    "pg.limits": limits,
    "pg.victims": victims,
    "pg.room": room,
    "pg.pending": pending,
}
