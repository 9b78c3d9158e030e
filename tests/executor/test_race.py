"""Two engineers, one object: exactly one sends, and the other is told who was first (design 7, goals)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Result
from tests.executor import trial
from tests.executor.conftest import Target, run

Pair = tuple[Executor, Executor]


@pytest.fixture
async def pair(profile: Profile, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two executors with a journal connection each, as in two processes."""
    journals = [
        Journal.open(tmp_path / "j" / "journal.sqlite", actor=who, anchor=lambda _: None) for who in ("ana", "ben")
    ]
    one, two = (Executor(profile, journal, registry=trial.registry) for journal in journals)
    yield one, two
    for executor, journal in zip((one, two), journals, strict=True):
        await executor.drain()
        await executor.close()
        journal.close()


async def race(pair: Pair, target: Target, rounds: int) -> None:
    before = (await target.state())["sends"]
    told = set()
    for number in range(rounds):
        params = {"value": str(number + 2), "verify_seconds": "1"}
        plans = [await executor.plan("test.set", params) for executor in pair]
        both = await asyncio.gather(*(run(executor, plan) for executor, plan in zip(pair, plans, strict=True)))
        results = [next(step.result for step in steps if step.result is not None) for steps in both]
        assert (await target.state())["sends"] == before + number + 1, results
        assert sorted(result.outcome.value for result in results) == ["done", "refused"], results
        loser = next(result for result in results if result.outcome is Outcome.REFUSED)
        told.add(_why(loser))
    assert "was first" in told or "is locked" in told, told


def _why(loser: Result) -> str:
    """Which of the three walls stopped the loser; each names who or what was before it."""
    for words in ("was first", "is locked", "somebody changed it"):
        if words in loser.sentence:
            assert "somebody" in words or "ana on " in loser.sentence or "ben on " in loser.sentence, loser.sentence
            return words
    raise AssertionError(loser.sentence)


async def test_of_two_at_once_exactly_one_sends(pair: Pair, target: Target) -> None:
    await race(pair, target, 25)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_of_two_at_once_exactly_one_sends_1000_times(pair: Pair, target: Target) -> None:
    await race(pair, target, 1000)
