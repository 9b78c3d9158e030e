"""Indexes built, mended and dropped concurrently, statistics renewed: on a real server, psql as witness."""

from __future__ import annotations

import asyncio
import shlex
import subprocess

import asyncpg
import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.postgres_build import _failed
from alphapulse_tui.executor.core import ExecutorProblem
from alphapulse_tui.executor.run import surviving
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.conftest import tool_path
from tests.actions.postgres_actions import action, proof
from tests.waiting import until

__all__ = ["action"]

WANTED = {"table": "deals", "columns": "tenant_id, symbol", "name": "idx_deals"}
VALID = "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass('idx_deals')"


@pytest.fixture
def deals(postgres):
    """A table of ``owner``'s."""
    postgres.psql(
        "DROP TABLE IF EXISTS deals; CREATE TABLE deals (id int, tenant_id int, symbol text); ALTER TABLE deals OWNER TO owner;"
        "INSERT INTO deals SELECT n, n % 7, 'S' || n % 5 FROM generate_series(1, 2000) n; GRANT ALL ON deals TO PUBLIC"
    )
    return postgres


async def test_built_as_the_owner_and_undone(deals, action):
    create = action("pg.create-index")
    plan = await create.plan(WANTED)
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE and "as owner" in plan.call
    assert (plan.undo_action, plan.undo_params) == ("pg.drop-index", {"index": "public.idx_deals"})
    assert (await create.execute(plan)).sentence == "done"
    assert (await proof(create, plan)).reading["index"] == "idx_deals: valid"
    assert deals.psql(VALID) == "t"
    assert deals.psql("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'idx_deals'") == "owner"
    assert "is there and valid" in (await create.plan(WANTED)).refusal
    assert "idx_deals has the same columns" in (await create.plan({**WANTED, "name": "other"})).refusal

    drop = action("pg.drop-index")
    back = await drop.plan(plan.undo_params)
    assert back.undo_action == "pg.create-index" and back.undo_params["columns"] == "tenant_id, symbol"
    await drop.execute(back)
    await proof(drop, back)
    assert deals.psql(VALID) == ""


async def test_an_invalid_index_is_dropped_and_built_anew(deals, action):
    with pytest.raises(AssertionError, match="could not create unique index"):
        deals.psql("CREATE UNIQUE INDEX CONCURRENTLY idx_deals ON deals (tenant_id)")
    assert deals.psql(VALID) == "f"
    create = action("pg.create-index")
    plan = await create.plan(WANTED)
    assert plan.sentence.startswith("Drops the INVALID index idx_deals, then builds")
    assert (await create.verify(plan)).verdict is Verdict.CONTRADICTED
    await create.execute(plan)
    await proof(create, plan)
    assert deals.psql(VALID) == "t"


async def test_progress_names_whom_it_waits_for_and_a_cancelled_build_is_no_success(deals, action):
    old = await deals.session("worker", "importer", "BEGIN; UPDATE deals SET id = id WHERE id = 1")
    create = action("pg.create-index")
    plan = await create.plan(WANTED)
    assert (await create.execute(plan)).sentence.startswith("begun")
    waits = (await proof(create, plan, Verdict.PENDING)).sentence
    assert f"pid {old.get_server_pid()}" in waits or "waits for Lock" in waits
    assert "builds idx_deals already" in (await action("pg.create-index").plan(WANTED)).refusal
    builder = deals.psql("SELECT pid FROM pg_stat_progress_create_index")
    kept = (await action("pg.cancel-query").plan({"pids": builder})).refusal
    assert "of alphapulse-tui" in kept or "INVALID" in kept
    deals.psql(f"SELECT pg_cancel_backend({builder})")
    found = await proof(create, plan, Verdict.CONTRADICTED)
    assert "is INVALID and nobody builds it" in found.sentence and "cancelled it" in found.sentence
    await old.execute("ROLLBACK")
    again = await create.plan(WANTED)
    await create.execute(again)
    await proof(create, again)
    assert deals.psql(VALID) == "t"


