"""What an undo of a dropped index may promise, and builds that last: on a real server, psql as witness."""

from __future__ import annotations

import pytest

from alphapulse_tui.model.plan import Verdict
from tests.actions.postgres_actions import action, proof

__all__ = ["action"]

TABLE = (
    "DROP TABLE IF EXISTS notes; CREATE TABLE notes (id int, symbol text, body text); ALTER TABLE notes OWNER TO owner"
)
THERE = "SELECT to_regclass('idx_notes') IS NOT NULL"
WANTED = {"table": "notes", "columns": "id, symbol", "name": "idx_notes"}


@pytest.fixture
def notes(postgres):
    """A table of ``owner``'s."""
    postgres.psql(TABLE)
    return postgres


async def test_a_blocked_drop_outlives_the_time_out_of_other_statements(notes, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.postgres_connection.COMMAND_SECONDS", 0.5)
    notes.psql("CREATE INDEX idx_notes ON notes (id, symbol)")
    reader = await notes.session("dba", "report", "BEGIN; LOCK TABLE notes IN ACCESS SHARE MODE")
    drop = action("pg.drop-index")
    plan = await drop.plan({"index": "public.idx_notes"})
    # It is watched for 2 s: four times as long as any other statement may take.
    assert (await drop.execute(plan)).sentence.startswith("begun")
    assert "is at it" in (await proof(drop, plan, Verdict.PENDING)).sentence
    await reader.execute("ROLLBACK")
    await proof(drop, plan)
    assert notes.psql(THERE) == "f"


@pytest.mark.parametrize(
    ("definition", "again"),
    [
        ("CREATE INDEX idx_notes ON notes (id, symbol)", True),
        ("CREATE INDEX idx_notes ON notes USING hash (id)", False),
        ("CREATE INDEX idx_notes ON notes (id) INCLUDE (body)", False),
        ("CREATE INDEX idx_notes ON notes (symbol text_pattern_ops)", False),
        ("CREATE INDEX idx_notes ON notes (id DESC)", False),
        ('CREATE INDEX idx_notes ON notes (symbol COLLATE "C")', False),
        ("CREATE INDEX idx_notes ON notes (id) WITH (fillfactor = 70)", False),
        ("CREATE INDEX idx_notes ON notes (id) WHERE id > 5", False),
        ("CREATE INDEX idx_notes ON notes (lower(symbol))", False),
        ("CREATE INDEX idx_notes ON notes (id); CLUSTER notes USING idx_notes", False),
    ],
)
async def test_an_undo_is_offered_only_where_it_builds_the_same(notes, action, definition, again):
    notes.psql(definition)
    plan = await action("pg.drop-index").plan({"index": "public.idx_notes"})
    assert plan.refusal == "" and "create it again: CREATE INDEX" in plan.undo
    assert (plan.undo_action, bool(plan.undo_params)) == ("pg.create-index" if again else "", again)


async def test_another_kind_of_index_is_not_the_same_one(notes, action):
    notes.psql("CREATE INDEX other ON notes USING brin (id, symbol)")
    assert (await action("pg.create-index").plan(WANTED)).refusal == ""
    notes.psql("CREATE INDEX covering ON notes (id, symbol) INCLUDE (body)")
    assert "covering has the same columns" in (await action("pg.create-index").plan(WANTED)).refusal


async def test_what_ends_while_it_is_read_is_seen(notes, action, monkeypatch):
    create, drop = action("pg.create-index"), action("pg.drop-index")
    plan = await create.plan(WANTED)

    async def built(_):
        notes.psql("CREATE INDEX IF NOT EXISTS idx_notes ON notes (id, symbol)")
        return ""

    monkeypatch.setattr(create, "running", built)
    assert (await create.verify(plan)).verdict is Verdict.VERIFIED
    back = await drop.plan({"index": "public.idx_notes"})

    async def dropped(_):
        notes.psql("DROP INDEX IF EXISTS idx_notes")
        return ""

    monkeypatch.setattr(drop, "running", dropped)
    assert (await drop.verify(back)).verdict is Verdict.VERIFIED
