"""When an incident counts as mitigated: what shows it, what does not, and what takes it back."""

from __future__ import annotations

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.state import project
from tests.incident.story import START, Story


def state_of(story: Story) -> IncidentState:
    return project(story.events)["INC-0001"]


def fire_afterwards(story: Story, at: float, began: float, name: str = "API down") -> None:
    """An alert that no cockpit saw, filled in after declaring."""
    told = {"fingerprint": f"f-{name}", "name": name, "severity": "P0", "summary": name, "starts_at": START + began}
    story.write(at, Kind.ALERT_FIRED, read_afterwards=True, **told)


def test_a_verified_action_alone_shows_nothing_where_no_trouble_is_on_record() -> None:
    story = Story()
    story.declare(title="customers report errors")
    story.fix(10)
    state = state_of(story)
    assert (state.mitigated_at, state.phase) == (None, "fix")


def test_the_phase_that_it_has_already_said_again_by_a_person_contradicts_nothing() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10)
    story.write(20, Kind.PHASE, phase="fix")
    story.clear(50)
    assert state_of(story).mitigated_at == START + 50


def test_to_silence_an_alert_is_no_fix() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10, action="alerts.silence")
    story.clear(20)
    state = state_of(story)
    assert (state.mitigated_at, state.phase) == (None, "assess")
    story.fix(30, run="run-2")
    assert state_of(story).mitigated_at == START + 33


def test_what_was_over_before_declaring_does_not_mitigate() -> None:
    story = Story()
    story.fire(-300)
    story.fix(-200, incident="")
    story.clear(-100)
    story.declare()
    story.write(10, Kind.NOTE, text="customers still see errors")
    assert state_of(story).mitigated_at is None


def test_a_fix_from_before_declaring_counts_once_the_trouble_ends() -> None:
    story = Story()
    story.fire(-300)
    story.fix(-200, incident="")
    story.declare()
    assert state_of(story).mitigated_at is None
    story.clear(50)
    assert state_of(story).mitigated_at == START + 50


def test_what_the_targets_tell_afterwards_takes_a_derived_mitigation_back() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10)
    story.clear(20)
    story.flip(22, "critical", "vault-2 is sealed", subject="vault-2")
    assert state_of(story).mitigated_at == START + 20 and state_of(story).breaches
    fire_afterwards(story, 25, began=-1800)
    state = state_of(story)
    assert (state.mitigated_at, state.watch_since, state.phase, state.breaches) == (None, None, "fix", [])
    assert [one.alert for one in state.standing] == ["", "API down"]
    story.flip(30, "ok", "vault-2 is unsealed", subject="vault-2")
    story.clear(40, name="API down")
    assert state_of(story).mitigated_at == state_of(story).watch_since == START + 40


def test_what_is_told_afterwards_and_was_over_by_then_leaves_the_moment_as_it_was() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10)
    story.clear(20)
    fire_afterwards(story, 25, began=-1800)
    payload = {"fingerprint": "f-API down", "name": "API down", "starts_at": START - 1200}
    story.write(25, Kind.ALERT_CLEARED, read_afterwards=True, **payload)
    state = state_of(story)
    assert (state.mitigated_at, state.watch_since, state.phase) == (START + 20, START + 20, "mitigated")


def test_an_alert_of_last_week_that_is_told_afterwards_changes_nothing() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10)
    story.clear(20)
    fire_afterwards(story, 25, began=-7 * 86400, name="Watchdog")
    assert state_of(story).mitigated_at == state_of(story).watch_since == START + 20


def test_a_persons_word_is_not_taken_back_but_the_watch_waits() -> None:
    story = Story()
    story.declare()
    story.write(20, Kind.PHASE, phase="mitigated", how="set")
    fire_afterwards(story, 25, began=-1800)
    state = state_of(story)
    assert (state.mitigated_at, state.watch_since, state.phase) == (START + 20, None, "mitigated")


def test_a_person_who_sets_the_phase_back_is_not_overruled_by_what_was_verified_before() -> None:
    story = Story()
    story.fire(-60)
    story.declare()
    story.fix(10)
    story.clear(20)
    story.write(30, Kind.PHASE, phase="fix", how="set")
    story.write(31, Kind.NOTE, text="customers still see errors")
    assert (state_of(story).mitigated_at, state_of(story).phase) == (None, "fix")
    story.fire(40)
    story.fix(50, run="run-2")
    story.clear(60)
    assert (state_of(story).mitigated_at, state_of(story).phase) == (START + 60, "mitigated")


def test_the_watch_begins_anew_beside_an_alert_of_last_week() -> None:
    story = Story()
    story.fire(-60, name="Noise", starts_at=START - 7 * 86400)
    story.fire(-50)
    story.declare()
    story.fix(10)
    story.clear(20)
    story.fire(100)
    assert state_of(story).watch_since is None and len(state_of(story).breaches) == 1
    story.clear(130)
    assert state_of(story).watch_since == START + 130
    story.clear(200, name="Noise")
    story.fire(210, name="Noise", starts_at=START - 7 * 86400)
    state = state_of(story)
    assert state.watch_since == START + 130 and len(state.breaches) == 1, "it neither breaks the watch nor begins it"


def test_an_end_that_is_told_afterwards_does_not_date_the_watch_back() -> None:
    story = Story()
    story.declare()
    story.write(20, Kind.PHASE, phase="mitigated", how="set")
    fire_afterwards(story, 25, began=-1800)
    payload = {"fingerprint": "f-API down", "name": "API down", "starts_at": START - 1200}
    story.write(25, Kind.ALERT_CLEARED, read_afterwards=True, **payload)
    assert state_of(story).watch_since == START + 20


def test_the_end_of_an_alert_of_last_week_is_no_beginning_of_the_watch() -> None:
    story = Story()
    story.fire(-60, name="Noise", starts_at=START - 7 * 86400)
    story.declare()
    story.write(20, Kind.PHASE, phase="mitigated", how="set")
    story.clear(200, name="Noise")
    assert state_of(story).watch_since == START + 20
