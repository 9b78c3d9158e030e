"""How low max_connections may go, and what is taken for written: on a real server, and with recorded rows for its standby."""

from __future__ import annotations

import pytest

from alphapulse_tui.actions import api_budget
from alphapulse_tui.actions.postgres_settings import SetMaxConnections
from alphapulse_tui.config.settings import PostgresServer, PostgresTarget, Profile
from alphapulse_tui.model.plan import Risk, Verdict
from alphapulse_tui.model.thresholds import Thresholds
from tests.actions.postgres_actions import action, proof
from tests.waiting import until

__all__ = ["action"]


@pytest.mark.parametrize(("value", "starts"), [("1", False), ("6", False), ("7", True)])
async def test_a_server_that_would_not_start_is_refused(action, value, starts):
    plan = await action("pg.set-max-connections").plan({"value": value})
    assert (plan.refusal == "") is starts
    assert starts or ("6 slots are reserved" in plan.refusal and "at least 7" in plan.refusal)


async def test_fewer_than_are_connected_is_destructive(postgres, action):
    await postgres.sessions(5)
    write = action("pg.set-max-connections")
    plan = await write.plan({"value": "8"})
    assert plan.risk is Risk.DESTRUCTIVE and plan.confirm_word == "primary"
    assert any("connections are in use now" in warning and "find no slot" in warning for warning in plan.warnings)
    enough = await write.plan({"value": "19"})
    assert enough.risk is Risk.DISRUPTIVE and enough.confirm_word == ""


GRANT = "{0} SELECT ON pg_file_settings {1} oncall; {0} EXECUTE ON FUNCTION pg_show_all_file_settings() {1} oncall"
ROW = {
    "value": 100, "boot": 100, "pending_restart": False, "context": "postmaster", "in_recovery": False, "role": "oncall", "may_alter": True,
    "may_reload": True, "managed": False, "work_mem": 4 << 20, "version": 170000, "reserved": 3, "clients": 5, "written": 100,
}  # fmt: skip


def recorded(**servers):
    """The action on a primary and a standby whose rows are these."""
    where = PostgresServer(host="127.0.0.1", port=1, user="oncall", database="postgres", sslmode="disable")
    made = SetMaxConnections(Profile(name="t", postgres=PostgresTarget(primary=where, replicas=(where,))))

    async def setting(server):
        return {**ROW, **servers["replica" if server else "primary"]}

    made._setting = setting
    return made


@pytest.mark.parametrize(
    ("standby", "value", "refused", "warned"),
    [
        ({}, 200, "replica-0 has 100: a standby with less", ""),
        ({"pending_restart": True, "written": 150}, 200, "replica-0 has 150 after its restart", ""),
        ({"pending_restart": True, "written": 200}, 200, "", "must be restarted before the primary"),
        ({"value": 300, "pending_restart": True, "written": 150}, 200, "replica-0 has 150 after its restart", ""),
        ({"pending_restart": True, "written": None}, 200, "", "with a value that we may not read"),
        ({"value": 300, "written": 300}, 200, "", ""),
    ],
)
async def test_what_waits_on_the_standby_counts_for_the_order(standby, value, refused, warned):
    warnings, refusal = await recorded(primary={}, replica=standby)._order(ROW, value)
    assert (refused in refusal, bool(refused)) == (True, bool(refusal)), refusal
    assert any(warned in one for one in warnings) or not warned


async def test_a_standby_keeps_what_the_primary_will_have():
    row = {**ROW, "in_recovery": True}
    _, refusal = await recorded(primary={"pending_restart": True, "written": 200}, replica=row)._order(row, 150)
    assert "less than the primary's 200" in refusal


@pytest.mark.parametrize(
    ("row", "verdict", "says"),
    [
        ({"pending_restart": True, "written": 200}, Verdict.VERIFIED, "100 stays in force"),
        ({"pending_restart": True, "written": 150}, Verdict.CONTRADICTED, "the files say 150, not 200"),
        ({"pending_restart": True, "written": None}, Verdict.UNKNOWN, "GRANT SELECT ON pg_file_settings TO oncall"),
        ({"value": 200, "written": 200}, Verdict.VERIFIED, "200 is in force"),
        ({"value": 200, "written": None}, Verdict.VERIFIED, "200 is in force"),
        ({"written": 200}, Verdict.PENDING, "max_connections is 100"),
    ],
)
async def test_another_value_that_waits_is_not_taken_for_ours(action, row, verdict, says):
    plan = await action("pg.set-max-connections").plan({"value": "200"})
    found = await recorded(primary=row, replica={}).verify(plan)
    assert (found.verdict, says in found.sentence) == (verdict, True), found


async def test_the_files_are_read_by_who_may(postgres, action):
    write = action("pg.set-max-connections")
    try:
        plan = await write.plan({"value": "40"})
        await write.execute(plan)

        async def told() -> bool:
            return (await write.verify(plan)).verdict is Verdict.UNKNOWN

        await until(told, 10, "the reload to have reached the backend, which then may not read what the files say")
        postgres.psql(GRANT.format("GRANT", "TO"))
        assert "20 stays in force" in (await proof(write, plan)).sentence
        postgres.psql("ALTER SYSTEM SET max_connections = 41")
        assert "the files say 41, not 40" in (await write.verify(plan)).sentence
    finally:
        postgres.psql(GRANT.format("REVOKE", "FROM"))
        postgres.psql("ALTER SYSTEM RESET max_connections")
        postgres.psql("SELECT pg_reload_conf()")


@pytest.mark.parametrize(("user", "problem"), [("oncall", ""), ("blind", "GRANT pg_monitor TO blind")])
async def test_sessions_that_are_hidden_are_no_free_slots(postgres, user, problem):
    await postgres.sessions(4, "worker", "importer")
    where = PostgresServer(host="127.0.0.1", port=postgres.port, user=user, database="postgres", sslmode="disable")
    profile = Profile(name="t", postgres=PostgresTarget(primary=where), thresholds=Thresholds(api_pool_size=5))
    budget = await api_budget.budget_of(profile, "api")
    assert problem in budget.problem and bool(budget.problem) is bool(problem)
    refusal, warning = api_budget.verdict_on(budget, 2)
    assert (refusal, "GRANT pg_monitor" in warning) == ("", True) if problem else budget.others == 4