async def test_old_transactions_are_told_before(deals, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.postgres_index.OLD_SECONDS", 0.0)
    old = await deals.session("worker", "importer", "BEGIN; SELECT 1")
    plan = await action("pg.create-index").plan(WANTED)
    assert any(f"waits for pid {old.get_server_pid()} worker importer" in warning for warning in plan.warnings)


async def test_an_index_that_came_between_stops_it(deals, action):
    create = action("pg.create-index")
    plan = await create.plan(WANTED)
    deals.psql("CREATE INDEX idx_deals ON deals (symbol)")
    with pytest.raises(ExecutorProblem, match="no longer possible"):
        surviving(plan, await create.plan(WANTED))
    with pytest.raises(ActionProblem, match="was none and is"):
        await create.execute(plan)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({**WANTED, "table": "nowhere"}, 'no table "nowhere"'),
        ({**WANTED, "columns": "tenant_id, sym\x1bbol"}, r'no column "sym\\x1bbol"; it has: id, tenant_id, symbol'),
        ({**WANTED, "columns": " "}, "at least one column"),
        ({**WANTED, "name": "x; DROP TABLE deals"}, "no name of an index"),
    ],
)
async def test_parameters_that_make_no_sense(deals, action, params, words):
    with pytest.raises(ActionProblem, match=words):
        await action("pg.create-index").plan(params)


async def test_what_cannot_be_built_says_why(deals, action):
    create = action("pg.create-index")
    deals.psql("DROP TABLE IF EXISTS parts; CREATE TABLE parts (a int) PARTITION BY RANGE (a)")
    assert "build it on each partition" in (await create.plan({"table": "parts", "columns": "a"})).refusal
    deals.psql("DROP TABLE IF EXISTS admins; CREATE TABLE admins (a int PRIMARY KEY, b int)")
    assert "GRANT admin TO oncall" in (await create.plan({"table": "admins", "columns": "b"})).refusal
    assert "keeps rows unique" in (await action("pg.drop-index").plan({"index": "public.admins_pkey"})).refusal
    with pytest.raises(ActionProblem, match=r'no index "public\.nothing"'):
        await action("pg.drop-index").plan({"index": "public.nothing"})


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.UniqueViolationError("double"), "rows are not unique"),
        (asyncpg.DeadlockDetectedError("loop"), "drop what it left"),
        (asyncpg.QueryCanceledError("user"), "what it left is INVALID"),
        (asyncpg.LockNotAvailableError("late"), "lock_timeout ends concurrent builds too"),
        (asyncpg.DiskFullError("full"), "make room"),
        (asyncpg.InsufficientPrivilegeError("must be owner"), "refuses: must be owner"),
    ],
)
def test_each_failure_of_a_build_has_its_sentence(error, says):
    assert says in _failed("primary", error)


async def test_the_shell_form_builds_the_same(deals, action):
    plan = await action("pg.create-index").plan(WANTED)
    words = shlex.split(plan.shell)
    await asyncio.to_thread(subprocess.run, [tool_path("psql"), *words[1:]], check=True, capture_output=True)
    assert deals.psql(VALID) == "t"


async def test_stale_tables_are_analyzed_and_others_are_named(deals, action):
    deals.psql(
        "DROP TABLE IF EXISTS admins; CREATE TABLE admins (a int); INSERT INTO admins SELECT generate_series(1, 500)"
    )
    deals.psql("GRANT MAINTAIN ON deals TO oncall")
    analyze = action("pg.analyze")

    async def seen():
        plan = await analyze.plan({})
        return plan if {"table public.deals"} == {v.key for v in plan.victims} and len(plan.warnings) == 1 else None

    plan = await until(seen, 10, "the statistics of both tables")
    assert plan.risk is Risk.SAFE and "GRANT MAINTAIN ON public.admins TO oncall" in plan.warnings[0]
    assert (await analyze.execute(plan)).details == {"table public.deals": "analyzed"}
    await proof(analyze, plan)
    assert deals.psql("SELECT last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'deals'") == "t"
    with_name = await analyze.plan({"tables": "public.admins"})
    assert "GRANT MAINTAIN ON public.admins" in with_name.refusal
    assert "there is no table" in (await analyze.plan({"tables": "nowhere"})).refusal


async def test_a_locked_table_is_skipped_and_said(deals, action):
    deals.psql("GRANT MAINTAIN ON deals TO oncall")
    await deals.session("app", "migration", "BEGIN; LOCK TABLE deals IN ACCESS EXCLUSIVE MODE")
    analyze = action("pg.analyze")
    plan = await analyze.plan({"tables": "deals"})
    result = await analyze.execute(plan)
    assert result.outcome is Outcome.DONE and result.sentence == "0 of 1 tables analyzed"
    assert "skipping analyze" in result.details["table public.deals"]
    assert (await analyze.verify(plan)).verdict is Verdict.PENDING


async def test_no_table_is_named_while_nothing_has_been_read(action):
    with pytest.raises(ActionProblem, match="no table is named yet"):
        await action("pg.create-index").plan({"table": "", "columns": "", "name": ""})
