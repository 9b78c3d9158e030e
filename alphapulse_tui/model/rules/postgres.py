"""What is wrong with PostgreSQL: slots, sessions, locks, replication (runbook 2.1 and 4.2, facts 2.1).

Used by ``sources.postgres`` after every reading.
"""

from __future__ import annotations

from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.postgres import HIDDEN, PostgresSnapshot, ReplicaView, Session, lock_roots
from alphapulse_tui.model.rules import missing, span, worst_first
from alphapulse_tui.model.thresholds import Thresholds

TARGET = "postgres"


def judge(snapshot: PostgresSnapshot, thresholds: Thresholds, now: float) -> tuple[Finding, ...]:
    """The findings, worst first. ``now`` is unix seconds of the server's clock."""
    people = [session for session in snapshot.sessions if session.backend_type == "client backend"]
    return worst_first(
        [
            *_slots(snapshot, thresholds),
            *_limits(snapshot, thresholds),
            *_blocked(people, thresholds, now),
            *_idle_in_transaction(people, thresholds, now),
            *_slow(people, thresholds, now),
            *_oldest_transaction(people, thresholds, now),
            *[found for replica in snapshot.replicas for found in _replica(replica, thresholds)],
            *_replication_slots(snapshot, thresholds),
            *_recovery(snapshot),
            *missing(TARGET, snapshot.missing_grants, "facts 11.2"),
        ]
    )


def _slots(snapshot: PostgresSnapshot, thresholds: Thresholds) -> list[Finding]:
    percent = snapshot.used_percent
    if percent < thresholds.postgres_slots_warning:
        return []
    sentence = f"{snapshot.clients} of {snapshot.usable} connection slots are in use ({percent:.0f} %)"
    if percent >= thresholds.postgres_slots_page:
        sentence += "; new clients are about to be refused"
    critical = percent >= thresholds.postgres_slots_critical
    return [
        Finding(
            TARGET,
            Health.CRITICAL if critical else Health.WARNING,
            sentence,
            "connections",
            "pg-connections",
            Severity.P1 if critical else None,
            "runbook 4.2" if critical else "facts 2.1.1",
        )
    ]


def _limits(snapshot: PostgresSnapshot, thresholds: Thresholds) -> list[Finding]:
    found = []
    for limit in snapshot.limits:
        percent = 100.0 * limit.used / limit.limit if limit.limit else 0.0
        if percent >= thresholds.postgres_slots_warning:
            health = Health.CRITICAL if percent >= thresholds.postgres_slots_critical else Health.WARNING
            sentence = f"{limit.subject} uses {limit.used} of the {limit.limit} connections that it may have"
            found.append(Finding(TARGET, health, sentence, limit.subject, "pg-connections", None, "facts 2.1.1"))
    return found


def _blocked(sessions: list[Session], thresholds: Thresholds, now: float) -> list[Finding]:
    waiting = [session for session in sessions if session.blocked_by]
    if not waiting:
        return []
    since = min(session.query_start or session.state_change or now for session in waiting)
    roots = lock_roots(waiting)
    names = ", ".join("a prepared transaction" if pid == 0 else f"pid {pid}" for pid in roots[:3])
    long = now - since >= thresholds.postgres_blocked_critical
    many = "1 session waits" if len(waiting) == 1 else f"{len(waiting)} sessions wait"
    sentence = f"{many} for locks of {names}" + (f" and {len(roots) - 3} more" if len(roots) > 3 else "")
    return [
        Finding(
            TARGET,
            Health.CRITICAL if long else Health.WARNING,
            sentence,
            f"pid {roots[0]}",
            "pg-slow-queries",
            None,
            "facts 2.1.2",
        )
    ]


def _idle_in_transaction(sessions: list[Session], thresholds: Thresholds, now: float) -> list[Finding]:
    found = []
    for session in sessions:
        if not session.state.startswith("idle in transaction") or session.state_change is None:
            continue
        age = now - session.state_change
        if age < thresholds.postgres_idle_in_transaction_warning:
            continue
        health = Health.CRITICAL if age >= thresholds.postgres_idle_in_transaction_critical else Health.WARNING
        sentence = f"pid {session.pid} of {session.user} is idle in a transaction for {span(age)}"
        found.append(
            (
                age,
                Finding(TARGET, health, sentence, f"pid {session.pid}", "pg-connections", None, "facts 2.1.1"),
            )
        )
    return _longest(found, "sessions idle in a transaction")


def _slow(sessions: list[Session], thresholds: Thresholds, now: float) -> list[Finding]:
    found = []
    for session in sessions:
        if (
            session.state != "active"
            or session.query_start is None
            or session.leader_pid is not None
            or session.blocked_by
        ):
            continue
        age = now - session.query_start
        if age < thresholds.postgres_slow_query_warning:
            continue
        health = Health.CRITICAL if age >= thresholds.postgres_slow_query_critical else Health.WARNING
        sentence = f"pid {session.pid} of {session.user} runs a query for {span(age)}"
        found.append(
            (age, Finding(TARGET, health, sentence, f"pid {session.pid}", "pg-slow-queries", None, "facts 2.1.2"))
        )
    return _longest(found, "slow queries")


