"""The projection: which events belong to an incident, what follows from them, and that nothing in a journal can break it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphapulse_tui.incident.clocks import clocks
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.gaps import gaps
from alphapulse_tui.incident.intervals import moments
from alphapulse_tui.incident.postmortem import render
from alphapulse_tui.incident.state import open_incident, open_incidents, project
from alphapulse_tui.incident.timeline import entries, timeline
from alphapulse_tui.model.health import Severity
from tests.incident.story import START, Story, whole_incident


def test_declaring_takes_in_the_quarter_of_an_hour_before_and_nothing_older() -> None:
    story = Story()
    story.fire(-1000, name="Old")
    early = story.flip(-899, "critical", "vault-1 is sealed")
    note = story.write(-100, Kind.NOTE, "", text="something smells")
    story.declare()
    after = story.flip(50, "ok", "vault-1 answers")
    loose = story.write(60, Kind.NOTE, "", text="of no incident")
    taken = [event.id for event in project(story.events)["INC-0001"].events]
    assert early.id in taken and note.id in taken and after.id in taken
    assert loose.id not in taken and story.events[0].id not in taken


def test_an_alert_that_came_and_went_before_is_not_what_was_detected() -> None:
    story = Story()
    story.fire(-800, name="HighLatency", severity="P1")
    story.clear(-700, name="HighLatency")
    story.fire(-60)
    story.declare()
    state = project(story.events)["INC-0001"]
    assert state.detected_at == START - 65 and state.started_at == START - 65
    alone = Story()
    alone.fire(-800)
    alone.clear(-700)
    alone.declare()
    assert project(alone.events)["INC-0001"].detected_at == START - 805, "with no other sign it is the best there is"


def test_a_fix_that_was_begun_before_declaring_comes_whole() -> None:
    story = Story()
    story.fix(-5, incident="")
    story.events[2:2] = []
    story.declare(at=-3.5)
    state = project(sorted(story.events, key=lambda event: event.wall))["INC-0001"]
    run = state.actions["run-1"]
    assert run.sent_at == START - 4 and run.verified, "its outcome came after the declaring and has no incident"


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_payload_of_other_types_than_ours_is_told_all_the_same(kind: Kind) -> None:
    for odd in (True, 3, "text", [1], {"x": [2]}, None):
        event = msgspec.structs.replace(Story().write(0, kind, ""), payload=dict.fromkeys(NAMES, odd))
        assert len(entries([event])) <= 1


def test_what_the_platform_does_ends_to_count_when_the_incident_is_resolved() -> None:
    story = whole_incident()
    late = story.flip(5000, "critical", "vault-2 is sealed", subject="vault-2")
    state = project(story.events)["INC-0001"]
    assert late.id not in [event.id for event in state.events]
    story.write(5100, Kind.REOPENED, reason="again")
    reopened = project(story.events)["INC-0001"]
    assert late.id in [event.id for event in reopened.events]
    assert reopened.open and reopened.phase == "fix" and reopened.mitigated_at is None


def test_the_whole_incident_is_read_as_it_was() -> None:
    state = project(whole_incident().events)["INC-0001"]
    assert (state.title, state.severity, state.commander) == ("Vault sealed", Severity.P0, "ana")
    assert state.started_at == START - 120 and state.detected_at == START - 95
    assert (
        state.acknowledged_at == START + 45 and state.mitigated_at == START + 220 and state.resolved_at == START + 3900
    )
    assert [phase for _, phase in state.phases] == [
        "assess",
        "investigate",
        "fix",
        "mitigated",
    ] and state.phase == "resolved"
    run = state.actions["run-1"]
    assert run.before["sealed"] == "true" and run.after["sealed"] == "false" and run.verified
    assert state.procedures["p-1"].steps["which"].evidence[1] == ("vault-1", "SEALED")
    assert state.standing == [] and state.fields["users"] == "about 40 | 8 %"
    assert state.action_items[1].owner == "Platform"


def test_a_proven_fix_is_no_mitigation_while_something_is_still_wrong() -> None:
    story = Story()
    story.flip(-60, "critical", "vault-1 is sealed")
    story.flip(-50, "critical", "vault-2 is sealed", subject="vault-2")
    story.declare()
    story.fix(10)
    story.flip(20, "ok", "vault-1 answers")
    assert project(story.events)["INC-0001"].mitigated_at is None
    story.flip(30, "ok", "vault-2 answers", subject="vault-2")
    assert project(story.events)["INC-0001"].mitigated_at == START + 30


def test_recovery_without_a_fix_is_no_mitigation_either() -> None:
    story = Story()
    story.flip(-60, "critical", "vault-1 is sealed")
    story.declare()
    story.flip(20, "ok", "vault-1 answers")
    assert project(story.events)["INC-0001"].mitigated_at is None


def test_an_old_noisy_alert_is_neither_the_start_nor_in_the_way() -> None:
    story = Story()
    story.fire(-30, name="Noise", starts_at=START - 3 * 86400)
    story.declare()
    story.flip(5, "critical", "vault-1 is sealed")
    story.fix(10)
    story.flip(12, "ok", "vault-1 answers")
    state = project(story.events)["INC-0001"]
    assert state.started_at == START and state.mitigated_at == START + 13


def test_an_alert_that_fired_a_week_before_declaring_is_neither_the_detection_nor_the_cause() -> None:
    story = Story()
    story.fire(-60, name="Watchdog", starts_at=START - 7 * 86400)
    story.fire(-50)
    story.declare(severity="P1")
    story.write(9000, Kind.RESOLVED, reason="x")
    story.write(9001, Kind.DECLARED, "INC-0002", title="another", severity="P1")
    late = {"fingerprint": "f-Watchdog", "name": "Watchdog", "starts_at": START - 7 * 86400, "read_afterwards": True}
    story.write(9002, Kind.ALERT_FIRED, "INC-0002", **late)
    first, second = project(story.events).values()
    assert first.alerted_at == first.detected_at == START - 55
    assert moments(first)["detected"].what == "alert VaultSealed fired"
    assert moments(first)["started"].what == "first sign: VaultSealed fires"
    assert [one.alert for one in second.troubles] == ["Watchdog"] and not second.recurring
    alone = Story()
    alone.fire(-60, name="Watchdog", starts_at=START - 7 * 86400)
    alone.declare()
    state = project(alone.events)["INC-0001"]
    assert state.alerted_at is None and moments(state)["detected"].what == "ana declared it"


def test_an_alert_of_last_week_hides_no_sign_that_came_and_went() -> None:
    story = Story()
    story.fire(-100, name="Watchdog", starts_at=START - 7 * 86400)
    story.fire(-90)
    story.clear(-30)
    story.declare()
    state = project(story.events)["INC-0001"]
    assert state.started_at == state.detected_at == START - 95


def test_a_correction_changes_the_timeline_and_the_original_stays() -> None:
    story = Story()
    story.declare()
    note = story.write(10, Kind.NOTE, text="restarted vault-2")
    story.write(20, Kind.CORRECTION, event=note.id, text="restarted vault-1")
    state = project(story.events)["INC-0001"]
    assert any("restarted vault-1" in entry.sentence for entry in timeline(state))
    assert state.notes[0].text == "restarted vault-2"


def test_the_open_incident_is_the_most_urgent_then_the_latest() -> None:
    story = Story()
    story.declare(severity="P2")
    story.write(10, Kind.DECLARED, "INC-0002", title="b", severity="P0")
    story.write(20, Kind.DECLARED, "INC-0003", title="c", severity="P0")
    known = project(story.events)
    assert [state.id for state in open_incidents(known)] == ["INC-0003", "INC-0002", "INC-0001"]
    story.write(30, Kind.RESOLVED, "INC-0003", reason="x")
    found = open_incident(project(story.events))
    assert found is not None and found.id == "INC-0002"
    assert open_incident({}) is None


ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**18) | st.floats() | st.sampled_from(["", "x", "P1", "fix", "critical", "ok", "verified", "|\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "call", "a"]), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
NAMES = [
    "title", "severity", "started_at", "starts_at", "what", "before", "after", "phase", "how", "role", "name", "text", "event", "action_run",
    "plan", "outcome", "sentence", "details", "seconds", "verdict", "run", "procedure", "params", "step", "state", "evidence", "channel", "level",
    "to", "reason", "clock", "until", "field", "item", "number", "path", "sha256", "fingerprint", "summary", "target", "subject", "at", "right_at",
    "read_afterwards",
]  # fmt: skip


KINDS = (*Kind, Kind("of a newer version"), Kind.DECLARED, Kind.FLIP, Kind.INTENT)
"""Fixed at the start: reading a journal adds kinds of newer versions to the enum."""


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Events of three writers in the journal's order, their clocks out of step, any payload."""
    events = []
    for sequence in range(1, draw(st.integers(1, 12)) + 1):
        kind = draw(st.sampled_from(KINDS))
        payload = draw(st.dictionaries(st.sampled_from(NAMES), ODD, max_size=6))
        wall = START + draw(st.integers(-2000, 2000))
        incident = draw(st.sampled_from(["", "INC-0001", "INC-0002", "odd"]))
        writer = draw(st.sampled_from(["a:1:1", "b:2:2", "c"]))
        events.append(
            Event(
                f"e{sequence}",
                sequence,
                writer,
                sequence,
                wall,
                float(sequence),
                "ana",
                incident,
                kind,
                payload,
                "",
                "",
            )
        )
    return events


@settings(max_examples=100, deadline=None)
@given(journals())
def test_no_order_of_several_writers_and_no_payload_breaks_what_is_derived(events: list[Event]) -> None:
    known = project(events)
    assert set(known) == {event.incident for event in events if event.kind is Kind.DECLARED and event.incident}
    for state in known.values():
        assert state.phase in ("assess", "investigate", "fix", "mitigated", "resolved")
        assert all(clock.due > 0 for clock in clocks(state, START + 3000))
        assert isinstance(gaps(state, START + 3000), list)
        assert [entry.event_id for entry in timeline(state)].count("") == 0
        assert render(state, START + 3000, "lab").startswith("# Postmortem: ")
