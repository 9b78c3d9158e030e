"""What is done on a replica, on the lab's real primary and replica; psql on the replica is the witness."""

from __future__ import annotations

import signal

import msgspec
import psutil
import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.model.plan import Outcome, Verdict
from tests.actions.postgres_actions import proof
from tests.lab_handle import LabHandle
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

REPLICA = "postgres-replica-0"
STATE = "SELECT pg_get_wal_replay_pause_state()"
PENDING = "SELECT setting || ' ' || pending_restart FROM pg_settings WHERE name = 'max_connections'"


@pytest.fixture
async def action(postgres_lab: LabHandle):
    """A maker of actions with the lab's own profile."""
    profile = load_profile("lab", str(postgres_lab.profile)).profile
    made = []

    def make(action_id: str):
        made.append(make_action(action_id, profile))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def test_a_pause_is_resumed_once_and_only_where_it_was(postgres_lab: LabHandle, action) -> None:
    resume = action("pg.resume-replay")
    assert (await resume.plan({})).refusal == f"{REPLICA} is not paused"
    postgres_lab.break_("replica-lag")
    plan = await resume.plan({})
    assert plan.refusal == "" and plan.title.endswith(REPLICA)
    await resume.execute(plan)
    await proof(resume, plan)
    assert postgres_lab.psql(STATE, server=REPLICA) == "not paused"
    again = await resume.execute(plan)
    assert again.outcome is Outcome.REFUSED and "no longer paused there" in again.sentence


async def test_lower_settings_and_a_silent_primary_are_refused(postgres_lab: LabHandle, action, monkeypatch) -> None:
    postgres_lab.break_("replica-lag")
    monkeypatch.setattr("alphapulse_tui.actions.postgres_replica.smaller", lambda *_: ("max_connections 60 < 100",))
    assert "resuming would shut it down" in (await action("pg.resume-replay").plan({})).refusal
    monkeypatch.undo()
    resume = action("pg.resume-replay")

    async def silent(*_):
        raise ActionProblem("primary gave no answer in time")

    monkeypatch.setattr(resume.on(), "rows", silent)
    assert "is not known (primary gave no answer in time)" in (await resume.plan({})).refusal


async def test_a_replica_that_hangs_after_sending_leaves_it_open(postgres_lab: LabHandle, action, monkeypatch) -> None:
    monkeypatch.setattr("alphapulse_tui.actions.postgres_connection.COMMAND_SECONDS", 0.5)
    postgres_lab.break_("replica-lag")
    resume = action("pg.resume-replay")
    plan = await resume.plan({})
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'alphapulse-tui'"
    backend = psutil.Process(int(postgres_lab.psql(ours, server=REPLICA)))
    backend.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(SentWithoutAnswer, match="no answer in time"):
            await resume.execute(plan)
    finally:
        backend.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("kind", ["snapshot", "lock"])
async def test_the_report_in_the_way_is_cancelled(postgres_lab: LabHandle, action, kind: str) -> None:
    cancel = action("pg.cancel-conflicting")
    assert "waits for nobody" in (await cancel.plan({})).refusal
    postgres_lab.break_("replica-conflict", kind)
    plan = await cancel.plan({"replica": REPLICA})
    assert [victim.facts["application"] for victim in plan.victims] == ["monthly-report"]
    assert (await cancel.execute(plan)).sentence == "1 of 1 signalled"
    await proof(cancel, plan)
    caught_up = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
    await until(lambda: postgres_lab.psql(caught_up, server=REPLICA) == "t", 20, "the replica to have caught up")
    assert (await cancel.execute(plan)).outcome is Outcome.REFUSED