def _longest(found: list[tuple[float, Finding]], what: str) -> list[Finding]:
    """The three oldest, and how many more there are: forty findings of one kind would bury the others."""
    ordered = [finding for _, finding in sorted(found, key=lambda pair: -pair[0])]
    if len(ordered) > 3:
        last = ordered[3]
        more = f"{len(ordered) - 3} more {what}"
        return [*ordered[:3], Finding(TARGET, last.health, more, "", last.procedure, None, last.source)]
    return ordered


def _oldest_transaction(sessions: list[Session], thresholds: Thresholds, now: float) -> list[Finding]:
    oldest = min(
        (session for session in sessions if session.xact_start is not None),
        key=lambda one: one.xact_start or 0.0,
        default=None,
    )
    if oldest is None or oldest.xact_start is None:
        return []
    age = now - oldest.xact_start
    if age < thresholds.postgres_transaction_warning:
        return []
    health = Health.CRITICAL if age >= thresholds.postgres_transaction_critical else Health.WARNING
    sentence = f"the transaction of pid {oldest.pid} is open for {span(age)}: vacuum cannot clean behind it"
    return [Finding(TARGET, health, sentence, f"pid {oldest.pid}", "pg-slow-queries", None, "facts 2.1.2")]


def _replica(replica: ReplicaView, thresholds: Thresholds) -> list[Finding]:
    values = (("replica", replica.name),)

    def finding(health: Health, sentence: str, source: str = "facts 2.1.3") -> Finding:
        return Finding(TARGET, health, sentence, replica.name, "pg-replication-lag", None, source, values)

    if replica.problem:
        return [finding(Health.UNKNOWN, replica.problem, "design 7")]
    found = []
    if replica.receiver == HIDDEN:
        found.append(finding(Health.UNKNOWN, f"whether {replica.name} receives WAL is hidden from us"))
    if replica.deaf:
        found.append(finding(Health.CRITICAL, f"{replica.name} receives no WAL from its primary"))
    if not replica.replaying:
        found.append(
            finding(Health.CRITICAL, f"{replica.name} does not replay: {replica.pause_state or 'unknown pause state'}")
        )
    if replica.startup_wait.startswith("RecoveryConflict"):
        found.append(finding(Health.WARNING, f"{replica.name} waits for a query of its own ({replica.startup_wait})"))
    seconds, size = replica.lag_seconds, replica.lag_bytes
    if seconds is None and size is None:
        found.append(finding(Health.UNKNOWN, f"how far {replica.name} is behind is not known"))
    elif (seconds or 0.0) >= thresholds.postgres_replica_lag_critical or (
        size or 0
    ) >= thresholds.postgres_replica_bytes_critical:
        found.append(finding(Health.CRITICAL, f"{replica.name} is {_behind(seconds, size)} behind", "runbook 2.1"))
    elif (seconds or 0.0) >= thresholds.postgres_replica_lag_warning or (
        size or 0
    ) >= thresholds.postgres_replica_bytes_warning:
        found.append(finding(Health.WARNING, f"{replica.name} is {_behind(seconds, size)} behind"))
    return found


def _behind(seconds: float | None, size: int | None) -> str:
    parts = ([] if seconds is None else [span(seconds)]) + ([] if size is None else [f"{size / 1048576:.1f} MB"])
    return " and ".join(parts)


def _replication_slots(snapshot: PostgresSnapshot, thresholds: Thresholds) -> list[Finding]:
    found = []
    for slot in snapshot.slots:
        percent = (
            100.0 * slot.retained_bytes / slot.retained_limit if slot.retained_bytes and slot.retained_limit else 0.0
        )
        reader = "replica" if slot.kind == "physical" else "subscription"
        if slot.wal_status == "lost":
            health, sentence = Health.CRITICAL, f"slot {slot.name} has lost WAL: its {reader} must be built anew"
        elif slot.wal_status == "unreserved":
            why = "the next checkpoint may throw away what its reader needs"
            health, sentence = Health.CRITICAL, f"slot {slot.name} is about to lose WAL (unreserved): {why}"
        elif not slot.active:
            health, sentence = Health.WARNING, f"nobody reads slot {slot.name}: it keeps WAL and fills the disk"
        elif percent >= thresholds.postgres_slot_retained_warning:
            health, sentence = Health.WARNING, f"slot {slot.name} holds back {percent:.0f} % of what it may"
        else:
            continue
        found.append(Finding(TARGET, health, sentence, f"slot {slot.name}", "pg-replication-lag", None, "facts 2.1.3"))
    return found


def _recovery(snapshot: PostgresSnapshot) -> list[Finding]:
    if not snapshot.in_recovery:
        return []
    sentence = "the primary of the profile is a standby: it takes no writes"
    return [Finding(TARGET, Health.CRITICAL, sentence, "primary", "", Severity.P1, "facts 2.1.3")]
