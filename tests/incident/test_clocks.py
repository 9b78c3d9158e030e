"""Every clock of design 5's table, by severity, with an injected now; changes of severity, snoozing, and what was missed."""

from __future__ import annotations

import pytest

from alphapulse_tui.incident.clocks import AT_ONCE, CTO_CONTRADICTION, Clock, ClockState, clocks, next_clock
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import project
from tests.incident.story import START, Story

MINUTE, HOUR = 60, 3600

TABLE = {
    "P0": {
        "response": 15 * MINUTE, "secondary on-call": 10 * MINUTE, "phase assess": 15 * MINUTE, "phase investigate": 30 * MINUTE,
        "phase fix": 60 * MINUTE, "next update": 30 * MINUTE, "escalate L2 Tech Lead": AT_ONCE, "notify Security Lead": AT_ONCE,
        "notify CTO": AT_ONCE, "escalate L3 Leadership": HOUR, "escalate L4 CTO": 2 * HOUR,
    },
    "P1": {
        "response": HOUR, "secondary on-call": 10 * MINUTE, "phase assess": 15 * MINUTE, "phase investigate": 45 * MINUTE,
        "phase fix": 60 * MINUTE, "next update": 30 * MINUTE, "escalate L2 Tech Lead": HOUR,
    },
    "P2": {"response": 4 * HOUR},
    "P3": {"response": 24 * HOUR},
}  # fmt: skip
"""Seconds after declaring, as design 5 has them."""


def state_of(story: Story) -> IncidentState:
    return project(story.events)["INC-0001"]


def by_name(story: Story, now: float) -> dict[str, Clock]:
    return {clock.name: clock for clock in clocks(state_of(story), START + now)}


@pytest.mark.parametrize("severity", list(TABLE))
def test_the_clocks_of_a_fresh_incident_are_the_tables(severity: str) -> None:
    story = Story()
    story.declare(severity=severity)
    found = by_name(story, 1)
    assert {name: clock.due - START for name, clock in found.items()} == TABLE[severity]
    assert all(clock.state is ClockState.RUNNING and clock.satisfied_at is None for clock in found.values())
    assert all(clock.source.startswith("runbook ") and clock.by for clock in found.values())


@pytest.mark.parametrize(("severity", "name"), [(severity, name) for severity, row in TABLE.items() for name in row])
def test_a_clock_is_missed_one_second_after_it_was_due_and_not_at_it(severity: str, name: str) -> None:
    story = Story()
    story.declare(severity=severity)
    due = TABLE[severity][name]
    assert by_name(story, due)[name].state is ClockState.RUNNING
    assert by_name(story, due + 1)[name].state is ClockState.MISSED


def test_both_clocks_of_the_cto_show_the_contradiction() -> None:
    story = Story()
    story.declare()
    found = by_name(story, 1)
    assert found["notify CTO"].note == found["escalate L4 CTO"].note == CTO_CONTRADICTION


def test_acknowledging_satisfies_response_and_the_secondary() -> None:
    story = Story()
    story.declare()
    story.write(660, Kind.ACKNOWLEDGED, what="incident")
    found = by_name(story, 5000)
    assert found["response"].state is ClockState.SATISFIED and found["response"].satisfied_at == START + 660
    assert found["secondary on-call"].state is ClockState.MISSED, "late stays missed"
    assert found["secondary on-call"].satisfied_at == START + 660


def test_phases_end_by_what_was_done_and_by_hand() -> None:
    story = Story()
    story.declare()
    story.write(100, Kind.PROCEDURE_STARTED, run="p", procedure="vault-sealed", title="x")
    story.fix(200, verdict="")
    found = by_name(story, 300)
    assert found["phase assess"].satisfied_at == START + 100
    assert found["phase investigate"].satisfied_at == START + 201
    assert found["phase fix"].satisfied_at is None
    story.write(400, Kind.PHASE, phase="mitigated", how="set")
    assert by_name(story, 500)["phase fix"].satisfied_at == START + 400


