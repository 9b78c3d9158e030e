"""PostgreSQL's menus: what each view's row offers, what is suggested, and why something is not possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.fixes.contract import Fix
from alphapulse_tui.model.postgres import ConnectionLimit, SessionGroup
from alphapulse_tui.model.postgres_surveys import (
    IndexFigures,
    LockNode,
    LockSurvey,
    ReplicaFigures,
    ReplicationSurvey,
    Setting,
    SettingSurvey,
    SlotFigures,
    Statement,
    StatementSurvey,
    TableFigures,
    TableSurvey,
)
from tests.model.test_fixes import SESSION, fixes, pg_finding, postgres, reading

ROOT = LockNode(
    11,
    0,
    backend_start="2026-01-01T00:00:00+00:00",
    backend_type="client backend",
    state="idle in transaction",
    behind=2,
)
WAITER = LockNode(
    12, 1, (11,), backend_start="2026-01-01T00:00:01+00:00", backend_type="client backend", state="active"
)
FORGOTTEN = LockNode(0, 0, gid="close-2026", state="prepared", behind=1)
REPLICA = ReplicaFigures("replica-0", pause_state="not paused", receiver="streaming", behind_bytes=0)
TRADES = TableFigures(
    "public", "trades", 200_000, 0, 50, 0, 1 << 20, 100, 100, 0, seq_scans_a_second=5.0, rows_a_scan=200_000.0,
    columns=("id", "tenant_id", "symbol"), indexes=("id",),
)  # fmt: skip
POSITION = Statement(
    "k", "app", "db", "SELECT 1 FROM trades WHERE tenant_id = $1 AND symbol = $2", 10, 900.0, 10, 0, 0, 0, 0.1
)
INDEX = IndexFigures(
    "public",
    "trades",
    "idx_a",
    False,
    "CREATE INDEX idx_a ON public.trades USING btree (tenant_id, symbol)",
    0,
    0,
    False,
)


def menu(name: str, key: str = "", **snapshots: Any) -> tuple[Fix, ...]:
    return fixes(name, key, **{target.replace("_", "-"): reading(target, taken) for target, taken in snapshots.items()})


def first(found: tuple[Fix, ...]) -> tuple[str, dict[str, str], bool]:
    return found[0].action_id, dict(found[0].params), found[0].suggested


def test_a_waiting_session_makes_the_root_blockers_the_first_fix():
    slow = replace(pg_finding("pid 11"), procedure="pg-slow-queries")
    waiting = replace(SESSION, state="active", blocked_by=(11,))
    found = fixes("postgres", postgres=reading("postgres", postgres(waiting), slow))
    assert first(found) == ("pg.terminate-root-blockers", {}, True)


def test_the_row_of_a_waiter_leads_to_those_it_waits_for():
    waiting = replace(SESSION, state="active", blocked_by=(11,))
    found = fixes("postgres", waiting.key, postgres=reading("postgres", postgres(waiting)))
    assert first(found) == ("pg.terminate-root-blockers", {}, True)
    assert found[1].action_id == "pg.cancel-query" and not found[1].suggested
    assert [fix.action_id for fix in found].count("pg.terminate-root-blockers") == 1


def test_all_roots_are_suggested_and_a_waiter_is_only_cancelled():
    tree = LockSurvey((ROOT, replace(ROOT, pid=13), WAITER))
    found = menu("postgres-locks", WAITER.key, postgres_locks=tree)
    assert found[0].title == "terminate all 2 root blockers" and found[0].suggested
    assert (found[1].action_id, dict(found[1].params)) == ("pg.cancel-query", {"pids": WAITER.key})


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (replace(ROOT, protected="a superuser's session is never ended from here"), "a superuser's"),
        (
            replace(ROOT, backend_type="autovacuum worker", query="autovacuum: VACUUM t (to prevent wraparound)"),
            "let it finish",
        ),
        (replace(ROOT, leader_pid=9), "parallel worker of pid 9"),
        (ROOT, ""),
    ],
)
def test_why_a_root_is_not_ended(node, why):
    found = menu("postgres-locks", node.key, postgres_locks=LockSurvey((node, WAITER)))
    mine = next(fix for fix in found if dict(fix.params).get("pids") == node.key)
    assert why in mine.why_not and bool(why) == bool(mine.why_not)


def test_only_a_prepared_transaction_blocks():
    found = menu("postgres-locks", FORGOTTEN.key, postgres_locks=LockSurvey((FORGOTTEN, WAITER)))
    assert first(found) == ("pg.rollback-prepared", {"gid": "close-2026"}, True)
    assert menu("postgres-locks", postgres_locks=LockSurvey())[0].why_not == "nobody waits for a lock"


@pytest.mark.parametrize(
    ("state", "action"), [("idle", "pg.terminate-idle"), ("idle in transaction", "pg.terminate-idle-in-transaction")]
)
def test_a_group_is_ended_by_its_application(state, action):
    group = SessionGroup("app", "db", "api-leak", state, 30)
    found = menu("postgres-connections", group.key, postgres=replace(postgres(), groups=(group,)))
    assert first(found) == (action, {"application": "api-leak"}, True)
    assert found[-1].action_id == "pg.set-max-connections" and dict(found[-1].params) == {"value": "125"}


def test_max_connections_is_no_fix_for_a_roles_own_limit():
    limited = replace(postgres(), limits=(ConnectionLimit("role app", 5, 5),))
    assert "role app is at a limit of its own" in menu("postgres-connections", postgres=limited)[-1].why_not
    full = replace(limited, clients=limited.usable)
    assert menu("postgres-connections", postgres=full)[-1].why_not == ""


def test_the_missing_index_is_offered_where_the_table_is_read_whole():
    surveys = {
        "postgres_tables": TableSurvey((TRADES,), window=5.0),
        "postgres_statements": StatementSurvey((POSITION,), 5.0, 900.0),
    }
    wanted = {"table": "public.trades", "columns": "tenant_id, symbol", "name": "idx_trades_tenant_symbol"}
    assert first(menu("postgres-tables", "public.trades", **surveys)) == ("pg.create-index", wanted, True)
    assert any(fix.action_id == "pg.create-index" for fix in menu("postgres-statements", "k", **surveys))
    indexed = replace(TRADES, indexes=("id", "tenant_id, symbol"))
    surveys["postgres_tables"] = TableSurvey((indexed,), window=5.0)
    assert first(menu("postgres-tables", "public.trades", **surveys))[0] == "pg.analyze"


@pytest.mark.parametrize(
    ("dead", "limit", "suggested"), [(90_000, 40_000, True), (90_000, 100_000, False), (30_000, 20_000, False)]
)
def test_a_table_is_vacuumed_where_autovacuum_should_have_come(dead, limit, suggested):
    table = replace(TRADES, dead=dead, dead_limit=limit, seq_scans_a_second=0.0)
    found = menu("postgres-tables", "public.trades", postgres_tables=TableSurvey((table,), window=5.0))
    mine = next(
        fix for fix in found if dict(fix.params) == {"tables": "public.trades"} and fix.action_id == "pg.vacuum"
    )
    assert mine.suggested is suggested and (not suggested or found[0] is mine)
    assert any(fix.action_id == "pg.vacuum" and not fix.params for fix in found)


def test_a_statement_and_a_running_query_are_explained_and_the_owner_is_a_choice():
    survey = StatementSurvey((POSITION,), 5.0, 900.0)
    found = menu("postgres-statements", "k", postgres_statements=survey)
    assert [dict(fix.params) for fix in found[:2]] == [{"statement": "k"}, {"statement": "k", "as_owner": "yes"}]
    active = replace(SESSION, state="active")
    for session, explained in ((active, 2), (replace(SESSION, state="idle"), 0)):
        menu_of_it = fixes("postgres", session.key, postgres=reading("postgres", postgres(session)))
        mine = [dict(fix.params) for fix in menu_of_it if fix.action_id == "pg.explain"]
        assert mine == [{"pids": session.key}, {"pids": session.key, "as_owner": "yes"}][:explained]


def test_an_invalid_index_is_built_anew_and_one_at_work_left_alone():
    found = menu("postgres-indexes", "public.idx_a", postgres_tables=TableSurvey((), (INDEX,)))
    wanted = {"table": "public.trades", "columns": "tenant_id, symbol", "name": "idx_a"}
    assert first(found) == ("pg.create-index", wanted, True)
    building = replace(INDEX, progress="building index, 43 %")
    found = menu("postgres-indexes", "public.idx_a", postgres_tables=TableSurvey((), (building,)))
    assert all("43 %" in fix.why_not for fix in found)


@pytest.mark.parametrize(
    ("replica", "action", "suggested", "why"),
    [
        (replace(REPLICA, pause_state="paused"), "pg.resume-replay", True, ""),
        (
            replace(REPLICA, pause_state="paused", too_small=("max_connections 60 < 100",)),
            "pg.resume-replay",
            False,
            "would shut down",
        ),
        (replace(REPLICA, replay_wait="IPC:RecoveryConflictSnapshot"), "pg.cancel-conflicting", True, ""),
        (REPLICA, "pg.resume-replay", False, "is not paused"),
        (ReplicaFigures("replica-0", problem="replica-0 gave no answer"), "pg.resume-replay", False, "no answer"),
    ],
)
def test_each_state_of_a_replica_has_its_fix(replica, action, suggested, why):
    found = menu("postgres-replication", "replica-0/", postgres_replication=ReplicationSurvey(replicas=(replica,)))
    fix = next(fix for fix in found if fix.action_id == action)
    assert fix.suggested is suggested and why in fix.why_not
    assert found[-1].action_id == "kubernetes.restart" and not found[-1].suggested


LEFT = SlotFigures("old_1", "physical", False, "extended", 48 << 20, None)


def test_a_slot_that_was_left_behind_is_dropped():
    survey = ReplicationSurvey(slots=(LEFT,), replicas=(replace(REPLICA, slot="r1"),))
    for key in ("/slot old_1", ""):
        assert first(menu("postgres-replication", key, postgres_replication=survey)) == (
            "pg.drop-slot",
            {"slot": "old_1"},
            True,
        )


@pytest.mark.parametrize(
    ("slot", "replica", "why"),
    [
        (replace(LEFT, active=True), {}, "somebody reads it"),
        (replace(LEFT, name="r1"), {}, "the slot of replica-0"),
        (replace(LEFT, kind="logical"), {}, "logical"),
        (LEFT, {"problem": "replica-0 gave no answer"}, "replica-0 is not known: replica-0 gave no answer"),
    ],
)
def test_why_a_slot_is_not_dropped(slot, replica, why):
    survey = ReplicationSurvey(slots=(slot,), replicas=(replace(REPLICA, slot="r1", **replica),))
    (fix,) = menu("postgres-replication", f"/slot {slot.name}", postgres_replication=survey)
    assert fix.action_id == "pg.drop-slot" and not fix.suggested and why in fix.why_not


def test_a_setting_is_raised_on_its_own_server():
    def setting(server: str) -> Setting:
        return Setting(server, "max_connections", "60", "postmaster", False, "")

    survey = SettingSurvey((setting("primary"), setting("replica-0")), (), {"primary": 170000, "replica-0": 170000})
    for server in ("primary", "replica-0"):
        found = menu("postgres-settings", f"{server}/max_connections/postmaster", postgres_settings=survey)
        assert dict(found[0].params) == {"value": "80", "server": server}
        assert dict(found[1].params) == {"server": server}
