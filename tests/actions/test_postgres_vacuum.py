"""Dead rows removed table by table, with progress: on a real server, psql as witness."""

from __future__ import annotations

import pytest

from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.postgres_actions import action, proof
from tests.waiting import until

__all__ = ["action"]

DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'deals'"
VACUUMED = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'deals' AND last_vacuum IS NOT NULL AND last_analyze IS NOT NULL"


@pytest.fixture
async def deals(postgres):
    """Two tables of ``owner``'s with dead rows, one of which oncall may maintain."""
    postgres.psql(
        "DROP TABLE IF EXISTS deals, orders; CREATE TABLE deals (id int) WITH (autovacuum_enabled = off);"
        "CREATE TABLE orders (id int) WITH (autovacuum_enabled = off);"
        "ALTER TABLE deals OWNER TO owner; ALTER TABLE orders OWNER TO owner; GRANT MAINTAIN ON deals TO oncall;"
        "INSERT INTO deals SELECT generate_series(1, 20000); INSERT INTO orders SELECT generate_series(1, 500);"
    )
    postgres.psql("DELETE FROM deals WHERE id % 2 = 0; DELETE FROM orders")
    await until(lambda: postgres.psql(DEAD) == "10000", 10, "the statistics of what died")
    yield postgres
    postgres.psql("ALTER SYSTEM RESET ALL")
    postgres.psql("SELECT pg_reload_conf()")
    await postgres.end_sessions()
    postgres.psql("DROP TABLE deals, orders")


async def test_dead_rows_are_removed_and_what_we_may_not_is_named(deals, action):
    vacuum = action("pg.vacuum")
    plan = await vacuum.plan({"tables": "deals, public.orders"})
    assert (plan.refusal, plan.risk, [one.key for one in plan.victims]) == ("", Risk.SAFE, ["table public.deals"])
    assert any("public.orders is left out: it belongs to owner; GRANT MAINTAIN" in one for one in plan.warnings)
    assert "10,000 dead rows of public.deals" in plan.sentence and "TRUNCATE false" in plan.shell
    assert await vacuum.reading(plan) == {"dead rows of public.deals": "10,000"}
    assert (await vacuum.execute(plan)).sentence == "done"
    assert (await proof(vacuum, plan)).reading == {"dead rows of public.deals": "0"}
    assert (deals.psql(VACUUMED), deals.psql(DEAD)) == ("1", "0")


async def test_without_a_name_what_autovacuum_should_have_done(deals, action):
    plan = await action("pg.vacuum").plan({})
    assert [one.key for one in plan.victims] == ["table public.deals"]
    assert (await action("pg.vacuum").plan({"tables": "orders"})).refusal.startswith("public.orders is left out")
    assert (await action("pg.vacuum").plan({"tables": "other"})).refusal == "there is no table other in this database"
    deals.psql("VACUUM deals; ")
    deals.psql("VACUUM orders")
    assert (await action("pg.vacuum").plan({})).refusal == "no table has more dead rows than autovacuum waits for"


async def test_progress_is_read_from_the_server_by_anybody(deals, action):
    for setting in ("autovacuum_vacuum_cost_delay = '100ms'", "vacuum_cost_limit = 1"):
        deals.psql(f"ALTER SYSTEM SET {setting}")
    deals.psql("SELECT pg_reload_conf()")
    vacuum = action("pg.vacuum")
    await until(lambda: deals.psql("SHOW vacuum_cost_limit") == "1", 10, "the slower pace")
    plan = await vacuum.plan({"tables": "deals"})
    assert plan.preconditions["delay"] == "100ms"
    assert (await vacuum.execute(plan)).sentence.startswith("begun")
    seen = []

    async def scans() -> bool:
        seen.append((await action("pg.vacuum").verify(plan)).sentence)
        return "on deals for" in seen[-1] and " %" in seen[-1]

    await until(scans, 10, "its progress")
    assert (await vacuum.verify(plan)).verdict is Verdict.PENDING
    deals.psql("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum")
    found = await proof(vacuum, plan, Verdict.CONTRADICTED)
    assert "nobody is at it: public.deals" in found.sentence and "cancelled" in found.sentence
    assert deals.psql(VACUUMED) == "0"


async def test_a_locked_table_is_skipped_and_no_success(deals, action):
    await deals.session("dba", "migration", "BEGIN; LOCK TABLE deals IN ACCESS EXCLUSIVE MODE")
    vacuum = action("pg.vacuum")
    plan = await vacuum.plan({"tables": "deals"})
    result = await vacuum.execute(plan)
    assert result.outcome is Outcome.DONE and "skipping vacuum of" in result.sentence
    found = await vacuum.verify(plan)
    assert found.verdict is Verdict.CONTRADICTED and "lock not available" in found.sentence


async def test_rows_that_an_old_transaction_sees_stay_and_are_told(deals, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.postgres_vacuum.OLD_SECONDS", 0.0)
    await deals.session("worker", "report", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
    deals.psql("DELETE FROM deals WHERE id % 5 = 0")
    vacuum = action("pg.vacuum")
    plan = await vacuum.plan({"tables": "deals"})
    assert any("worker report (idle in transaction) has a transaction open" in one for one in plan.warnings)
    await vacuum.execute(plan)
    found = await proof(vacuum, plan)
    assert "2,000 dead rows are left: an older transaction, here or on a replica, still sees them" in found.sentence
