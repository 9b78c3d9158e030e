"""Surveys are taken for as long as somebody looks, once for all who do."""

from __future__ import annotations

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.reading import Link
from alphapulse_tui.session import Session
from alphapulse_tui.sources import build
from alphapulse_tui.sources.contract import Source
from alphapulse_tui.sources.recipes import Recipe
from tests.waiting import until


class Counting(Source[int]):
    """Counts how often it is read and whether it was closed."""

    target = "postgres-locks"
    interval = 0.01
    deadline = 1.0

    def __init__(self) -> None:
        self.reads = 0
        self.closed = 0

    async def read(self) -> int:
        self.reads += 1
        return self.reads

    def judge(self, snapshot: int) -> tuple[Finding, ...]:
        return ()

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    """The sources that were made of the one survey there is."""
    sources: list[Counting] = []

    def make(profile: Profile) -> Counting:
        sources.append(Counting())
        return sources[-1]

    recipe = Recipe("postgres-locks", 0.01, 1.0, lambda profile: profile.name == "configured", make)
    monkeypatch.setattr(build, "SURVEYS", (recipe,))
    return sources


async def test_two_who_look_share_one_source_and_the_last_to_leave_ends_it(made: list[Counting]) -> None:
    session = Session(Profile(name="configured"))
    first, second = session.survey("postgres-locks"), session.survey("postgres-locks")
    await until(lambda: made and made[0].reads > 1, 5, "two readings")
    first()
    seen = made[0].reads
    await until(lambda: made[0].reads > seen, 5, "readings go on for the other")
    second()
    await until(lambda: made[0].closed, 5, "its source closed")
    assert len(made) == 1
    assert session.board.get("postgres-locks") is None, "what nobody reads would be judged as a target that fell silent"
    await session.close()


async def test_who_looks_again_has_it_taken_anew(made: list[Counting]) -> None:
    session = Session(Profile(name="configured"))
    session.survey("postgres-locks")()
    leave = session.survey("postgres-locks")
    await until(lambda: made and made[-1].reads, 5, "a reading")
    leave()
    await session.close()


async def test_a_survey_without_its_target_says_so(made: list[Counting]) -> None:
    session = Session(Profile(name="bare"))
    leave = session.survey("postgres-locks")
    await until(lambda: session.board.get("postgres-locks"), 5, "a reading")
    reading = session.board.get("postgres-locks")
    assert reading is not None and reading.link is Link.UNCONFIGURED
    assert not made
    leave()
    await session.close()
