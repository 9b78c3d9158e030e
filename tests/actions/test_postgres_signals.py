"""Statements of signals that end half way, and roots of the lock tree that are in no transaction: on a real server."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.model.plan import Outcome
from tests.actions.postgres_actions import action, proof
from tests.waiting import until

__all__ = ["action"]


@pytest.mark.parametrize("error", [asyncpg.AdminShutdownError, asyncpg.CrashShutdownError])
async def test_a_server_that_ends_the_connection_leaves_it_open(action, error, monkeypatch):
    reload = action("pg.reload")
    await reload.on().open()

    async def cut(*_, **__):
        raise error("terminating connection")

    monkeypatch.setattr(asyncpg.Connection, "fetch", cut)
    with pytest.raises(SentWithoutAnswer, match="terminating connection"):
        await reload.send(reload.on(), "SELECT pg_reload_conf()")


async def test_our_own_session_ended_by_an_admin_leaves_it_open(postgres, action):
    reload = action("pg.reload")
    await reload.on().open()
    sleeping = asyncio.create_task(reload.send(reload.on(), "SELECT pg_sleep(4)"))
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'alphapulse-tui' AND wait_event = 'PgSleep'"
    await until(lambda: postgres.psql(ours) != "", 5, "our statement")
    postgres.psql(f"SELECT pg_terminate_backend(({ours}))")
    with pytest.raises(SentWithoutAnswer):
        await sleeping


async def blocked(postgres, root_sql, waiter_sql, user="app"):
    """A session at the root and one that waits for it."""
    root = await postgres.session(user, "importer", root_sql)
    waiter = await postgres.session("app", "api")
    task = asyncio.create_task(waiter.execute(waiter_sql))
    waiting = f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {waiter.get_server_pid()}"
    await until(lambda: postgres.psql(waiting) == "Lock", 5, "the waiter")
    return root, task


async def test_an_idle_root_outside_a_transaction_is_ended(postgres, action):
    root, task = await blocked(postgres, "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_lock(7)", "worker")
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})
    assert [victim.facts["pid"] for victim in plan.victims] == [str(root.get_server_pid())] and plan.refusal == ""
    assert any("is in no transaction" in warning and "nothing is rolled back" in warning for warning in plan.warnings)
    assert (await end.execute(plan)).sentence == "1 of 1 root blockers signalled"
    await proof(end, plan)
    await task
    assert root.get_server_pid() not in postgres.alive()


async def test_an_idle_root_that_worked_since_is_left_alone(postgres, action):
    root, task = await blocked(postgres, "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_lock(7)", "worker")
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})
    await root.execute("SELECT 1")
    assert (await end.execute(plan)).outcome is Outcome.REFUSED
    assert root.get_server_pid() in postgres.alive()
    task.cancel()


HALF_WAY = (
    "SELECT a.pid, CASE WHEN a.pid = {last} THEN (1 / (length(pg_sleep(0.2)::text)))::bool ELSE pg_terminate_backend(a.pid) END AS signalled "
    "FROM pg_stat_activity a JOIN unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS chosen (pid, start, moment, place) "
    "ON chosen.pid = a.pid WHERE $4::text[] IS NOT NULL ORDER BY a.pid = {last}"
)
"""Signals all but one, then fails; what a protected session or a statement time-out in the midst of it does."""


async def test_signals_before_an_error_are_told(postgres, action, monkeypatch):
    postgres.psql(
        "DROP TABLE IF EXISTS two; CREATE TABLE two (id int); INSERT INTO two VALUES (1), (2); GRANT ALL ON two TO PUBLIC"
    )
    first = await postgres.session("worker", "importer", "BEGIN; UPDATE two SET id = id WHERE id = 1")
    last, task = await blocked(
        postgres, "BEGIN; UPDATE two SET id = id WHERE id = 2", "BEGIN; LOCK TABLE two; COMMIT", "worker"
    )
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})
    assert len(plan.victims) == 2
    texts = {"terminate_blockers": HALF_WAY.format(last=last.get_server_pid())}
    from alphapulse_tui.actions import postgres_blockers

    usual = postgres_blockers.statement
    monkeypatch.setattr(postgres_blockers, "statement", lambda name: texts.get(name) or usual(name))
    result = await end.execute(plan)
    assert result.outcome is Outcome.FAILED and "division by zero: 1 of 2 have ended all the same" in result.sentence
    assert result.details == {f"pid {first.get_server_pid()}": "ended", f"pid {last.get_server_pid()}": "as it was"}
    task.cancel()


async def test_an_error_after_which_nobody_can_be_asked_leaves_it_open(postgres, action, monkeypatch):
    _, task = await blocked(postgres, "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_lock(7)", "worker")
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})

    async def cancelled(*_, **__):
        raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")

    async def silent(*_, **__):
        raise ActionProblem("primary gave no answer in time")

    monkeypatch.setattr(asyncpg.Connection, "fetch", cancelled)
    monkeypatch.setattr(end.on(), "rows", silent)
    with pytest.raises(SentWithoutAnswer, match="who was signalled before cannot be read: primary gave no answer"):
        await end.execute(plan)
    task.cancel()