async def test_max_connections_goes_to_the_standby_first(postgres_lab: LabHandle, action) -> None:
    write = action("pg.set-max-connections")
    assert f"{REPLICA} has 60" in (await write.plan({"value": "80"})).refusal
    lower = await write.plan({"value": "50", "server": REPLICA})
    assert "lower the primary first" in lower.refusal
    standby = await write.plan({"value": "80", "server": REPLICA})
    await write.execute(standby)
    await proof(write, standby)
    assert postgres_lab.psql(PENDING, server=REPLICA) == "60 true"
    primary = await write.plan({"value": "80"})
    assert primary.refusal == "" and any("must be restarted before the primary" in one for one in primary.warnings)
    await write.execute(primary)
    await proof(write, primary)
    assert postgres_lab.psql(PENDING) == "60 true"
    for done in (primary, standby):
        back = await write.plan(done.undo_params)
        await write.execute(back)
        assert "nothing waits for a restart" in (await proof(write, back)).sentence
    assert (postgres_lab.psql(PENDING), postgres_lab.psql(PENDING, server=REPLICA)) == ("60 false", "60 false")


async def test_a_replica_that_is_not_there(action) -> None:
    with pytest.raises(ActionProblem, match=f'no replica "other"; it has: {REPLICA}'):
        await action("pg.resume-replay").plan({"replica": "other"})


async def test_verdicts_while_it_is_still_paused(postgres_lab: LabHandle, action) -> None:
    postgres_lab.break_("replica-lag")
    resume = action("pg.resume-replay")
    plan = await resume.plan({})
    found = await resume.verify(plan)
    assert found.verdict is Verdict.PENDING and found.sentence == f"{REPLICA} is still paused"


async def test_a_pause_that_ends_in_a_conflict_has_not_caught_up(postgres_lab: LabHandle, action) -> None:
    postgres_lab.break_("replica-lag")
    resume = action("pg.resume-replay")
    plan = await resume.plan({})
    await resume.execute(plan)
    await proof(resume, plan)
    # What may wait behind a pause; the fault itself cannot be made while it lasts.
    postgres_lab.break_("replica-conflict")
    found = await resume.verify(plan)
    assert found.verdict is Verdict.VERIFIED and "caught up" not in found.sentence
    assert "its replay waits for a query (IPC:RecoveryConflictSnapshot)" in found.sentence


async def test_only_who_is_in_the_way_and_does_what_was_shown_is_ended(postgres_lab: LabHandle, action) -> None:
    cancel = action("pg.cancel-conflicting")
    postgres_lab.break_("replica-conflict", "lock")
    bystander = await cancel.on(REPLICA).connect({"application_name": "bystander"})
    try:
        await bystander.execute("BEGIN; SELECT 1")
        left = await cancel.plan({"replica": REPLICA, "pids": str(bystander.get_server_pid())})
        assert "it is not in the way" in left.refusal
        plan = await cancel.plan({"replica": REPLICA})
        other = "active" if plan.victims[0].facts["state"] != "active" else "idle in transaction"
        shown = msgspec.structs.replace(plan.victims[0], facts={**plan.victims[0].facts, "state": other})
        assert (await cancel.execute(msgspec.structs.replace(plan, victims=(shown,)))).outcome is Outcome.REFUSED
        assert (await cancel.execute(plan)).outcome is Outcome.DONE
        await proof(cancel, plan)
    finally:
        bystander.terminate()


async def test_the_slot_of_a_replica_is_never_dropped_whether_it_receives_or_not(
    postgres_lab: LabHandle, action
) -> None:
    own = "postgres_replica_0"
    drop = action("pg.drop-slot")
    assert (await drop.plan({"slot": own})).refusal.startswith("it is in use")
    postgres_lab.break_("replica-stopped")
    assert (await drop.plan({"slot": own})).refusal.startswith(f"it is the slot of {REPLICA}")
    with pytest.raises(ActionProblem, match="no slot is left behind"):
        await drop.plan({})
    postgres_lab.break_("replication-slot-left-behind")
    plan = await drop.plan({})
    assert plan.params["slot"] == "reporting_replica_1" and "GRANT replicator TO oncall" in plan.refusal
    assert postgres_lab.psql("SELECT count(*) FROM pg_replication_slots") == "2"
