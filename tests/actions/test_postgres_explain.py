"""EXPLAIN plans and never executes; psql as witness that nothing was, and what has no plan is refused by name."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.postgres_explain import EXPLAIN
from alphapulse_tui.model.plan import Outcome, Risk
from tests.actions.postgres_actions import action
from tests.waiting import until

__all__ = ["action"]

RUNS = "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'active' AND query LIKE '%pg_sleep%'"


@pytest.fixture
async def deals(postgres):
    """A table that only its owner may read."""
    postgres.psql(
        "DROP TABLE IF EXISTS deals; CREATE TABLE deals (id int, name text); INSERT INTO deals SELECT n, 'x' FROM generate_series(1, 100) n;"
        "ALTER TABLE deals OWNER TO owner"
    )
    yield postgres
    await postgres.end_sessions()
    postgres.psql("DROP TABLE deals")


async def running(postgres, sql, user="app"):
    """A session of ``user`` that is at ``sql`` (which sleeps), and its pid."""
    session = await postgres.session(user, "page")
    asyncio.get_running_loop().create_task(session.execute(sql)).add_done_callback(lambda task: task.exception())
    pid = session.get_server_pid()
    await until(lambda: postgres.psql(RUNS.format(pid)) == "1", 10, "the query")
    return pid


async def test_a_running_query_is_planned_as_the_owner_and_not_executed(deals, action):
    pid = await running(
        deals, "WITH gone AS (DELETE FROM deals WHERE name = 'x' RETURNING id) SELECT pg_sleep(60), id FROM gone", "dba"
    )
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid), "as_owner": "yes"})
    assert (plan.refusal, plan.changes, plan.risk, plan.preconditions["become"]) == ("", False, Risk.SAFE, "owner")
    result = await explain.execute(plan)
    assert result.outcome is Outcome.DONE
    lines = result.details["plan"].split("\n")
    assert any(line.startswith("    ") and "Delete on deals" in line for line in lines), lines
    assert deals.psql("SELECT count(*) FROM deals") == "100"


async def test_without_the_right_to_read_it_says_what_would_make_it_possible(deals, action):
    pid = await running(deals, "SELECT pg_sleep(60), * FROM deals", "dba")
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid)})
    with pytest.raises(ActionProblem, match=r"permission denied for table deals.*as the owner of the tables \(owner\)"):
        await explain.execute(plan)


async def test_the_longest_query_is_taken_where_none_is_named(deals, action):
    with pytest.raises(ActionProblem, match="no query runs now"):
        await action("pg.explain").plan({})
    pid = await running(deals, "SELECT pg_sleep(60)")
    explain = action("pg.explain")
    plan = await explain.plan({})
    assert plan.params["pids"].startswith(f"{pid}@")
    assert "Result" in (await explain.execute(plan)).details["plan"]


async def test_another_query_of_the_session_is_not_the_one_that_was_shown(deals, action):
    session = await deals.session("app", "page")
    first = asyncio.ensure_future(session.execute("SELECT pg_sleep(60)"))
    pid = session.get_server_pid()
    await until(lambda: deals.psql(RUNS.format(pid)) == "1", 10, "the query")
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid)})
    deals.psql(f"SELECT pg_cancel_backend({pid})")
    with pytest.raises(Exception, match="canceling"):
        await first
    assert (await explain.plan({"pids": str(pid)})).refusal == f"pid {pid} runs nothing, it is idle"
    await session.execute("SELECT 1")
    assert (await explain.execute(plan)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DO $$ BEGIN PERFORM pg_sleep(60); END $$", "DO has no plan"),
        ("EXPLAIN ANALYZE SELECT pg_sleep(60)", "EXPLAIN has no plan"),
        ("CREATE TABLE x AS SELECT 1 FROM pg_sleep(60)", "CREATE has no plan"),
        (f"SELECT pg_sleep(60) -- {'x' * 1100}", "its text is cut"),
    ],
)
async def test_what_has_no_plan_is_refused_by_name(deals, action, sql, says):
    pid = await running(deals, sql, "dba")
    assert says in (await action("pg.explain").plan({"pids": str(pid)})).refusal


async def test_a_second_statement_is_refused_by_the_server_itself(deals, action):
    pid = await running(deals, "SELECT pg_sleep(60); DROP TABLE deals", "dba")
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid), "as_owner": "yes"})
    with pytest.raises(ActionProblem, match="multiple commands"):
        await explain.execute(plan)
    assert deals.psql("SELECT count(*) FROM deals") == "100"


async def test_a_secret_in_the_text_is_in_nothing_that_is_shown(deals, action):
    pid = await running(
        deals, "SELECT pg_sleep(60) FROM generate_series(1, 2) AS n WHERE n::text <> 'password=hunter22 '"
    )
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid)})
    result = await explain.execute(plan)
    assert "hunter22" not in f"{plan} {result}" and "(redacted)" in result.details["plan"]


async def test_placeholders_have_the_generic_plan_and_not_that_of_null(deals, action):
    session = await deals.session("dba", "page")
    waits = asyncio.ensure_future(
        session.fetch("SELECT id FROM deals WHERE name = $1 AND pg_sleep($2) IS NOT NULL", "x", 60.0)
    )
    pid = session.get_server_pid()
    await until(lambda: deals.psql(RUNS.format(pid)) == "1", 10, "the query")
    explain = action("pg.explain")
    plan = await explain.plan({"pids": str(pid), "as_owner": "yes"})
    assert "PREPARE alphapulse_explain AS" in plan.shell and plan.call.endswith(
        "EXECUTE alphapulse_explain(NULL, NULL); ROLLBACK as owner"
    )
    lines = (await explain.execute(plan)).details["plan"]
    assert "Seq Scan on deals" in lines and "(name = $1)" in lines and "One-Time Filter" not in lines
    waits.add_done_callback(lambda task: task.exception())


async def test_who_does_not_see_others_queries_is_told_the_grant(deals, action):
    pid = await running(deals, "SELECT pg_sleep(60)")
    assert (await action("pg.explain", "blind").plan({"pids": str(pid)})).refusal.endswith("GRANT pg_monitor TO blind")


@pytest.mark.parametrize("key", ["1/2/3", "1/2/x/True", "'; DROP", ""])
async def test_what_is_no_key(deals, action, key):
    with pytest.raises(ActionProblem, match=r"no key of the statements view|no query runs now"):
        await action("pg.explain").plan({"statement": key})


async def test_a_text_cannot_bring_its_own_options(deals, action):
    text = "(ANALYZE) DELETE FROM deals"
    assert "syntax error" in await refused_by_the_server(deals, EXPLAIN + text)
    assert deals.psql("SELECT count(*) FROM deals") == "100"


async def refused_by_the_server(deals, sql):
    with pytest.raises(AssertionError) as refused:
        deals.psql(sql)
    return str(refused.value)