def test_an_update_moves_the_next_promise_and_a_broken_one_stays_broken() -> None:
    story = Story()
    story.declare()
    story.write(1000, Kind.MESSAGE, channel="#incidents", state="drafted", text="not out yet")
    story.write(2000, Kind.MESSAGE, channel="#incidents", state="copied", text="late")
    story.write(2500, Kind.MESSAGE, channel="#incidents", state="sent", text="in time")
    found = clocks(state_of(story), START + 2600)
    missed = [clock for clock in found if clock.name == "update"]
    assert [(clock.due - START, clock.satisfied_at, clock.state) for clock in missed] == [
        (1800, START + 2000, ClockState.MISSED)
    ]
    assert by_name(story, 2600)["next update"].due == START + 2500 + 1800


def test_raising_brings_a_clock_forward_and_never_back() -> None:
    story = Story()
    story.declare(severity="P2")
    story.write(600, Kind.SEVERITY, before="P2", after="P0", reason="worse")
    found = by_name(story, 700)
    assert found["response"].due == START + 600 + 900
    assert found["next update"].due == START + 600 + 1800
    late = Story()
    late.declare(severity="P1")
    late.write(3500, Kind.SEVERITY, before="P1", after="P0", reason="worse")
    assert by_name(late, 3550)["response"].due == START + 3600, "55 minutes in, P0's 15 minutes must not grant 13 more"


def test_lowering_never_erases_a_breach() -> None:
    story = Story()
    story.declare(severity="P0")
    story.write(1000, Kind.SEVERITY, before="P0", after="P2", reason="less than thought")
    response = [clock for clock in clocks(state_of(story), START + 1100) if clock.name == "response"]
    assert [(clock.due - START, clock.state) for clock in response] == [
        (14400, ClockState.RUNNING),
        (900, ClockState.MISSED),
    ]
    assert "missed as P0" in response[1].note
    assert "next update" not in by_name(story, 1100), "P2 owes no updates"


def test_lowering_in_time_breaks_nothing() -> None:
    story = Story()
    story.declare(severity="P0")
    story.write(60, Kind.SEVERITY, before="P0", after="P3", reason="false alarm")
    assert {name: clock.state for name, clock in by_name(story, 70).items()} == {"response": ClockState.RUNNING}


def test_raising_again_after_a_breach_gives_a_new_clock_beside_it() -> None:
    story = Story()
    story.declare(severity="P1")
    story.write(4000, Kind.SEVERITY, before="P1", after="P0", reason="worse")
    response = [clock for clock in clocks(state_of(story), START + 4100) if clock.name == "response"]
    assert sorted((clock.due - START, clock.state.value) for clock in response) == [(3600, "missed"), (4900, "running")]


def test_mitigation_calls_the_escalation_off_unless_it_was_due_already() -> None:
    story = Story()
    story.declare()
    story.write(600, Kind.PHASE, phase="mitigated", how="set")
    found = by_name(story, 20 * HOUR)
    assert found["escalate L3 Leadership"].state is ClockState.SATISFIED
    assert found["escalate L2 Tech Lead"].state is ClockState.MISSED


def test_the_cto_is_notified_first_and_escalated_to_the_second_time() -> None:
    story = Story()
    story.declare()
    story.write(60, Kind.ESCALATED, level="L4", to="CTO", reason="P0")
    found = by_name(story, 70)
    assert found["notify CTO"].state is ClockState.SATISFIED and found["escalate L4 CTO"].satisfied_at is None
    story.write(7100, Kind.ESCALATED, level="L4", to="CTO", reason="still down")
    assert by_name(story, 7300)["escalate L4 CTO"].state is ClockState.SATISFIED


def test_a_data_breach_waits_for_nobody() -> None:
    story = Story()
    story.declare(severity="P1")
    story.write(300, Kind.POSTMORTEM_FIELD, field="data_breach", text="yes")
    found = by_name(story, 310)
    assert found["escalate L3 Leadership: data breach"].due == START + 300 + AT_ONCE
    assert found["escalate L4 CTO: data breach"].due == START + 300 + AT_ONCE


