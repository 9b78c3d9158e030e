"""A run that somebody settles while its executor, stopped or slow, still has it in hand; and what waits behind an action that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import Resolution
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Verdict
from tests.executor import trial
from tests.executor.conftest import Target, run


class Held(trial.Trial):
    """Plans again only when it is let go on."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.planned_before = False
        self.again, self.go_on = asyncio.Event(), asyncio.Event()

    async def plan(self, params: Mapping[str, str]) -> Plan:
        if self.planned_before:
            self.again.set()
            await self.go_on.wait()
        self.planned_before = True
        return await super().plan(params)


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
