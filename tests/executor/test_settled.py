"""A run that somebody settles while its executor, stopped or slow, still has it in hand; and what waits behind an action that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.ledger import RunRecord
from alphapulse_tui.executor.protocol import ExecutorProblem, Resolution
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Verdict, Verification
from tests.executor import trial
from tests.executor.conftest import Target, run


class Held(trial.Trial):
    """Plans again, and is verified when ``slow``, only when it is let go on."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.planned_before = self.slow = False
        self.again, self.looking, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def plan(self, params: Mapping[str, str]) -> Plan:
        if self.planned_before:
            self.again.set()
            await self.go_on.wait()
        self.planned_before = True
        return await super().plan(params)

    async def verify(self, plan: Plan) -> Verification:
        if self.slow:
            self.looking.set()
            await self.go_on.wait()
        return await super().verify(plan)


@pytest.fixture
async def colleague(profile: Profile, tmp_path: Path) -> AsyncIterator[Executor]:
    """Another executor on the same journal."""
    journal = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ben", anchor=lambda _: None)
    made = Executor(profile, journal, registry=trial.registry)
    yield made
    await made.close()
    journal.close()


async def test_a_run_that_was_settled_before_sending_is_not_sent_any_more(
    profile: Profile, journal: Journal, target: Target, colleague: Executor
) -> None:
    held = Held(profile)
    executor = Executor(profile, journal, registry=lambda _, mine: held)
    plan = await executor.plan("test.set", {"value": "7"})
    running = asyncio.create_task(run(executor, plan))
    await asyncio.wait_for(held.again.wait(), 10)
    found = await colleague.reconciler.resolve(plan.id, Resolution.VERIFY)
    assert found.verdict is Verdict.CONTRADICTED and "nothing was changed" in found.sentence
    held.go_on.set()
    result = (await running)[-1].result
    assert result is not None and result.outcome is Outcome.REFUSED and "settled meanwhile" in result.sentence
    assert (await target.state())["sends"] == 0
    assert [event.kind for event in journal.events()] == [Kind.INTENT, Kind.RECONCILED, Kind.SENT, Kind.OUTCOME]
    await executor.close()


async def test_of_two_who_settle_a_run_the_slower_one_is_told(
    profile: Profile, journal: Journal, target: Target, colleague: Executor
) -> None:
    await target.set(mode="deaf")
    lost = await colleague.plan("test.set", {"value": "7", "verify_seconds": "0"})
    await run(colleague, lost)
    held = Held(profile)
    held.slow = True
    executor = Executor(profile, journal, registry=lambda _, mine: held)
    slow = asyncio.create_task(executor.reconciler.resolve(lost.id, Resolution.ABANDON, "it never left"))
    await asyncio.wait_for(held.looking.wait(), 10)
    await colleague.reconciler.resolve(lost.id, Resolution.DONE, "seen at the target")
    held.go_on.set()
    with pytest.raises(ExecutorProblem, match="settled meanwhile"):
        await slow
    (settled,) = journal.events(kinds=[Kind.RECONCILED])
    assert settled.payload["how"] == "marked done"
    await executor.close()


async def test_a_run_that_is_sent_while_somebody_looks_is_not_told_as_never_sent(
    executor: Executor, profile: Profile, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await executor.plan("test.set", {"value": "7"})
    other = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ben", anchor=lambda _: None)
    other.writer = "elsewhere:999999:1.1"
    other.append(Kind.INTENT, {"action_run": plan.id, "plan": plan, "digest": plan.digest(), "reason": ""})
    probe = executor.reconciler._probe

    async def while_it_goes_on(record: RunRecord) -> Verification:
        found = await probe(record)
        other.append(Kind.SENT, {"action_run": plan.id, "dropped": []})
        return found

    monkeypatch.setattr(executor.reconciler, "_probe", while_it_goes_on)
    with pytest.raises(ExecutorProblem, match=r"ben on elsewhere .* has sent it meanwhile"):
        await executor.reconciler.resolve(plan.id, Resolution.VERIFY)
    assert journal.events(kinds=[Kind.RECONCILED]) == []
    other.close()


async def test_what_waits_behind_an_action_that_hangs_was_not_sent(
    executor: Executor, journal: Journal, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await executor.plan("test.set", {"value": "7", "deadline": "0.3"})
    instrument = await executor._instrument("test.set")
    record, never, hanging = journal.record, asyncio.Event(), []

    async def as_another_begins(kind: Kind, payload: Mapping[str, Any], incident: str = "") -> Event:
        event = await record(kind, payload, incident)
        if kind is Kind.SENT:
            hanging.append(asyncio.create_task(instrument.call(lambda _: never.wait(), 60)))
        return event

    monkeypatch.setattr(journal, "record", as_another_begins)
    result = (await run(executor, plan))[-1].result
    assert result is not None and result.outcome is Outcome.REFUSED
    assert result.sentence.startswith("nothing was sent: another test.set has not ended for 0.3 s")
    assert (await target.state())["sends"] == 0 and await executor.reconciler.unresolved() == []
    never.set()
    await asyncio.gather(*hanging)
