"""Commands: numbers that no two incidents share, and sentences for what makes no sense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.errors import AlphaPulseError, RefusedError, UsageError
from alphapulse_tui.incident import commands
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import project
from alphapulse_tui.model.health import Severity
from tests.incident.story import START, Story


class Pen:
    """A ``record`` that keeps what it was given."""

    def __init__(self) -> None:
        self.written: list[tuple[Kind, dict[str, Any], str]] = []

    async def __call__(self, kind: Kind, payload: Mapping[str, Any], incident: str) -> Event:
        self.written.append((kind, dict(payload), incident))
        return Story().write(0, kind, incident, **payload)


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[list[Journal]]:
    opened = [Journal.open(tmp_path / "journal.sqlite", anchor=lambda line: None) for _ in range(4)]
    yield opened
    for journal in opened:
        journal.close()


async def test_cockpits_that_declare_at_once_get_a_number_each(journals: list[Journal]) -> None:
    events = await asyncio.gather(
        *(commands.declare(journal, f"fire {place}", Severity.P1) for place, journal in enumerate(journals * 3))
    )
    assert sorted(event.incident for event in events) == [f"INC-{number:04}" for number in range(1, 13)]
    assert len(project(journals[0].events())) == 12


async def test_a_lock_that_a_stopped_cockpit_holds_is_told_and_waited_for_no_longer_than_a_writer(
    journals: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BUSY_SECONDS", 0.1)
    with (
        commands.numbering(journals[0].path),
        pytest.raises(JournalUnavailable, match=r"held the journal's lock .*numbering for 0.1 s: find it with `fuser"),
    ):
        await commands.declare(journals[1], "fire", Severity.P1)
    assert (await commands.declare(journals[1], "fire", Severity.P1)).incident == "INC-0001"


async def test_a_lock_that_cannot_be_had_at_all_is_one_sentence(journals: list[Journal]) -> None:
    lock = journals[0].path.with_name("journal.sqlite.numbering")
    lock.mkdir()
    with pytest.raises(JournalUnavailable, match=r"the journal's lock .*numbering cannot be had: Is a directory"):
        await commands.declare(journals[0], "fire", Severity.P1)


async def test_a_title_is_needed_and_is_one_line(journals: list[Journal]) -> None:
    with pytest.raises(UsageError, match="needs a title"):
        await commands.declare(journals[0], " \n ", Severity.P0)
    event = await commands.declare(journals[0], " API\n down ", Severity.P0)
    assert event.payload == {"title": "API down", "severity": "P0"}


def fresh(severity: str = "P1") -> Story:
    story = Story()
    story.declare(severity=severity)
    return story


def state_of(story: Story) -> IncidentState:
    return project(story.events)["INC-0001"]


async def test_resolving_early_needs_a_reason_and_after_the_watch_window_none() -> None:
    pen, story = Pen(), fresh()
    with pytest.raises(RefusedError, match="nothing shows that it is mitigated"):
        await commands.resolve(pen, state_of(story), "", START + 10)
    story.write(100, Kind.PHASE, phase="mitigated", how="set")
    with pytest.raises(RefusedError, match="the watch window has 58:20 left"):
        await commands.resolve(pen, state_of(story), " ", START + 200)
    assert pen.written == []
    await commands.resolve(pen, state_of(story), "moved to another incident", START + 200)
    await commands.resolve(pen, state_of(story), "", START + 100 + 3600)
    assert [payload["reason"] for _, payload, _ in pen.written] == ["moved to another incident", ""]
    story.write(300, Kind.RESOLVED, reason="x")
    with pytest.raises(RefusedError, match="resolved already"):
        await commands.resolve(pen, state_of(story), "again", START + 400)


async def test_a_p3_owes_no_watch_window() -> None:
    pen = Pen()
    await commands.resolve(pen, state_of(fresh("P3")), "", START + 10)
    assert pen.written[0][0] is Kind.RESOLVED


async def test_lowering_needs_a_reason_and_raising_does_not() -> None:
    pen, state = Pen(), state_of(fresh("P1"))
    await commands.set_severity(pen, state, Severity.P0, "")
    with pytest.raises(RefusedError, match="needs a reason"):
        await commands.set_severity(pen, state, Severity.P3, "")
    with pytest.raises(RefusedError, match="is P1 already"):
        await commands.set_severity(pen, state, Severity.P1, "x")
    assert pen.written == [(Kind.SEVERITY, {"before": "P1", "after": "P0", "reason": ""}, "INC-0001")]


async def test_fields_of_a_resolved_incident_are_written_for_it() -> None:
    pen, story = Pen(), fresh()
    story.write(10, Kind.RESOLVED, reason="x")
    state = state_of(story)
    assert await commands.set_field(pen, state, "summary", "It broke.\n")
    await commands.add_action_item(pen, state, "Mend it", "ana", "2026-12-01")
    assert [(payload.get("text") or payload.get("item"), incident) for _, payload, incident in pen.written] == [
        ("It broke.", "INC-0001"), ("Mend it", "INC-0001"),
    ]  # fmt: skip
    story.write(20, Kind.POSTMORTEM_FIELD, field="summary", text="It broke.")
    assert not await commands.set_field(pen, state_of(story), "summary", "It broke.")


async def test_two_engineers_who_add_an_item_at_once_lose_none() -> None:
    pen, story = Pen(), fresh()
    story.write(5, Kind.POSTMORTEM_FIELD, field="action_item", number=3, item="of an older version")
    state = state_of(story)
    await asyncio.gather(*(commands.add_action_item(pen, state, item, "", "") for item in ("mend it", "test it")))
    for kind, payload, incident in pen.written:
        story.write(10, kind, incident, **payload)
    items = {number: one.item for number, one in state_of(story).action_items.items()}
    assert items == {3: "of an older version", 4: "mend it", 5: "test it"}


Call = Callable[[Pen, IncidentState], Any]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda pen, state: commands.set_phase(pen, state, "resolved"),
            "there are assess, investigate, fix, mitigated",
        ),
        (lambda pen, state: commands.assign(pen, state, "commander", " "), "needs a word and a name"),
        (lambda pen, state: commands.escalate(pen, state, " ", "x", "y"), "needs a level: L2, security, L3, L4"),
        (lambda pen, state: commands.escalate(pen, state, "L2", "x", ""), "needs a reason"),
        (lambda pen, state: commands.message(pen, state, "#incidents", "sent", " "), "needs words"),
        (lambda pen, state: commands.mark_clock(pen, state, "response", "snoozed", ""), "without a reason"),
        (lambda pen, state: commands.reopen(pen, state, "x"), "is open"),
        (lambda pen, state: commands.set_field(pen, state, "sumary", "x"), 'no field "sumary"'),
        (lambda pen, state: commands.set_field(pen, state, "started", "noon"), "is no moment"),
        (lambda pen, state: commands.add_action_item(pen, state, "", "", ""), "needs words"),
        (lambda pen, state: commands.correct(pen, state, "e1", " "), "words or a moment"),
    ],
)
async def test_what_makes_no_sense_gets_one_sentence_and_is_not_written(call: Call, said: str) -> None:
    pen = Pen()
    with pytest.raises(AlphaPulseError) as caught:
        await call(pen, state_of(fresh()))
    assert said in caught.value.sentence and pen.written == []


async def test_acknowledging_twice_writes_once() -> None:
    pen, story = Pen(), fresh()
    assert await commands.acknowledge(pen, state_of(story))
    story.write(10, Kind.ACKNOWLEDGED, what="incident")
    assert not await commands.acknowledge(pen, state_of(story))
    assert len(pen.written) == 1
