"""Who is in the way of a replica's replay, and what is never resumed: by recorded rows; the lab's real replica has its own tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alphapulse_tui.actions.postgres_replica import CancelConflicting, ResumeReplay
from alphapulse_tui.config.settings import PostgresServer, PostgresTarget, Profile
from alphapulse_tui.model.plan import Verdict

SNAPSHOT, LOCK = "IPC:RecoveryConflictSnapshot", "Lock:relation"
START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
WHERE = PostgresServer(
    name="replica-0", host="127.0.0.1", port=1, user="oncall", database="postgres", sslmode="disable"
)
PROFILE = Profile(name="t", postgres=PostgresTarget(primary=WHERE, replicas=(WHERE,)))
REPLAY = {
    "in_recovery": True, "started": START, "pause_state": "paused", "received": 10, "replayed": 5, "position": "0/5", "may_resume": True,
    "settings": [], "targets": [], "reading": 0, "role": "oncall", "version": 170000, "wait": SNAPSHOT,
}  # fmt: skip


def session(pid, **fields):
    """A row of conflicting.sql: a report with a snapshot."""
    return {
        "pid": pid, "backend_start": START, "xact_start": START, "usename": "app", "datname": "prod", "application": "report",
        "client": "local", "state": "active", "seconds": 60.0, "query": "SELECT 1", "has_snapshot": True, "named": False,
        "replay_wait": SNAPSHOT, "superuser": False, "replication": False, "may_signal": True, "role": "oncall", **fields,
    }  # fmt: skip


def recorded(kind, rows=(), **replay):
    """The action on a replica that has these sessions, and this replay."""
    action = kind(PROFILE)
    connection = action.on("replica-0")

    async def answer(text, *_):
        return list(rows) if "blocked_by" in text else [{**REPLAY, **replay}]

    connection.rows = answer
    action.on().rows = answer
    return action


async def test_the_oldest_snapshot_is_in_the_way_of_one_database() -> None:
    plan = await recorded(CancelConflicting, [session(1), session(2)]).plan({})
    assert ([one.key for one in plan.victims], plan.refusal) == (["pid 1"], "")


async def test_of_several_databases_nobody_is_chosen_but_a_person_may() -> None:
    cancel = recorded(CancelConflicting, [session(1, datname="other"), session(2), session(3)])
    plan = await cancel.plan({})
    assert plan.victims == () and "pid 1 of other" in plan.refusal and "pid 2 of prod" in plan.refusal
    assert [one.key for one in (await cancel.plan({"pids": "2"})).victims] == ["pid 2"]


@pytest.mark.parametrize(
    "rows",
    [
        [session(1, has_snapshot=False), session(2)],
        [session(1, replay_wait=LOCK), session(2, named=True, replay_wait=LOCK)],
    ],
)
async def test_a_session_that_was_named_and_is_not_in_the_way_is_left_alone(rows) -> None:
    plan = await recorded(CancelConflicting, rows).plan({"pids": "1"})
    assert plan.victims == () and plan.refusal == "pid 1 is left alone: it is not in the way"


async def test_the_shell_form_ends_an_idle_session_too_and_knows_the_transaction() -> None:
    rows = [session(7, state="idle in transaction", named=True, replay_wait=LOCK)]
    plan = await recorded(CancelConflicting, rows).plan({})
    assert "ELSE pg_terminate_backend(pid)" in plan.shell
    assert f"(7, '{START.isoformat(timespec='microseconds')}'::timestamptz" in plan.shell
    assert "state = 'active') IN" in plan.shell and plan.shell.count("false") == 1


async def test_an_aborted_transaction_is_not_in_the_way_any_more() -> None:
    plan = await recorded(CancelConflicting, [session(1)]).plan({})
    aborted = session(1, state="idle in transaction (aborted)", has_snapshot=False, replay_wait="")
    found = await recorded(CancelConflicting, [aborted], wait="").verify(plan)
    assert found.verdict is Verdict.VERIFIED, found
    assert (await recorded(CancelConflicting, [session(1)]).verify(plan)).verdict is Verdict.PENDING


@pytest.mark.parametrize(
    ("targets", "refused"), [([], ""), (["recovery_target_time = 2026-01-01 10:00"], "promotes it")]
)
async def test_a_recovery_target_is_never_resumed(targets, refused) -> None:
    plan = await recorded(ResumeReplay, targets=targets).plan({})
    assert (refused in plan.refusal, bool(refused)) == (True, bool(plan.refusal)), plan.refusal
    assert not targets or "recovery_target_time" in plan.refusal
