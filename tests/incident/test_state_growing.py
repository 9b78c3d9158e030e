"""A journal that is followed event by event tells the same as one that is read at once, by the plain way: each incident asks every event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident import state as module
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.projection import Projection
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import DEEDS, EARLIER_SECONDS, MACHINE, RECURRING_SECONDS, Incidents, project
from tests.incident.story import START, Story
from tests.incident.test_state import journals


def plain(events: Sequence[Event]) -> dict[str, IncidentState]:
    """Every incident asks every event."""
    found: dict[str, IncidentState] = {}
    for name in dict.fromkeys(one.incident for one in events if one.kind is Kind.DECLARED and one.incident):
        state = IncidentState(name, events=list(events_of(events, name)))
        projection = Projection(state)
        for event in state.events:
            projection.take(event)
        state.recurring = any(same_cause(state, earlier) for earlier in found.values())
        found[name] = state
    return found


def same_cause(state: IncidentState, earlier: IncidentState) -> bool:
    alerts, before = (
        {one.alert for one in each.troubles if one.alert and each.concerns(one)} for each in (state, earlier)
    )
    return 0 <= state.declared_at - earlier.declared_at <= RECURRING_SECONDS and bool(alerts & before)


def events_of(events: Sequence[Event], name: str) -> Iterator[Event]:
    mine = [event for event in events if event.incident == name]
    start = next(read.written(event) for event in mine if event.kind is Kind.DECLARED)
    ends = [event for event in mine if event.kind in (Kind.RESOLVED, Kind.REOPENED)]
    end = read.written(ends[-1]) if ends and ends[-1].kind is Kind.RESOLVED else None
    runs: set[str] = set()
    for event in events:
        if event.incident == name or taken_in(event, start, end, runs):
            yield event
            if event.kind in (Kind.INTENT, Kind.PROCEDURE_STARTED):
                runs.add(read.text(event.payload, "action_run") or read.text(event.payload, "run"))


def taken_in(event: Event, start: float, end: float | None, runs: set[str]) -> bool:
    wall = read.written(event)
    if event.kind in MACHINE:
        late = read.flag(event.payload, "read_afterwards")
        return not late and start - EARLIER_SECONDS <= wall and (end is None or wall <= end)
    if event.incident or event.kind not in DEEDS:
        return False
    run = read.text(event.payload, "action_run") or read.text(event.payload, "run")
    return start - EARLIER_SECONDS <= wall <= start or (run != "" and run in runs)


def busy(seed: int, count: int = 250) -> list[Event]:
    """Several incidents of one journal: declared, backfilled, resolved and reopened, with clocks that are up to ten minutes apart."""
    dice, story = Random(seed), Story()
    at, names = 0.0, [""]
    while len(story.events) < count:
        at += dice.uniform(0, 300)
        wall, name, subject = at - dice.choice((0, 0, 0, 600)), dice.choice(names), dice.choice("ab")
        match dice.randrange(10):
            case 0 if len(names) < 7:
                names.append(f"INC-{len(names):04}")
                story.write(wall, Kind.DECLARED, names[-1], title="x", severity="P1")
                late: dict[str, Any] = {"read_afterwards": True, "starts_at": START + wall - dice.uniform(0, 7200)}
                told = {"target": "vault", "subject": subject, "after": "critical", "sentence": "was sealed"}
                story.write(wall, Kind.FLIP, names[-1], **told, sign=True, **late)
                story.write(wall, Kind.ALERT_FIRED, names[-1], name=f"Alert{subject}", fingerprint=subject, **late)
            case 1 if name:
                story.write(wall, dice.choice((Kind.RESOLVED, Kind.REOPENED)), name, reason="x")
            case 2:
                story.write(wall, Kind.NOTE, name, text="x")
            case 3:
                story.fix(wall, run=f"run-{len(story.events)}", incident=name, verdict=dice.choice(("verified", "")))
            case 4:
                story.write(wall, Kind.OUTCOME, "", action_run=f"run-{dice.randrange(count)}", outcome="done")
            case 5 | 6:
                story.fire(wall, name=f"Alert{subject}")
            case 7:
                story.clear(wall, name=f"Alert{subject}")
            case _:
                story.flip(wall, dice.choice(("critical", "ok")), "x", subject=subject)
    return story.events


def pieces(events: Sequence[Event], dice: Random) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(events):
        end = begin + dice.choice((1, 1, 1, 2, 20))
        yield begin, end
        begin = end


@pytest.mark.parametrize("seed", range(8))
def test_a_busy_journal_tells_the_same_at_every_step(seed: int) -> None:
    events = busy(seed)
    assert list(project(events).items()) == list(plain(events).items())
    assert len(project(events)) == 6 and any(state.reopened_at for state in project(events).values())
    growing = Incidents()
    for begin, end in pieces(events, Random(seed)):
        assert list(growing.take(events[begin:end]).items()) == list(plain(events[:end]).items())
    assert growing.events == events


@settings(max_examples=100, deadline=None)
@given(journals())
def test_so_does_any_journal_whatever_its_payloads(events: list[Event]) -> None:
    growing = Incidents()
    for place, event in enumerate(events, 1):
        assert list(growing.take([event]).items()) == list(plain(events[:place]).items())


def test_an_incident_without_news_is_not_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    read_anew: list[str] = []

    class Counted(Projection):
        def __init__(self, state: IncidentState) -> None:
            read_anew.append(state.id)
            super().__init__(state)

    monkeypatch.setattr(module, "Projection", Counted)
    story = Story()
    story.declare()
    story.write(60, Kind.RESOLVED, reason="over")
    story.write(4000, Kind.DECLARED, "INC-0002", title="y", severity="P1")
    growing = Incidents()
    before = growing.take(story.events)
    read_anew.clear()
    after = growing.take([story.flip(4100, "critical", "vault-1 is sealed")])
    assert read_anew == ["INC-0002"] and after["INC-0001"] is before["INC-0001"]
    assert after["INC-0002"] is not before["INC-0002"] and len(before["INC-0002"].events) == 1
