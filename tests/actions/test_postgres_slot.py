"""Dropping a slot that was left behind: on a real server, psql as witness; what makes it not left behind is refused by name."""

from __future__ import annotations

import asyncio
import subprocess

import msgspec
import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import PostgresServer
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.conftest import tool_path
from tests.actions.postgres_actions import action, proof
from tests.waiting import wait_until

__all__ = ["action"]

SLOT = "old_replica_1"
SLOTS = "SELECT count(*) FROM pg_replication_slots"


@pytest.fixture
def slot(postgres):
    """The server with a slot that nobody reads, and oncall may become the replication role; no slot and no such right afterwards."""
    postgres.psql(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    postgres.psql("GRANT copier TO oncall WITH INHERIT FALSE, SET TRUE")
    yield postgres
    postgres.psql("REVOKE copier FROM oncall")
    wait_until(lambda: postgres.psql(SLOTS + " WHERE active") == "0", 10, "slots that nobody reads")
    postgres.psql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


async def test_it_is_dropped_by_becoming_the_replication_role(slot, action):
    drop = action("pg.drop-slot")
    plan = await drop.plan({})
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DESTRUCTIVE, SLOT)
    assert (plan.params["slot"], plan.undo_action) == (SLOT, "") and plan.undo.startswith(
        "none: the next checkpoint removes"
    )
    assert "SET ROLE copier" in plan.shell and any("becomes copier" in one for one in plan.warnings)
    facts = plan.victims[0].facts
    assert (facts["read by"], facts["safe_wal_size"]) == ("nobody", "no limit") and facts["unread for"].endswith("s")
    assert (await drop.reading(plan))["slot"] == f"{SLOT}: not read"
    assert (await drop.execute(plan)).outcome is Outcome.DONE
    assert (await proof(drop, plan)).reading["slot"] == f"{SLOT}: gone"
    assert slot.psql(SLOTS) == "0"
    assert (await drop.execute(plan)).outcome is Outcome.REFUSED


async def test_who_may_not_is_told_what_would_make_it_possible(slot, action):
    slot.psql("REVOKE copier FROM oncall")
    plan = await action("pg.drop-slot").plan({"slot": SLOT})
    assert "GRANT copier TO oncall WITH INHERIT FALSE, SET TRUE" in plan.refusal
    assert "can also copy every table" in plan.refusal and SLOT in plan.shell
    with pytest.raises(ActionProblem, match="refuses: permission denied"):
        await action("pg.drop-slot").execute(plan)
    assert slot.psql(SLOTS) == "1"


async def test_one_that_was_made_anew_is_not_the_one_that_was_shown(slot, action):
    drop = action("pg.drop-slot")
    plan = await drop.plan({"slot": SLOT})
    slot.psql(f"SELECT pg_drop_replication_slot('{SLOT}')")
    slot.psql("SELECT pg_logical_emit_message(true, 'test', 'some WAL')")
    slot.psql("CHECKPOINT")
    slot.psql(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    result = await drop.execute(plan)
    assert result.outcome is Outcome.REFUSED and "made it anew" in result.sentence
    assert (await drop.verify(plan)).verdict is Verdict.PENDING
    assert slot.psql(SLOTS) == "1"


async def test_one_that_somebody_reads_is_refused_before_and_at_the_drop(slot, action, tmp_path):
    drop = action("pg.drop-slot")
    before = await drop.plan({"slot": SLOT})
    tmp_path.chmod(0o777)
    where = ["-h", "127.0.0.1", "-p", str(slot.port), "-U", "copier", "-D", str(tmp_path), "-S", SLOT, "--no-loop"]
    reader = await asyncio.create_subprocess_exec(tool_path("pg_receivewal"), *where, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: slot.psql(SLOTS + " WHERE active") == "1", 10, "a reader of the slot")
        plan = await drop.plan({"slot": SLOT})
        assert plan.refusal.startswith("it is in use: pid ") and plan.victims[0].facts["read by"].startswith("pid ")
        assert (await drop.execute(before)).outcome is Outcome.REFUSED
        assert (await drop.verify(before)).verdict is Verdict.CONTRADICTED
        with pytest.raises(ActionProblem, match="no slot is left behind"):
            await drop.plan({})
    finally:
        reader.terminate()
        await reader.wait()


async def test_a_replica_that_does_not_answer_may_own_it(slot, action):
    drop = action("pg.drop-slot")
    silent = PostgresServer(
        name="replica-0", host="127.0.0.1", port=1, user="oncall", database="postgres", sslmode="disable"
    )
    target = msgspec.structs.replace(drop.profile.postgres, replicas=(silent,))
    profile = msgspec.structs.replace(drop.profile, postgres=target)
    asked = make_action("pg.drop-slot", profile)
    try:
        refusal = (await asked.plan({"slot": SLOT})).refusal
        assert refusal.startswith("whether it is the slot of replica-0 is not known (replica-0 refuses connections")
        with pytest.raises(ActionProblem, match="replica-0 refuses connections"):
            await asked.plan({})
    finally:
        await asked.close()


@pytest.mark.parametrize("name", ["Robert'); DROP", "x" * 64, "a b", "\x1b[2J"])
async def test_what_is_no_name_is_not_asked_for(action, name):
    with pytest.raises(ActionProblem, match="no name of a replication slot"):
        await action("pg.drop-slot").plan({"slot": name})


async def test_one_that_is_gone(slot, action):
    with pytest.raises(ActionProblem, match='there is no replication slot "other" on primary'):
        await action("pg.drop-slot").plan({"slot": "other"})


async def test_the_condition_is_in_the_request(slot, action):
    drop = action("pg.drop-slot")
    plan = await drop.plan({"slot": SLOT})
    older = msgspec.structs.replace(plan, preconditions={**plan.preconditions, "position": "0/1"})
    assert (await drop.execute(older)).outcome is Outcome.REFUSED
    assert slot.psql(SLOTS) == "1"
