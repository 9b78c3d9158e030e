"""Tables whose names need quotes: what a view shows is the table that is touched. On a real server."""

from __future__ import annotations

import pytest

from tests.actions.postgres_actions import action, proof

__all__ = ["action"]

ODD = 'Odd "Table".x'


@pytest.fixture
def orders(postgres):
    """``orders``, ``"Orders"`` and one with a space, a quote and a dot, all of ``owner``'s."""
    postgres.psql(
        'DROP TABLE IF EXISTS orders, "Orders", "Odd ""Table"".x"; CREATE TABLE orders (a int); CREATE TABLE "Orders" (a int);'
        'CREATE TABLE "Odd ""Table"".x" (a int); INSERT INTO "Orders" SELECT generate_series(1, 100);'
        'ALTER TABLE orders OWNER TO owner; ALTER TABLE "Orders" OWNER TO owner; ALTER TABLE "Odd ""Table"".x" OWNER TO owner;'
        'GRANT MAINTAIN ON orders, "Orders", "Odd ""Table"".x" TO oncall'
    )
    yield postgres
    postgres.psql('DROP TABLE orders, "Orders", "Odd ""Table"".x"')


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("public.Orders", "Orders"),  # As the views show it.
        ('public."Orders"', "Orders"),
        ("public.orders", "orders"),
        ("public.ORDERS", "orders"),  # As SQL reads it, where no table is called so.
        (f"public.{ODD}", ODD),
        ("orders", "orders"),
    ],
)
async def test_a_name_is_the_table_that_the_view_shows(orders, action, asked, name):
    oid = orders.psql(f"SELECT oid FROM pg_class WHERE relkind = 'r' AND relname = '{name}'")
    for action_id in ("pg.analyze", "pg.vacuum"):
        plan = await action(action_id).plan({"tables": asked})
        assert [victim.identity for victim in plan.victims] == [oid] and plan.refusal == ""
    plan = await action("pg.create-index").plan({"table": asked, "columns": "a"})
    assert plan.preconditions["table"] == oid and plan.refusal == ""


@pytest.mark.parametrize("name", ["Orders", ODD])
async def test_an_index_on_it_is_built_planned_again_and_undone(orders, action, name):
    create = action("pg.create-index")
    plan = await create.plan({"table": f"public.{name}", "columns": "a"})
    again = await create.plan(plan.params)
    assert (again.preconditions, again.sentence) == (plan.preconditions, plan.sentence)
    await create.execute(again)
    await proof(create, again)
    on = "SELECT relname FROM pg_class WHERE oid = (SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass('\"{}\"'))"
    assert orders.psql(on.format(plan.params["name"])) == name
    drop = action("pg.drop-index")
    back = await drop.plan(plan.undo_params)
    await drop.execute(back)
    await proof(drop, back)
    assert (await create.plan(back.undo_params)).preconditions["table"] == plan.preconditions["table"]


async def test_what_the_invalid_index_was_meant_to_be_is_said(orders, action):
    orders.psql('INSERT INTO "Orders" VALUES (1)')
    with pytest.raises(AssertionError, match="could not create unique index"):
        orders.psql('CREATE UNIQUE INDEX CONCURRENTLY idx_orders ON "Orders" (a)')
    wanted = {"table": "public.Orders", "columns": "a", "name": "idx_orders"}
    plan = await action("pg.create-index").plan(wanted)
    assert any("was meant to be another: CREATE UNIQUE INDEX" in warning for warning in plan.warnings)
    assert plan.sentence.startswith("Drops the INVALID index")