def test_the_watch_window_runs_breaks_and_starts_anew() -> None:
    story = Story()
    story.flip(-60, "critical", "vault-1 is sealed")
    story.declare()
    story.fix(100)
    story.flip(110, "ok", "vault-1 answers", before="critical")
    assert by_name(story, 200)["watch window"].due == START + 110 + HOUR
    story.flip(900, "critical", "vault-1 is sealed again")
    broken = by_name(story, 1000)["watch window"]
    assert broken.state is ClockState.RUNNING and "vault-1 is sealed again" in broken.note
    assert broken.due == START + 1000 + HOUR, "while it is broken the whole hour is still to come"
    story.flip(1500, "ok", "vault-1 answers", before="critical")
    assert by_name(story, 1600)["watch window"].due == START + 1500 + HOUR
    assert by_name(story, 1500 + HOUR)["watch window"].state is ClockState.SATISFIED


def test_a_snoozed_clock_comes_back_and_one_that_is_late_cannot_be_snoozed() -> None:
    story = Story()
    story.declare()
    story.write(100, Kind.CLOCK, clock="response", state="snoozed", reason="on the train", until=START + 2000)
    story.write(700, Kind.CLOCK, clock="secondary on-call", state="snoozed", reason="too late", until=START + 9000)
    found = by_name(story, 1500)
    assert found["response"].state is ClockState.SNOOZED and "on the train" in found["response"].note
    assert by_name(story, 2001)["response"].state is ClockState.MISSED
    assert found["secondary on-call"].state is ClockState.MISSED


def test_a_clock_can_be_satisfied_by_a_persons_word() -> None:
    story = Story()
    story.declare()
    story.write(50, Kind.CLOCK, clock="notify Security Lead", state="satisfied", reason="she is in the room")
    clock = by_name(story, 20 * HOUR)["notify Security Lead"]
    assert clock.state is ClockState.SATISFIED and clock.note == "she is in the room"


def resolved(severity: str) -> Story:
    story = Story()
    story.fire(-30)
    story.declare(severity=severity)
    story.write(100, Kind.RESOLVED, reason="done")
    return story


def test_a_p0_owes_a_postmortem_in_a_day_and_a_meeting_in_two() -> None:
    story = resolved("P0")
    found = by_name(story, 200)
    assert found["postmortem written"].due == START + 100 + 24 * HOUR
    assert found["postmortem meeting"].due == START + 100 + 48 * HOUR
    story.write(300, Kind.EXPORTED, path="x.md", sha256="0")
    story.write(400, Kind.POSTMORTEM_FIELD, field="meeting", text="Tuesday 10:00, room 3")
    found = by_name(story, 500)
    assert found["postmortem written"].satisfied_at == START + 300
    assert found["postmortem meeting"].satisfied_at == START + 400


def test_a_p1_owes_a_postmortem_only_when_it_recurs_within_30_days() -> None:
    assert "postmortem written" not in by_name(resolved("P1"), 200)
    for days, owed in ((20, True), (31, False)):
        story = Story()
        story.fire(-days * 86400 - 60)
        story.write(-days * 86400, Kind.DECLARED, "INC-0000", title="before", severity="P1")
        story.clear(-days * 86400 + 60)
        story.write(-days * 86400 + 90, Kind.RESOLVED, "INC-0000", reason="done")
        story.fire(-30)
        story.declare(severity="P1")
        story.write(100, Kind.RESOLVED, reason="done")
        assert ("postmortem written" in by_name(story, 200)) is owed


def test_a_systemic_p3_owes_one_too() -> None:
    story = resolved("P3")
    assert "postmortem written" not in by_name(story, 200)
    story.write(150, Kind.POSTMORTEM_FIELD, field="systemic", text="Yes")
    assert "postmortem written" in by_name(story, 200)


def test_a_service_has_its_recovery_time_in_a_p0() -> None:
    story = Story()
    story.flip(-60, "critical", "vault-1 is sealed")
    story.declare()
    assert by_name(story, 10)["RTO vault"].due == START - 60 + HOUR
    story.flip(500, "ok", "vault-1 answers", before="critical")
    assert by_name(story, 600)["RTO vault"].satisfied_at == START + 500


def test_the_next_clock_is_the_one_that_nobody_has_satisfied() -> None:
    story = Story()
    story.declare(severity="P2")
    first = next_clock(state_of(story), START + 1)
    assert first is not None and first.name == "response"
    story.write(10, Kind.ACKNOWLEDGED, what="incident")
    assert next_clock(state_of(story), START + 20) is None
