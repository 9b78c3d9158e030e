"""The checks of slow queries and replication: every cause its value and its sentence, and nothing that could not be read is ok."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.postgres_surveys import (
    LockSurvey,
    ReplicaFigures,
    ReplicationSurvey,
    SlotFigures,
    StandbyFigures,
    StatementSurvey,
    TableSurvey,
)
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import BranchStep, CheckStep
from tests.model.test_fixes import SESSION, postgres
from tests.model.test_fixes_postgres import FORGOTTEN, INDEX, POSITION, ROOT, TRADES, WAITER

NOW = 1_000.0
MEGABYTE = 1 << 20
WELL = ReplicaFigures(
    "replica-0", pause_state="not paused", receiver="streaming", sender="db:5432", slot="r1", behind_bytes=0, behind_seconds=0.0,
    received_not_replayed=0, compared=True, max_delay="30s",
)  # fmt: skip
SLOT = SlotFigures("r1", "physical", True, "reserved", 0, None)
STANDBY = StandbyFigures(1, "replica-0", "10.0.0.1", "streaming", "async", 0, 0, 0, 0, 0, None)


def look(check: str, params: dict[str, str] | None = None, **snapshots: Any) -> CheckResult:
    readings = {
        target.replace("_", "-"): Reading(target.replace("_", "-"), 5.0, Link.LIVE, 0.0, taken, NOW)
        for target, taken in snapshots.items()
    }
    return CHECKS[check](Scene(readings, NOW, NOW, Thresholds(), params or {}))


@pytest.mark.parametrize(
    ("fields", "slot", "value", "says"),
    [
        ({}, {}, "none", "nothing holds replication up"),
        ({"naive_seconds": 5000.0}, {}, "none", "nothing holds replication up"),
        ({"pause_state": "paused"}, {}, "paused", "somebody paused"),
        ({"pause_state": "pause requested"}, {}, "paused", "somebody paused"),
        ({"pause_state": "paused", "too_small": ("max_connections 60 < 100",)}, {}, "settings", "would shut it down"),
        ({"replay_wait": "IPC:RecoveryConflictSnapshot"}, {}, "conflict", "RecoveryConflictSnapshot"),
        ({"replay_wait": "Lock:relation"}, {}, "conflict", "(relation)"),
        ({"receiver": ""}, {}, "receiver", "looks for its primary at db:5432"),
        ({"receiver": ""}, {"wal_status": "lost"}, "lost", "built anew"),
        ({"receiver": ""}, {"wal_status": "unreserved"}, "receiver", "looks for its primary"),
        ({"receiver": "", "slot": ""}, {"wal_status": "lost"}, "receiver", "looks for its primary"),
        ({"receiver": "", "slot": ""}, {"name": "replica_0", "wal_status": "lost"}, "lost", "built anew"),
        ({}, {"invalidation_reason": "wal_removed"}, "lost", "built anew"),
        ({"behind_bytes": 2000 * MEGABYTE, "received_not_replayed": 1900 * MEGABYTE}, {}, "replaying", "too slowly"),
        ({"behind_bytes": 2000 * MEGABYTE, "received_not_replayed": MEGABYTE}, {}, "sending", "network"),
        ({"receiver": "hidden"}, {}, "none", "nothing holds replication up"),
        ({"receiver": "hidden", "behind_bytes": 2000 * MEGABYTE}, {}, "unknown", "hidden from us"),
        ({"problem": "replica-0 gave no answer"}, {}, "unknown", "no answer"),
        ({"behind_bytes": None}, {}, "unknown", "cannot be judged"),
    ],
)
def test_each_cause_of_a_lag(fields: dict[str, Any], slot: dict[str, Any], value: str, says: str) -> None:
    survey = ReplicationSurvey(standbys=(STANDBY,), slots=(replace(SLOT, **slot),), replicas=(replace(WELL, **fields),))
    found = look("pg.lag-cause", postgres_replication=survey)
    assert (found.value, says in found.sentence) == (value, True), found
    assert found.passed is {"none": Passed.YES, "unknown": Passed.UNKNOWN}.get(value, Passed.NO)


@pytest.mark.parametrize(
    ("fields", "passed", "says"),
    [
        ({}, Passed.YES, "no replica is behind"),
        ({"behind_bytes": 5000, "behind_seconds": 3.0}, Passed.YES, "no replica is behind"),
        ({"behind_bytes": 5000, "behind_seconds": 61.0}, Passed.NO, "behind"),
        ({"behind_bytes": 0, "behind_seconds": 500.0}, Passed.YES, "no replica is behind"),
        ({"behind_bytes": 24 * MEGABYTE, "behind_seconds": 2.0}, Passed.NO, "not late yet"),
        ({"behind_bytes": 2000 * MEGABYTE, "behind_seconds": 1.0}, Passed.NO, "behind"),
        ({"receiver": ""}, Passed.NO, "receives nothing; nothing is missing yet"),
        ({"pause_state": "paused"}, Passed.NO, "is paused; nothing is missing yet"),
        (
            {"pause_state": "paused", "behind_bytes": 5000, "behind_seconds": 61.0},
            Passed.NO,
            "is paused; so far 4.9 KiB",
        ),
        (
            {"pause_state": "paused", "behind_bytes": 5000, "behind_seconds": 0.4},
            Passed.NO,
            "so far 4.9 KiB, 0s is missing",
        ),
        (
            {"replay_wait": "IPC:RecoveryConflictSnapshot", "behind_bytes": 5000},
            Passed.NO,
            "waits for a query of its own",
        ),
        ({"behind_bytes": None}, Passed.UNKNOWN, "is not known"),
        ({"problem": "no answer"}, Passed.UNKNOWN, "is not known: no answer"),
    ],
)
def test_lag_is_bytes_first(fields: dict[str, Any], passed: Passed, says: str) -> None:
    found = look("pg.lag", postgres_replication=ReplicationSurvey(replicas=(replace(WELL, **fields),)))
    assert found.passed is passed and says in found.sentence, found


def test_the_procedures_own_seconds_count() -> None:
    survey = ReplicationSurvey(replicas=(replace(WELL, behind_bytes=100, behind_seconds=20.0),))
    assert look("pg.lag", {"lag-seconds": "10"}, postgres_replication=survey).passed is Passed.NO
    assert look("pg.lag", {"lag-seconds": "soon"}, postgres_replication=survey).passed is Passed.YES


def test_hidden_or_missing_standbys_are_never_ok() -> None:
    assert look("pg.lag-primary", postgres_replication=ReplicationSurvey(replicas=(WELL,))).value == "missing"
    hidden = ReplicationSurvey(standbys=(STANDBY,), replicas=(WELL,), missing_grants=("GRANT pg_monitor TO x",))
    assert look("pg.lag-primary", postgres_replication=hidden).passed is Passed.UNKNOWN
    silent = ReplicationSurvey(primary_problem="primary gave no answer", replicas=(WELL,))
    for check in ("pg.lag-primary", "pg.lag-slots"):
        assert look(check, postgres_replication=silent).passed is Passed.UNKNOWN


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, "ok"),
        ({"active": False}, "unread"),
        ({"wal_status": "lost"}, "lost"),
        ({"wal_status": "unreserved"}, "endangered"),
    ],
)
def test_slots(fields: dict[str, Any], value: str) -> None:
    assert look("pg.lag-slots", postgres_replication=ReplicationSurvey(slots=(replace(SLOT, **fields),))).value == value


LEFT = SlotFigures(
    "old_1",
    "physical",
    False,
    "extended",
    48 * MEGABYTE,
    256 * MEGABYTE,
    inactive_since=NOW - 7300,
    safe=208 * MEGABYTE,
)


def test_a_slot_that_was_left_behind_is_named_with_what_it_holds() -> None:
    survey = ReplicationSurvey(standbys=(STANDBY,), slots=(SLOT, LEFT), replicas=(WELL,))
    found = look("pg.lag-slots", postgres_replication=survey)
    assert found.passed is Passed.NO and "slot old_1 was left behind" in found.sentence, found
    assert "nobody has read it for 2h, and it keeps 48.0 MiB of WAL" in found.sentence
    ahead = replace(postgres(), clock_offset=3600.0)  # The server's clock says since when; ours may be elsewhere.
    assert "for 3h" in look("pg.lag-slots", postgres_replication=survey, postgres=ahead).sentence
    said = dict(found.rows)["old_1"]
    assert said == "NOT READ for 2h, extended, holds 48.0 MiB of 256.0 MiB, safe for 208.0 MiB more, of no replica"
    assert look("pg.lag-cause", postgres_replication=survey).value == "slot"
    assert look("pg.slots-left", postgres_replication=survey).choices[0][0] == "old_1"


def test_a_slot_behind_a_replica_that_has_caught_up_is_dropped_before_the_end() -> None:
    steps = load_procedures()["pg-replication-lag"].steps
    branch, proof = steps[-2:]
    assert [step.id for step in steps[-3:]] == ["caught-up", "left-behind", "no-slot"]
    assert isinstance(branch, BranchStep) and isinstance(proof, CheckStep) and proof.proof
    assert {case.when: case.goto for case in branch.cases} == {"slot": "drop-slot", "none": "no-slot"}
    survey = ReplicationSurvey(standbys=(STANDBY,), slots=(SLOT, LEFT), replicas=(WELL,))
    found = look(proof.check, postgres_replication=survey)
    assert (found.passed, found.value) == (Passed.NO, "slot") and "old_1 was left behind" in found.sentence
    assert look(proof.check, postgres_replication=replace(survey, slots=(SLOT,))).passed is Passed.YES
    silent = replace(survey, replicas=(replace(WELL, problem="replica-0 gave no answer"),))
    assert look(proof.check, postgres_replication=silent).passed is Passed.UNKNOWN


@pytest.mark.parametrize(
    ("slot", "replica", "value"),
    [
        (LEFT, {"pause_state": "paused"}, "paused"),
        (LEFT, {"problem": "replica-0 gave no answer"}, "unknown"),
        (replace(LEFT, name="r1"), {}, "none"),
        (replace(LEFT, name="replica_0"), {"slot": ""}, "none"),
        (replace(LEFT, kind="logical"), {}, "none"),
        (replace(LEFT, retained=MEGABYTE), {}, "none"),
        (replace(LEFT, retained=None, wal_status="lost"), {}, "slot"),
    ],
)
def test_no_slot_is_called_left_behind_that_may_be_a_replicas(slot: Any, replica: dict[str, Any], value: str) -> None:
    survey = ReplicationSurvey(standbys=(STANDBY,), slots=(slot,), replicas=(replace(WELL, **replica),))
    assert look("pg.lag-cause", postgres_replication=survey).value == value


@pytest.mark.parametrize(
    "check", sorted(name for name in CHECKS if name.startswith("pg.") and name not in ("pg.slots", "pg.who"))
)
def test_what_was_not_read_is_not_verified(check: str) -> None:
    assert look(check).passed is Passed.UNKNOWN


ACTIVE = replace(SESSION, state="active", query_start=NOW - 8)


@pytest.mark.parametrize(
    ("session", "value"),
    [
        (ACTIVE, "slow"),
        (replace(ACTIVE, query_start=NOW - 0.5), "none"),
        (replace(ACTIVE, backend_type="walsender"), "none"),
        (replace(ACTIVE, leader_pid=1), "none"),
        (replace(ACTIVE, blocked_by=(3,)), "none"),
        (replace(ACTIVE, state="idle in transaction"), "none"),
    ],
)
def test_active_lists_what_runs_and_no_walsender(session: Any, value: str) -> None:
    assert look("pg.active", postgres=postgres(session)).value == value


@pytest.mark.parametrize(
    ("nodes", "value"),
    [((), "none"), ((ROOT, WAITER), "blocked"), ((FORGOTTEN, WAITER), "prepared"), ((WAITER,), "deadlock")],
)
def test_locks(nodes: Any, value: str) -> None:
    assert look("pg.locks", postgres_locks=LockSurvey(nodes)).value == value


READ_WHOLE = {
    "postgres_tables": TableSurvey((TRADES,), window=5.0),
    "postgres_statements": StatementSurvey((POSITION,), 5.0, 900.0),
}
QUIET = {"postgres_locks": LockSurvey(), "postgres": postgres()}
FRESH = {"postgres_tables": TableSurvey((), window=5.0), "postgres_statements": StatementSurvey(window=5.0)}
STALE = TableSurvey((replace(TRADES, seq_scans_a_second=0.0, modified=100_000),), window=5.0)


EXPRESSION = replace(INDEX, definition="CREATE INDEX idx_a ON public.trades USING btree (lower(symbol))")


@pytest.mark.parametrize(
    ("snapshots", "value"),
    [
        ({**QUIET, **FRESH}, "none"),
        ({**QUIET, **READ_WHOLE}, "index"),
        ({**QUIET, **FRESH, "postgres_tables": TableSurvey((), (INDEX,), 5.0)}, "index"),
        ({**QUIET, **FRESH, "postgres_tables": TableSurvey((), (EXPRESSION,), 5.0)}, "untold"),
        ({**QUIET, **FRESH, "postgres_tables": READ_WHOLE["postgres_tables"]}, "untold"),
        ({**QUIET, **FRESH, "postgres_tables": STALE}, "stale"),
        (QUIET, "unknown"),
        ({**QUIET, **READ_WHOLE, "postgres": postgres(ACTIVE)}, "slow"),
        ({**QUIET, **READ_WHOLE, "postgres_locks": LockSurvey((ROOT, WAITER))}, "blocked"),
    ],
)
def test_locks_come_before_queries_before_indexes(snapshots: dict[str, Any], value: str) -> None:
    assert look("pg.slow-cause", **snapshots).value == value


def test_the_index_to_build_is_picked_from_what_is_read_whole() -> None:
    picked = [look(f"pg.index-{part}", **READ_WHOLE).choices[0][0] for part in ("table", "columns", "name")]
    assert picked == ["public.trades", "tenant_id, symbol", "idx_trades_tenant_symbol"]
    assert look("pg.index-table", **FRESH).choices[0] == ("public.trades", "the runbook's example")


def picked_index(tables: TableSurvey) -> list[list[str]]:
    snapshots = {**FRESH, "postgres_tables": tables}
    return [
        [value for value, _ in look(f"pg.index-{part}", **snapshots).choices] for part in ("table", "columns", "name")
    ]


def test_an_invalid_index_is_built_anew_as_it_was_meant() -> None:
    broken = replace(INDEX, table="orders", definition="CREATE INDEX idx_a ON public.orders USING btree (placed_at)")
    assert picked_index(TableSurvey((), (broken,), 5.0)) == [["public.orders"], ["placed_at"], ["idx_a"]]
    for more in ("placed_at DESC", "symbol text_pattern_ops"):  # The same columns without it are another index.
        other = replace(broken, definition=f"CREATE INDEX idx_a ON public.orders USING btree ({more})")
        assert picked_index(TableSurvey((), (other,), 5.0)) == [[], [], []]
    found = look("pg.indexes", **{**FRESH, "postgres_tables": TableSurvey((), (EXPRESSION,), 5.0)})
    assert "its owner builds it anew" in found.sentence


def test_where_no_statement_tells_the_columns_no_index_of_another_table_is_built() -> None:
    whole = replace(TRADES, name="quotes", indexes=())
    assert picked_index(TableSurvey((whole,), (EXPRESSION,), 5.0)) == [[], [], []]


def test_the_statement_to_explain_is_picked_from_what_takes_the_time() -> None:
    found = look("pg.statement-keys", **READ_WHOLE)
    assert found.choices == (("k", f"90.0 ms each  {POSITION.query}"),)
    lock = replace(POSITION, key="l", query="LOCK TABLE tenants IN SHARE MODE", total_ms=9000.0)
    for none in (StatementSurvey(), StatementSurvey((lock,), 5.0, 9000.0)):
        assert look("pg.statement-keys", postgres_statements=none).passed is Passed.UNKNOWN


def test_statements_without_the_extension_are_not_verified() -> None:
    absent = StatementSurvey(missing="pg_stat_statements is not installed in database x")
    assert look("pg.statements", postgres_statements=absent).passed is Passed.UNKNOWN
    assert "first sample" in look("pg.statements", postgres_statements=StatementSurvey((POSITION,))).sentence


def test_healthy_wants_both() -> None:
    assert look("pg.healthy", **QUIET).passed is Passed.YES
    assert look("pg.healthy", **{**QUIET, "postgres": postgres(ACTIVE)}).passed is Passed.NO
    assert look("pg.healthy", postgres=postgres()).passed is Passed.UNKNOWN
