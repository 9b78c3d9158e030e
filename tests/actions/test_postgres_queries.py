"""Cancel and terminate queries, end root blockers, roll prepared transactions back: on a real server, psql as witness."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from datetime import UTC, datetime

import asyncpg
import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.postgres_query import _why_not
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.postgres_actions import action, proof
from tests.waiting import until

__all__ = ["action"]

NOW = {"min_seconds": "0"}
SLEEP = "SELECT pg_sleep(60)"


async def running(postgres, sql=SLEEP, user="app", application="report"):
    """A session at work, and the task that waits for it."""
    session = await postgres.session(user, application)
    task = asyncio.create_task(session.execute(sql))
    pid = session.get_server_pid()
    await until(
        lambda: postgres.psql(f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") == "active", 5, "at work"
    )
    return session, task


async def test_the_longest_query_is_cancelled_and_its_session_lives(postgres, action):
    session, task = await running(postgres)
    _, younger = await running(postgres)
    cancel = action("pg.cancel-query")
    plan = await cancel.plan(NOW)
    assert plan.risk is Risk.SAFE and plan.refusal == "" and len(plan.victims) == 1
    assert f"pid {session.get_server_pid()} app report" in plan.sentence
    assert (await cancel.execute(plan)).outcome is Outcome.DONE
    assert "is idle" in (await proof(cancel, plan)).sentence
    with pytest.raises(asyncpg.QueryCanceledError):
        await task
    assert session.get_server_pid() in postgres.alive() and not younger.done()
    younger.cancel()


async def test_the_next_query_of_the_same_session_is_not_hit(postgres, action):
    session, task = await running(postgres)
    cancel = action("pg.cancel-query")
    plan = await cancel.plan({"pids": str(session.get_server_pid())})
    postgres.psql(f"SELECT pg_cancel_backend({session.get_server_pid()})")
    with pytest.raises(asyncpg.QueryCanceledError):
        await task
    following = asyncio.create_task(session.execute(SLEEP))
    result = await cancel.execute(plan)
    assert result.sentence == "the query had ended by itself: nothing was signalled"
    assert (await proof(cancel, plan)).verdict is Verdict.VERIFIED and not following.done()
    following.cancel()


async def test_a_session_that_does_not_react_is_terminated(postgres, action):
    session, task = await running(postgres)
    terminate = action("pg.terminate-query")
    plan = await terminate.plan(NOW)
    assert plan.risk is Risk.DISRUPTIVE and "loses the connection" in " ".join(plan.warnings)
    await terminate.execute(plan)
    assert "its session is gone" in (await proof(terminate, plan)).sentence
    assert session.get_server_pid() not in postgres.alive()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await task


@pytest.mark.parametrize(
    ("user", "application", "sql", "why"),
    [
        ("dba", "psql", "SELECT 1", "of superusers is never touched"),
        ("app", "pg_dump", "SELECT 1", "of pg_dump is never touched"),
        ("app", "api", "BEGIN; SELECT 1", "cancelling does nothing, terminate it instead"),
        ("app", "api", "SELECT 1", "it runs nothing, it is idle"),
    ],
)
async def test_what_is_not_cancelled_is_told(postgres, action, user, application, sql, why):
    session = await postgres.session(user, application, sql)
    plan = await action("pg.cancel-query").plan({"pids": str(session.get_server_pid())})
    assert why in plan.refusal and not plan.victims


def row(**other):
    found = {
        "pid": 7, "backend_start": datetime(2026, 1, 1, tzinfo=UTC), "usename": "app", "application": "api", "backend_type": "client backend",
        "state": "active", "leader_pid": None, "query": "SELECT 1", "superuser": False, "replication": False, "builds_index": False, "wait": "",
    }  # fmt: skip
    return found | other


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"backend_type": "walsender"}, "ending it breaks replication"),
        ({"leader_pid": 3, "backend_type": "parallel worker"}, "cancel its leader, pid 3"),
        (
            {"backend_type": "autovacuum worker", "query": "autovacuum: VACUUM t (to prevent wraparound)"},
            "let it finish",
        ),
        ({"backend_type": "autovacuum worker"}, "no client but a autovacuum worker"),
        ({"builds_index": True}, "would leave an INVALID one"),
        ({"wait": "Lock:relation"}, "look at who holds it"),
        ({"replication": True}, "of replication roles"),
        ({}, ""),
    ],
)
def test_each_kind_of_backend_has_its_sentence(fields, why):
    said = _why_not(row(**fields), {}, False)
    assert why in said and bool(why) == bool(said)


@pytest.mark.parametrize(
    ("user", "missing"), [("watcher", "GRANT pg_signal_backend TO watcher"), ("blind", "GRANT pg_monitor TO blind")]
)
async def test_a_missing_grant_is_named(postgres, action, user, missing):
    session, task = await running(postgres)
    plan = await action("pg.cancel-query", user).plan({"pids": str(session.get_server_pid())})
    assert missing in plan.refusal
    task.cancel()


async def test_no_answer_after_sending_is_not_known(postgres, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.postgres_connection.COMMAND_SECONDS", 0.5)
    _, task = await running(postgres)
    cancel = action("pg.cancel-query")
    plan = await cancel.plan(NOW)
    ours = int(postgres.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'alphapulse-tui'"))
    os.kill(ours, signal.SIGSTOP)
    try:
        with pytest.raises(SentWithoutAnswer, match="no answer in time"):
            await cancel.execute(plan)
    finally:
        os.kill(ours, signal.SIGCONT)
        task.cancel()


async def chain(postgres):
    """Two roots that have written, and one that waits for both."""
    postgres.psql(
        "DROP TABLE IF EXISTS locked; CREATE TABLE locked (id int); INSERT INTO locked VALUES (1), (2); GRANT ALL ON locked TO PUBLIC"
    )
    roots = [
        await postgres.session("worker", "importer", f"BEGIN; UPDATE locked SET id = id WHERE id = {n}") for n in (1, 2)
    ]
    waiter = await postgres.session("app", "export")
    task = asyncio.create_task(waiter.execute("BEGIN; LOCK TABLE locked IN SHARE MODE; COMMIT"))
    waiting = f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {waiter.get_server_pid()}"
    await until(lambda: postgres.psql(waiting) == "Lock", 5, "the waiter")
    return roots, task


async def test_all_roots_are_ended_and_the_waiting_session_goes_on(postgres, action):
    roots, task = await chain(postgres)
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})
    assert {victim.facts["pid"] for victim in plan.victims} == {str(root.get_server_pid()) for root in roots}
    assert "1 of 1 waiting sessions go on" in plan.sentence
    assert sum("has written in its transaction" in warning and "locked" in warning for warning in plan.warnings) == 2
    before = await end.reading(plan)
    assert (await end.execute(plan)).sentence == "2 of 2 root blockers signalled"
    assert (
        (await proof(end, plan)).reading["sessions waiting for a lock"] == "0" != before["sessions waiting for a lock"]
    )
    await task
    assert not {root.get_server_pid() for root in roots} & postgres.alive()


async def test_one_root_alone_frees_nobody_and_says_so(postgres, action):
    roots, task = await chain(postgres)
    plan = await action("pg.terminate-root-blockers").plan({"pids": str(roots[0].get_server_pid())})
    assert "0 of 1 waiting sessions go on" in plan.sentence
    task.cancel()


async def test_a_root_that_commits_meanwhile_is_left_alone(postgres, action):
    roots, task = await chain(postgres)
    end = action("pg.terminate-root-blockers")
    plan = await end.plan({})
    await roots[0].execute("COMMIT; BEGIN; SELECT 1")  # Another transaction of the same session, which blocks nobody.
    result = await end.execute(plan)
    assert result.sentence == "1 of 2 root blockers signalled"
    assert "blocks nobody any more" in result.details[f"pid {roots[0].get_server_pid()}"]
    await task
    assert roots[0].get_server_pid() in postgres.alive()


async def test_nobody_waits_is_a_refusal(postgres, action):
    plan = await action("pg.terminate-root-blockers").plan({})
    assert plan.refusal == "nobody waits for a lock"
    with pytest.raises(ActionProblem, match="which is no pid"):
        await action("pg.terminate-root-blockers").plan({"pids": "all"})


async def test_a_superuser_at_the_root_is_never_ended(postgres, action):
    postgres.psql("DROP TABLE IF EXISTS held; CREATE TABLE held (id int); GRANT ALL ON held TO PUBLIC")
    await postgres.session("dba", "psql", "BEGIN; LOCK TABLE held")
    waiter = await postgres.session("app", "api")
    task = asyncio.create_task(waiter.execute("SELECT * FROM held"))
    await until(lambda: postgres.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", 5, "the waiter")
    plan = await action("pg.terminate-root-blockers").plan({})
    assert "of superusers is never ended from here" in plan.refusal
    task.cancel()


async def test_a_prepared_transaction_is_rolled_back_by_its_owner(postgres, action):
    postgres.psql(
        "DROP TABLE IF EXISTS held; CREATE TABLE held (id int); ALTER TABLE held OWNER TO owner; GRANT ALL ON held TO PUBLIC"
    )
    session = await postgres.session("app", "coordinator", "SET ROLE owner")
    await session.execute("BEGIN; LOCK TABLE held; PREPARE TRANSACTION 'it''s \x1b[31mlost'")
    waiter = await postgres.session("app", "api")
    task = asyncio.create_task(waiter.execute("SELECT * FROM held"))
    await until(lambda: postgres.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", 5, "the waiter")
    assert "roll it back instead" in (await action("pg.terminate-root-blockers").plan({})).refusal
    refused = await action("pg.rollback-prepared", "watcher").plan({})
    assert "GRANT owner TO watcher" in refused.refusal
    roll = action("pg.rollback-prepared")
    plan = await roll.plan({})
    assert plan.risk is Risk.DESTRUCTIVE and plan.confirm_word and "\x1b" not in plan.confirm_word
    assert "1 of 1 sessions that wait behind it go on" in plan.sentence
    await roll.execute(plan)
    await proof(roll, plan)
    await task
    assert postgres.psql("SELECT count(*) FROM pg_prepared_xacts") == "0"
    assert "keeps anybody waiting" in (await roll.plan({})).refusal


async def test_a_prepared_transaction_that_only_read_is_no_root(postgres, action):
    """It has a lock on the very table, but one that keeps no writer waiting: naming it would roll back the wrong transaction."""
    postgres.psql(
        "DROP TABLE IF EXISTS held; CREATE TABLE held (id int); ALTER TABLE held OWNER TO owner; GRANT ALL ON held TO PUBLIC"
    )
    reader = await postgres.session("app", "coordinator", "SET ROLE owner")
    await reader.execute("BEGIN; SELECT * FROM held; PREPARE TRANSACTION 'only read'")
    writer = await postgres.session("app", "coordinator", "SET ROLE owner")
    await writer.execute("BEGIN; INSERT INTO held VALUES (1); PREPARE TRANSACTION 'wrote'")
    session = await postgres.session("app", "importer", "BEGIN; INSERT INTO held VALUES (2)")
    waiter = await postgres.session("app", "api")
    task = asyncio.create_task(waiter.execute("BEGIN; LOCK TABLE held IN SHARE MODE"))
    await until(lambda: postgres.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", 5, "the waiter")
    try:
        roll = action("pg.rollback-prepared")
        plan = await roll.plan({})
        assert plan.confirm_word == "wrote" and "0 of 1 sessions" in plan.sentence
        end = await action("pg.terminate-root-blockers").plan({})
        assert [victim.facts["pid"] for victim in end.victims] == [str(session.get_server_pid())]
        assert not any("only read" in warning for warning in end.warnings)
        assert any("wrote blocks too" in warning for warning in end.warnings) and "0 of 1 waiting" in end.sentence
        await session.execute("ROLLBACK")
        plan = await roll.plan({})
        assert "1 of 1 sessions" in plan.sentence
        await roll.execute(plan)
        await proof(roll, plan)
        assert postgres.psql("SELECT gid FROM pg_prepared_xacts") == "only read"
    finally:
        task.cancel()
        for gid in postgres.psql("SELECT gid FROM pg_prepared_xacts").splitlines():
            postgres.psql(f"ROLLBACK PREPARED '{gid}'")


async def test_a_prepared_transaction_of_another_database_is_told_with_it(postgres, action):
    if not postgres.psql("SELECT 1 FROM pg_database WHERE datname = 'elsewhere'"):
        postgres.psql("CREATE DATABASE elsewhere")
    there = {"host": "127.0.0.1", "port": postgres.port, "user": "admin", "database": "elsewhere", "ssl": False}
    coordinator, waiter = await asyncpg.connect(**there), await asyncpg.connect(**there)
    try:
        await coordinator.execute("CREATE TABLE IF NOT EXISTS held (id int)")
        await coordinator.execute("BEGIN; LOCK TABLE held; PREPARE TRANSACTION 'over there'")
        task = asyncio.create_task(waiter.execute("SELECT * FROM held"))
        await until(lambda: postgres.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", 5, "the waiter")
        roll = action("pg.rollback-prepared")
        for params in ({}, {"gid": "over there"}):
            refusal = (await roll.plan(params)).refusal
            assert '"over there" was prepared in the database elsewhere' in refusal and "as admin" in refusal
        await coordinator.execute("ROLLBACK PREPARED 'over there'")
        await task
    finally:
        coordinator.terminate()
        waiter.terminate()


async def test_a_copied_command_ends_the_transaction_that_was_shown_and_no_later_one(postgres, action):
    """What is copied may be run minutes later, when the session has committed and is at its next one's work."""
    postgres.psql("DROP TABLE IF EXISTS held; CREATE TABLE held (id int); GRANT ALL ON held TO PUBLIC")
    root = await postgres.session("app", "importer", "BEGIN; LOCK TABLE held")
    waiter = await postgres.session("app", "api")
    task = asyncio.create_task(waiter.execute("SELECT * FROM held"))
    await until(lambda: postgres.psql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", 5, "the waiter")
    shell = (await action("pg.terminate-root-blockers").plan({})).shell
    sql = shlex.split(shell)[-1]
    await root.execute("COMMIT")
    await task
    await root.execute("BEGIN; LOCK TABLE held")
    assert postgres.psql(sql) == "" and root.get_server_pid() in postgres.alive()
    again = shlex.split((await action("pg.terminate-root-blockers").plan({"pids": str(root.get_server_pid())})).shell)[
        -1
    ]
    assert "WHERE false" in again, "nobody waits for it"
