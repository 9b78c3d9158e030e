"""PostgreSQL's rules, a line of the table for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.model.postgres import ConnectionLimit, PostgresSnapshot, ReplicationSlot, ReplicaView, Session
from alphapulse_tui.model.rules.postgres import judge
from alphapulse_tui.model.thresholds import Thresholds

NOW = 100_000.0
WELL = PostgresSnapshot(
    server_version=170010,
    in_recovery=False,
    max_connections=103,
    superuser_reserved=3,
    reserved=0,
    clients=10,
    walsenders=1,
    active=1,
    idle=9,
    idle_in_transaction=0,
    lock_waiting=0,
    sessions=(),
    groups=(),
    limits=(),
    standbys=(),
    replicas=(ReplicaView("r", True, "not paused", "streaming", 0.0, lag_bytes=0),),
    slots=(ReplicationSlot("r1", "physical", True, "reserved", 0, None),),
)


def session(state: str, age: float, **more: Any) -> Session:
    """A client backend that has been in ``state`` for ``age`` seconds."""
    basics: dict[str, Any] = {
        "pid": 7,
        "backend_start": "x",
        "user": "app",
        "database": "d",
        "application": "a",
        "client": "",
        "backend_type": "client backend",
        "state": state,
        "wait": "",
        "xact_start": None,
        "query_start": NOW - age,
        "state_change": NOW - age,
        "query": "",
    }
    return Session(**(basics | more))


def replica(**more: Any) -> dict[str, Any]:
    return {"replicas": (replace(WELL.replicas[0], **more),)}


def slot(**more: Any) -> dict[str, Any]:
    return {"slots": (replace(WELL.slots[0], **more),)}


WARNING, CRITICAL, UNKNOWN = Health.WARNING, Health.CRITICAL, Health.UNKNOWN

CASES: list[tuple[str, dict[str, Any], Health, str]] = [
    ("70 % of the slots", {"clients": 70}, WARNING, "pg-connections"),
    ("80 % of the slots", {"clients": 80}, CRITICAL, "pg-connections"),
    ("all and the reserve", {"clients": 103}, CRITICAL, "pg-connections"),
    ("a role's own limit", {"limits": (ConnectionLimit("role app", 10, 9),)}, CRITICAL, "pg-connections"),
    ("idle in transaction 1 min", {"sessions": (session("idle in transaction", 60),)}, WARNING, "pg-connections"),
    (
        "idle in transaction 5 min",
        {"sessions": (session("idle in transaction (aborted)", 300),)},
        CRITICAL,
        "pg-connections",
    ),
    ("query of 5 s", {"sessions": (session("active", 5),)}, WARNING, "pg-slow-queries"),
    ("query of 30 s", {"sessions": (session("active", 30),)}, CRITICAL, "pg-slow-queries"),
    ("blocked 1 s", {"sessions": (session("active", 1, blocked_by=(9,)),)}, WARNING, "pg-slow-queries"),
    ("blocked 5 s", {"sessions": (session("active", 5, blocked_by=(9,)),)}, CRITICAL, "pg-slow-queries"),
    (
        "transaction of 5 min",
        {"sessions": (session("idle in transaction", 1, xact_start=NOW - 300),)},
        WARNING,
        "pg-slow-queries",
    ),
    (
        "transaction of 30 min",
        {"sessions": (session("idle in transaction", 1, xact_start=NOW - 1800),)},
        CRITICAL,
        "pg-slow-queries",
    ),
    ("10 s behind", replica(lag_seconds=10.0), WARNING, "pg-replication-lag"),
    ("60 s behind", replica(lag_seconds=60.0), CRITICAL, "pg-replication-lag"),
    ("64 MB behind", replica(lag_bytes=64 * 2**20), WARNING, "pg-replication-lag"),
    ("1 GB behind", replica(lag_bytes=2**30), CRITICAL, "pg-replication-lag"),
    ("paused", replica(replaying=False, pause_state="paused"), CRITICAL, "pg-replication-lag"),
    ("no receiver and no lag", replica(receiver=""), CRITICAL, "pg-replication-lag"),
    ("a receiver that we may not see", replica(receiver="hidden"), UNKNOWN, "pg-replication-lag"),
    ("a conflicting query", replica(startup_wait="RecoveryConflictSnapshot"), WARNING, "pg-replication-lag"),
    ("lag not known", replica(lag_seconds=None, lag_bytes=None), UNKNOWN, "pg-replication-lag"),
    ("a silent replica", replica(problem="r gave no answer"), UNKNOWN, "pg-replication-lag"),
    ("a slot that nobody reads", slot(active=False), WARNING, "pg-replication-lag"),
    ("a lost slot", slot(active=False, wal_status="lost"), CRITICAL, "pg-replication-lag"),
    ("a slot about to lose WAL", slot(active=False, wal_status="unreserved"), CRITICAL, "pg-replication-lag"),
    ("half of what a slot may hold", slot(retained_bytes=50, retained_limit=100), WARNING, "pg-replication-lag"),
    ("a primary that is none", {"in_recovery": True}, CRITICAL, ""),
    ("a missing grant", {"missing_grants": ("GRANT pg_monitor TO x",)}, WARNING, ""),
]


@pytest.mark.parametrize(("what", "change", "health", "procedure"), CASES, ids=[case[0] for case in CASES])
def test_each_rule(what: str, change: dict[str, Any], health: Health, procedure: str) -> None:
    found = judge(replace(WELL, **change), Thresholds(), NOW)
    assert [(one.health, one.procedure) for one in found] == [(health, procedure)]
    assert found[0].source and found[0].sentence


FINE: list[dict[str, Any]] = [
    {},
    {"clients": 69},
    {"sessions": (session("idle in transaction", 59),)},
    {"sessions": (session("active", 4.9),)},
    {"sessions": (session("active", 9999, backend_type="walsender"),)},
    {"sessions": (session("active", 9999, leader_pid=3),)},
    {"sessions": (session("idle", 9999),)},
    replica(lag_seconds=9.9, lag_bytes=64 * 2**20 - 1),
]


@pytest.mark.parametrize("change", FINE)
def test_what_is_well(change: dict[str, Any]) -> None:
    assert judge(replace(WELL, **change), Thresholds(), NOW) == ()


def test_worst_first_and_the_severity_of_the_alert() -> None:
    found = judge(replace(WELL, clients=90, missing_grants=("g",), **replica(problem="x")), Thresholds(), NOW)
    assert [one.health for one in found] == [CRITICAL, UNKNOWN, WARNING]
    assert found[0].severity is Severity.P1


def test_many_of_a_kind_are_counted() -> None:
    crowd = tuple(session("idle in transaction", 100 + pid, pid=pid) for pid in range(40))
    found = judge(replace(WELL, sessions=crowd), Thresholds(), NOW)
    assert len(found) == 4 and "pid 39" in found[0].sentence and "37 more" in found[-1].sentence


def test_the_root_of_a_chain_is_named() -> None:
    chain = (
        session("active", 9, pid=1, blocked_by=(2,)),
        session("active", 9, pid=2, blocked_by=(3,)),
        session("idle in transaction", 9, pid=3),
    )
    assert "2 sessions wait for locks of pid 3" in judge(replace(WELL, sessions=chain), Thresholds(), NOW)[0].sentence


@pytest.mark.parametrize(
    ("more", "says", "not_said"),
    [
        ({"wal_status": "lost"}, "its replica must be built anew", "about to"),
        ({"wal_status": "lost", "kind": "logical"}, "its subscription must be built anew", "replica"),
        ({"wal_status": "unreserved"}, "is about to lose WAL", "anew"),
    ],
)
def test_only_a_lost_slot_means_a_new_reader(more: dict[str, Any], says: str, not_said: str) -> None:
    """A reader that comes back before the next checkpoint gets everything, as a real server showed."""
    (found,) = judge(replace(WELL, **slot(active=False, **more)), Thresholds(), 0.0)
    assert says in found.sentence and not_said not in found.sentence
