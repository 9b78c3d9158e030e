"""The executor without sockets: the order of its guards, and what it says when the target or the journal misbehaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.confirm import LETTERS, required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import ExecutorProblem, Resolution, Stage
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.model.plan import Outcome, Result, Risk, Verdict
from tests.executor import trial
from tests.executor.conftest import Target, run, settled
from tests.waiting import until

RUN_KINDS = [Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED]


def kinds(journal: Journal) -> list[Kind]:
    return [event.kind for event in journal.events()]


async def test_a_run_is_journaled_step_by_step_and_proven_by_the_target(
    executor: Executor, journal: Journal, target: Target
) -> None:
    plan = await executor.plan("test.set", {"value": "7"})
    steps = await run(executor, plan, reason="the number is wrong", incident="INC-0001")
    assert [step.stage for step in steps] == [Stage.CHECKING, Stage.INTENT, Stage.SENT, Stage.OUTCOME, Stage.VERIFIED]
    assert steps[-1].verification is not None and steps[-1].verification.verdict is Verdict.VERIFIED
    assert (steps[-1].before["value"], steps[-1].verification.reading["value"]) == ("1", "7")
    assert (await target.state())["sends"] == 1
    assert kinds(journal) == RUN_KINDS
    intent, _, outcome, verified = journal.events()
    assert intent.payload["digest"] == plan.digest() and intent.payload["reason"] == "the number is wrong"
    assert {event.incident for event in journal.events()} == {"INC-0001"}
    assert outcome.payload["outcome"] == "done"
    assert verified.payload["before"]["value"] == "1" and verified.payload["after"]["value"] == "7"
    assert await executor.reconciler.unresolved() == []


@pytest.mark.parametrize("action", ["test.set", "test.disruptive", "test.destructive"])
async def test_a_run_needs_the_confirmation_of_its_risk(executor: Executor, target: Target, action: str) -> None:
    plan = await executor.plan(action, {"value": "7"})
    required = required_confirmation(plan)
    for wrong in {"", "enter", "the number", *LETTERS} - {required}:
        with pytest.raises(ExecutorProblem, match="not confirmed"):
            await run(executor, plan, confirmation=wrong)
    assert (await target.state())["sends"] == 0
    assert (await run(executor, plan))[-1].stage is Stage.VERIFIED


async def test_only_a_plan_that_was_made_here_and_seen_as_it_is_runs_and_only_once(
    executor: Executor, target: Target
) -> None:
    plan = await executor.plan("test.set", {"value": "7"})
    other = await executor.plan("test.set", {"value": "8"})
    with pytest.raises(ExecutorProblem, match="not what was planned"):
        [step async for step in executor.execute(plan.id, other.digest(), "enter")]
    with pytest.raises(ExecutorProblem, match="not known here"):
        [step async for step in executor.execute("0" * 32, plan.digest(), "enter")]
    await run(executor, plan)
    with pytest.raises(ExecutorProblem, match="not known here"):
        await run(executor, plan)
    assert (await target.state())["sends"] == 1


async def test_read_only_refuses_but_plans_and_looks(profile: Profile, journal: Journal, target: Target) -> None:
    executor = Executor(profile, journal, read_only=True, registry=trial.registry)
    plan = await executor.plan("test.set", {"value": "7"})
    with pytest.raises(ExecutorProblem, match="read-only"):
        await run(executor, plan)
    with pytest.raises(ExecutorProblem, match="read-only"):
        await executor.arming.arm("trial")
    steps = await run(executor, await executor.plan("test.look", {}))
    assert steps[-1].result == Result(Outcome.DONE, "looked", {"value": "1"})
    assert (await target.state())["sends"] == 0 and kinds(journal) == []


@pytest.mark.parametrize(
    ("confirmed", "now", "stands"),
    [
        (Risk.SAFE, Risk.SAFE, True),
        (Risk.SAFE, Risk.DISRUPTIVE, False),
        (Risk.DISRUPTIVE, Risk.DESTRUCTIVE, False),
        (Risk.DESTRUCTIVE, Risk.SAFE, True),
    ],
)
async def test_a_plan_that_became_riskier_is_not_what_was_confirmed(
    profile: Profile, journal: Journal, target: Target, confirmed: Risk, now: Risk, stands: bool
) -> None:
    class Moody(trial.Trial):
        risk = confirmed

    executor = Executor(profile, journal, registry=lambda _, mine: Moody(mine))
    plan = await executor.plan("test.set", {"value": "7"})
    Moody.risk = now
    steps = await run(executor, plan)
    if stands:
        assert steps[-1].stage is Stage.VERIFIED
        return
    said = f"it was {confirmed.value} when it was confirmed and is {now.value} now"
    assert steps[-1].result is not None and steps[-1].result.outcome is Outcome.REFUSED
    assert said in steps[-1].result.sentence and (await target.state())["sends"] == 0


async def test_production_must_be_armed_and_disarms_itself_after_an_hour(profile: Profile, journal: Journal) -> None:
    now = [1000.0]
    live = Profile(name="live", environment="live", production=True, api=profile.api)
    executor = Executor(live, journal, registry=trial.registry, clock=lambda: now[0], monotonic=lambda: now[0])
    plan = await executor.plan("test.set", {"value": "7"})
    with pytest.raises(ExecutorProblem, match="not armed"):
        await run(executor, plan)
    with pytest.raises(ExecutorProblem, match="not the environment's name"):
        await executor.arming.arm("lab")
    assert await executor.arming.arm("live") == 4600.0 and executor.status().armed_until == 4600.0
    assert (await run(executor, plan))[-1].stage is Stage.VERIFIED
    now[0] += 3600.0
    later = await executor.plan("test.set", {"value": "8"})
    with pytest.raises(ExecutorProblem, match="not armed"):
        await run(executor, later)
    await executor.arming.arm("live")
    await executor.arming.disarm("by hand")
    with pytest.raises(ExecutorProblem, match="not armed"):
        await run(executor, later)
    assert [kind for kind in kinds(journal) if kind not in RUN_KINDS] == [Kind.ARMED, Kind.ARMED, Kind.DISARMED]


class FailingJournal(Journal):
    """A real journal whose disk says no to one kind of event."""

    refuses: Kind | None = None

    def append(self, kind: Kind, payload: Mapping[str, Any], incident: str = "") -> Event:
        if kind is self.refuses:
            assert self._writer_connection is not None
            self._writer_connection.execute("PRAGMA query_only = ON")
        try:
            return super().append(kind, payload, incident)
        finally:
            assert self._writer_connection is not None
            self._writer_connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(("refused", "left"), [(Kind.INTENT, []), (Kind.SENT, [Kind.INTENT, Kind.OUTCOME])])
async def test_what_is_not_on_disk_is_not_sent(
    profile: Profile, tmp_path: Any, target: Target, refused: Kind, left: list[Kind]
) -> None:
    journal = FailingJournal.open(tmp_path / "j" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    journal.refuses = refused
    executor = Executor(profile, journal, registry=trial.registry)
    steps = await run(executor, await executor.plan("test.set", {"value": "7"}))
    result = steps[-1].result
    assert result is not None and result.outcome is Outcome.REFUSED and "nothing was sent" in result.sentence
    assert (await target.state())["sends"] == 0
    assert kinds(journal) == left
    journal.close()


async def test_an_unwritable_journal_is_one_clear_sentence(profile: Profile, tmp_path: Any) -> None:
    journal = FailingJournal.open(tmp_path / "j" / "journal.sqlite", anchor=lambda _: None)
    journal.refuses = Kind.NOTE
    with pytest.raises(JournalUnavailable, match=r"journal .* cannot be written: .* read-only") as raised:
        journal.append(Kind.NOTE, {"text": "x"})
    assert raised.value.__cause__ is None and not isinstance(raised.value, sqlite3.Error)
    journal.close()


async def test_a_victim_that_vanished_is_dropped_and_a_new_one_is_never_added(
    executor: Executor, journal: Journal, target: Target
) -> None:
    plan = await executor.plan("test.stop", {})
    await target.set(workers={"w1": "a", "w3": "c", "w9": "new"})
    steps = await run(executor, plan)
    sent = next(step for step in steps if step.stage is Stage.SENT)
    assert sent.plan is not None and [victim.key for victim in sent.plan.victims] == ["w1", "w3"]
    assert (await target.state())["workers"] == {"w9": "new"}
    assert journal.events(kinds=[Kind.SENT])[0].payload["dropped"] == ["w2"]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"w1": "other", "w2": "b"}, "w1 is not the one that was shown"),
        ({"w9": "new"}, "nothing is left to do"),
        ({}, "nothing is left to do"),
    ],
)
async def test_what_changed_since_stops_the_action(
    executor: Executor, journal: Journal, target: Target, now: dict[str, str], said: str
) -> None:
    plan = await executor.plan("test.stop", {})
    await target.set(workers=now)
    steps = await run(executor, plan)
    assert [step.stage for step in steps] == [Stage.CHECKING, Stage.INTENT, Stage.OUTCOME]
    result = steps[-1].result
    assert result is not None and result.outcome is Outcome.REFUSED and said in result.sentence
    assert (await target.state())["sends"] == 0 and kinds(journal) == [Kind.INTENT, Kind.OUTCOME]
    assert await executor.reconciler.unresolved() == []


async def test_a_precondition_that_changed_stops_the_action(executor: Executor, target: Target) -> None:
    plan = await executor.plan("test.set", {"value": "7"})
    await target.set(generation=5)
    result = (await run(executor, plan))[-1].result
    assert result is not None and "generation was 1 when this was planned and is 5 now" in result.sentence
    assert (await target.state())["sends"] == 0


@pytest.mark.parametrize(
    ("mode", "action", "said"),
    [
        ("slow", "test.set", "no answer within 0.3 s"),
        ("silent", "test.set", "hung up without an answer"),
        ("", "test.broken", "ZeroDivisionError: a mistake of ours"),
    ],
)
async def test_no_answer_after_sending_is_unknown_and_settled_by_the_target(
    executor: Executor, journal: Journal, target: Target, mode: str, action: str, said: str
) -> None:
    await target.set(mode=mode)
    steps = await run(executor, await executor.plan(action, {"value": "7", "deadline": "0.3"}))
    outcome = next(step.result for step in steps if step.stage is Stage.OUTCOME)
    assert outcome is not None and outcome.outcome is Outcome.UNKNOWN and said in outcome.sentence
    assert journal.events(kinds=[Kind.OUTCOME])[0].payload["outcome"] == "unknown"
    verification = steps[-1].verification
    assert verification is not None and verification.verdict is Verdict.VERIFIED
    assert (await target.state())["sends"] == 1  # never sent again by itself
    assert await executor.reconciler.unresolved() == []
    await target.release()


async def test_an_unknown_outcome_locks_the_object_until_a_person_settles_it(
    executor: Executor, journal: Journal, target: Target
) -> None:
    await target.set(mode="deaf")
    lost = await executor.plan("test.set", {"value": "7", "verify_seconds": "0.2"})
    steps = await run(executor, lost)
    assert steps[-1].verification is not None and steps[-1].verification.verdict is Verdict.PENDING
    await target.set(mode="")
    (open_run,) = await executor.reconciler.unresolved()
    assert (open_run.run, open_run.sent, open_run.outcome, open_run.under_way) == (
        lost.id,
        True,
        Outcome.UNKNOWN,
        False,
    )
    again = await executor.plan("test.set", {"value": "8"})
    refused = (await run(executor, again))[-1].result
    assert refused is not None and "test/number is locked: ana on" in refused.sentence
    elsewhere = await executor.plan("test.set", {"value": "9", "object": "test/other"})
    assert (await run(executor, elsewhere))[-1].stage is Stage.VERIFIED
    probed = await executor.reconciler.probe(lost.id)
    assert (probed.verdict, probed.sentence) == (Verdict.PENDING, "the number is still 9")
    assert (await executor.reconciler.resolve(lost.id, Resolution.VERIFY)).verdict is Verdict.PENDING
    assert len(await executor.reconciler.unresolved()) == 1  # neither yes nor no settles nothing
    with pytest.raises(ExecutorProblem, match="needs evidence"):
        await executor.reconciler.resolve(lost.id, Resolution.ABANDON, " ")
    await executor.reconciler.resolve(lost.id, Resolution.ABANDON, "the generation never moved")
    assert await executor.reconciler.unresolved() == []
    with pytest.raises(ExecutorProblem, match="settled meanwhile"):
        await executor.reconciler.resolve(lost.id, Resolution.DONE, "x")
    plan = await executor.plan("test.set", {"value": "8"})
    assert (await run(executor, plan))[-1].stage is Stage.VERIFIED


async def test_a_lock_can_be_overridden_and_that_is_journaled(
    executor: Executor, journal: Journal, target: Target
) -> None:
    await target.set(mode="deaf")
    await run(executor, await executor.plan("test.set", {"value": "7", "verify_seconds": "0"}))
    await target.set(mode="")
    plan = await executor.plan("test.set", {"value": "8"})
    assert (await run(executor, plan))[-1].result is not None
    steps = await run(executor, plan, override="the first one never left")
    assert steps[-1].stage is Stage.VERIFIED
    assert journal.events(kinds=[Kind.INTENT])[-1].payload["override"] == "the first one never left"


async def test_leaving_the_watcher_does_not_stop_the_run(executor: Executor, journal: Journal, target: Target) -> None:
    await target.set(mode="slow")
    plan = await executor.plan("test.set", {"value": "7"})
    watching = executor.execute(plan.id, plan.digest(), "enter")
    async for step in watching:
        if step.stage is Stage.SENT:
            break
    await watching.aclose()
    assert executor.busy
    (open_run,) = await executor.reconciler.unresolved()
    assert open_run.under_way
    with pytest.raises(ExecutorProblem, match="still holds it"):
        await executor.reconciler.resolve(open_run.run, Resolution.ABANDON, "impatience")
    await until(lambda: _sends(target), 5, "the request at the target")
    await target.release()
    await settled(executor)
    assert kinds(journal) == RUN_KINDS


async def _sends(target: Target) -> int:
    return int((await target.state())["sends"])


async def test_a_share_is_sent_by_the_helper_between_begin_and_finish(
    executor: Executor, journal: Journal, target: Target
) -> None:
    plan = await executor.plan("test.share", {"value": "7"})
    with pytest.raises(ExecutorProblem, match="key share"):
        await run(executor, plan)
    begun = await executor.begin(plan.id, plan.digest(), "enter", incident="INC-0001")
    assert kinds(journal) == [Kind.INTENT, Kind.SENT] and begun.plan.id == plan.id
    await target.set(value=7)  # the helper's doing
    steps = [step async for step in executor.finish(begun.run, Result(Outcome.DONE, "share accepted: 1 of 3"))]
    assert [step.stage for step in steps] == [Stage.OUTCOME, Stage.VERIFIED]
    assert kinds(journal) == RUN_KINDS
    with pytest.raises(ExecutorProblem, match="no such run"):
        [step async for step in executor.finish(begun.run, Result(Outcome.DONE, "twice"))]


async def test_a_share_prompt_that_ends_without_a_word_is_unknown(executor: Executor, journal: Journal) -> None:
    plan = await executor.plan("test.share", {"value": "7", "verify_seconds": "0"})
    await executor.begin(plan.id, plan.digest(), "enter")
    await settled(executor)  # what SIGTERM does
    assert journal.events(kinds=[Kind.OUTCOME])[0].payload["outcome"] == "unknown"
    assert [run.run for run in await executor.reconciler.unresolved()] == [plan.id]


async def test_what_cannot_be_planned_is_one_sentence(executor: Executor, target: Target) -> None:
    with pytest.raises(ExecutorProblem, match=r"no action 'no.such'"):
        await executor.plan("no.such", {})
    target.process.kill()
    target.process.wait()
    with pytest.raises(ExecutorProblem, match="the target does not answer: Connect call failed"):
        await executor.plan("test.set", {"value": "7"})


async def test_an_intent_that_was_never_sent_is_told_as_such(
    executor: Executor, profile: Profile, tmp_path: Any, target: Target
) -> None:
    plan = await executor.plan("test.set", {"value": "7"})
    dead = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ben", anchor=lambda _: None)
    dead.writer = "elsewhere:999999:1.1"  # Of an executor that died between intent and sending.
    dead.append(Kind.INTENT, {"action_run": plan.id, "plan": plan, "digest": plan.digest(), "reason": ""})
    dead.close()
    (open_run,) = await executor.reconciler.unresolved()
    assert (open_run.sent, open_run.under_way, open_run.actor) == (False, False, "ben")
    assert open_run.sentence == "it ended before anything was sent"
    refused = (await run(executor, await executor.plan("test.set", {"value": "8"})))[-1].result
    assert refused is not None and "is locked: ben on elsewhere" in refused.sentence
    found = await executor.reconciler.resolve(plan.id, Resolution.VERIFY)
    assert found.verdict is Verdict.CONTRADICTED and "nothing was changed" in found.sentence
    assert await executor.reconciler.unresolved() == [] and (await target.state())["sends"] == 0


async def test_a_plan_of_a_newer_version_is_settled_by_hand(executor: Executor, tmp_path: Any) -> None:
    newer = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ben", anchor=lambda _: None)
    newer.writer = "elsewhere:999999:1.1"
    newer.append(
        Kind.INTENT, {"action_run": "r1", "plan": {"title": "reshape", "object": "test/number", "risk": "cosmic"}}
    )
    newer.append(Kind.SENT, {"action_run": "r1"})
    newer.append(Kind.OUTCOME, {"action_run": "r1", "outcome": "superseded"})
    newer.close()
    (open_run,) = await executor.reconciler.unresolved()
    assert (open_run.title, open_run.plan, open_run.outcome) == ("reshape", None, None)
    with pytest.raises(ExecutorProblem, match="newer version"):
        await executor.reconciler.resolve("r1", Resolution.VERIFY)
    await executor.reconciler.resolve("r1", Resolution.DONE, "ben says so")
    assert await executor.reconciler.unresolved() == []


async def test_a_damaged_journal_refuses_actions(executor: Executor, journal: Journal, target: Target) -> None:
    for number in range(60):
        journal.append(Kind.SENT, {"action_run": f"r{number}", "text": "x" * 2000})
    plan = await executor.plan("test.set", {"value": "7"})
    journal.path.write_bytes(journal.path.read_bytes()[:40960])
    steps = await run(executor, plan)
    result = steps[-1].result
    assert (
        result is not None and result.outcome is Outcome.REFUSED and "what is locked cannot be known" in result.sentence
    )
    assert (await target.state())["sends"] == 0
