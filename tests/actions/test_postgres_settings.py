"""Reloading, and planning another max_connections: on a real server, psql as witness. The order of the servers is tested in the lab."""

from __future__ import annotations

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.model.plan import Risk, Verdict
from tests.actions.postgres_actions import action, proof

__all__ = ["action"]

PENDING = "SELECT setting || ' ' || pending_restart FROM pg_settings WHERE name = 'max_connections'"
WRITTEN = "SELECT setting FROM pg_file_settings WHERE name = 'max_connections' AND sourcefile LIKE '%auto.conf'"


@pytest.fixture
def settings(postgres):
    """The server; what a test has written is taken back."""
    yield postgres
    postgres.psql("ALTER SYSTEM RESET max_connections")
    postgres.psql("SELECT pg_reload_conf()")


async def test_written_for_the_next_restart_and_undone(settings, action):
    write = action("pg.set-max-connections")
    plan = await write.plan({"value": "40"})
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE
    assert "Nothing changes before its next restart" in plan.sentence
    assert (plan.undo_action, plan.undo_params) == ("pg.set-max-connections", {"value": "20", "server": "primary"})
    await write.execute(plan)
    # This server has its value on the command line, which beats every file: what is written is in the file all the same.
    assert settings.psql(WRITTEN) == "40"
    back = await write.plan(plan.undo_params)
    if not back.refusal:
        await write.execute(back)
        assert settings.psql(WRITTEN) == "20"


async def test_reload_is_proven_by_its_time(settings, action):
    reload = action("pg.reload")
    plan = await reload.plan({})
    assert (await reload.verify(plan)).verdict is Verdict.PENDING
    await reload.execute(plan)
    await proof(reload, plan)


@pytest.mark.parametrize("value", ["0", "-5", "many", "10001", "4\x1b0"])
async def test_values_that_make_no_sense(action, value):
    with pytest.raises(ActionProblem, match='"value" must be a number'):
        await action("pg.set-max-connections").plan({"value": value})


async def test_the_missing_grants_are_named(action):
    said = (await action("pg.set-max-connections", "watcher").plan({"value": "40"})).refusal
    assert said.endswith("GRANT ALTER SYSTEM ON PARAMETER max_connections TO watcher")
    assert (
        "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO watcher"
        in (await action("pg.reload", "watcher").plan({})).refusal
    )


async def test_an_unknown_server_names_those_there_are(action):
    with pytest.raises(ActionProblem, match='no replica "replica-9"; it has: none'):
        await action("pg.set-max-connections").plan({"value": "40", "server": "replica-9"})
