from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_tui.incident.backfill import backfill
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.state import project
from alphapulse_tui.incident.timeline import timeline
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.history import ClusterEvent, Crossing, History, PastAlert, Rollout
from tests.incident.story import START, Story

NOW = START + 5

ALERT = PastAlert("f-VaultSealed", "VaultSealed", Severity.P0, "vault-1 is sealed", START - 1500, "vault-sealed")
OVER = PastAlert("f-HighLatency", "HighLatency", Severity.P1, "", START - 4000, "api-latency", START - 3500)
LATENCY = Crossing("platform", "p99 latency", "api-latency", "ms", 500.0, START - 1800, None, 912.0)
SEAL = Crossing("vault", "seal of vault-1", "vault-sealed", "", 1.0, START - 1700, START - 100, 1.0)
BACK_OFF = ClusterEvent("Pod api", "BackOff", "Back-off restarting", START - 1600, START - 60, 12)
ROLLOUT = Rollout("api", "api-5d8f", 4, "api:1.4", "ana: release 1.4", START - 2000)
EVERYTHING = History(
    START - 7200, START, (ALERT, OVER), (LATENCY, SEAL), (BACK_OFF,), (ROLLOUT,), ("the alerts are missing in part: x",)
)


def taken_in(story: Story, history: History) -> list[tuple[Kind, dict[str, Any]]]:
    """The backfill of ``history``, written into ``story`` as the desk does it."""
    known = project(story.events)["INC-0001"].events
    made = backfill(history, known, NOW)
    for kind, payload in made:
        story.write(6, kind, **payload)
    return made


def declared() -> Story:
    story = Story()
    story.declare()
    return story


def test_everything_is_told_in_its_order_and_marked() -> None:
    story = declared()
    made = taken_in(story, EVERYTHING)
    assert all(payload["read_afterwards"] for _, payload in made)
    lines = [(entry.wall - START, entry.sentence) for entry in timeline(project(story.events)["INC-0001"])]
    before = [line for line in lines if line[0] < 0]
    assert [wall for wall, _ in before] == [-4000, -3500, -2000, -1800, -1700, -1600, -1500]
    sentences = [sentence for _, sentence in before]
    assert "HighLatency" in sentences[0]
    assert "HighLatency" in sentences[1]
    assert sentences[2] == "Deployment api rolled out revision 4: image api:1.4 (api-5d8f): ana: release 1.4"
    assert sentences[3] == "p99 latency at or over 500ms, up to 912ms"
    assert sentences[4] == "seal of vault-1: sealed until 13:58:20Z"
    assert sentences[5] == "Pod api: BackOff: Back-off restarting (12 times, last at 13:59:00Z)"
    assert "VaultSealed" in sentences[6]


def test_a_second_reading_adds_nothing() -> None:
    story = declared()
    assert len(taken_in(story, EVERYTHING)) == 8
    assert taken_in(story, EVERYTHING) == []


def test_a_second_reading_on_another_grid_adds_nothing() -> None:
    story = declared()
    taken_in(story, EVERYTHING)
    moved = replace(
        EVERYTHING,
        alerts=(replace(OVER, starts_at=OVER.starts_at + 14),),
        crossings=(replace(LATENCY, starts_at=LATENCY.starts_at + 14, peak=950.0),),
        cluster_events=(replace(BACK_OFF, count=13, last_at=START),),
    )
    assert taken_in(story, moved) == []


def test_what_the_cockpit_saw_begin_is_not_told_again() -> None:
    story = Story()
    story.flip(-500, "critical", "vault-1 is sealed", subject="vault-1 vault-sealed")
    story.fire(-480)
    story.declare()
    seen = replace(SEAL, starts_at=START - 505, ended_at=None)
    firing = replace(ALERT, starts_at=START - 485)
    assert taken_in(story, History(START - 7200, START, (firing,), (seen,))) == []


def test_an_onset_before_the_cockpit_was_opened_is_told() -> None:
    story = Story()
    story.flip(-500, "critical", "vault-1 is sealed", subject="vault-1 vault-sealed")
    story.declare()
    ((kind, payload),) = taken_in(story, History(START - 7200, START, (), (SEAL,)))
    assert (kind, payload["starts_at"], payload["sign"]) == (Kind.FLIP, START - 1700, True)


def test_an_alert_that_the_journal_knows_from_long_ago_still_enters_the_incident() -> None:
    """Seen by a cockpit 40 minutes before declaring: in the journal, but outside of the incident's 15 minutes."""
    story = Story()
    story.fire(-2400, "VaultSealed")
    story.declare()
    made = taken_in(story, History(START - 7200, START, (ALERT,)))
    assert [kind for kind, _ in made] == [Kind.ALERT_FIRED]
    assert project(story.events)["INC-0001"].detected_at == ALERT.starts_at


def test_the_end_of_an_earlier_firing_does_not_clear_the_one_that_goes_on() -> None:
    story = Story()
    story.fire(-100)
    story.declare()
    earlier = replace(ALERT, starts_at=START - 3000, ended_at=START - 2900)
    made = taken_in(story, History(START - 7200, START, (earlier,)))
    assert [kind for kind, _ in made] == [Kind.FLIP]
    assert made[0][1]["sentence"] == "alert VaultSealed fired until 13:11:40Z: vault-1 is sealed"
    assert [one.alert for one in project(story.events)["INC-0001"].standing] == ["VaultSealed"]
    assert taken_in(story, History(START - 7200, START, (earlier,))) == []


def test_what_began_before_the_reading_is_no_sign_of_the_beginning() -> None:
    old = replace(LATENCY, starts_at=START - 7200, from_before=True)
    ((_, payload),) = backfill(History(START - 7200, START, (), (old,)), [], NOW)
    assert payload["sign"] is False
    assert payload["sentence"] == "p99 latency at or over 500ms since 12:00:00Z or earlier, up to 912ms"


def test_a_target_s_clock_that_is_ahead_places_nothing_in_the_future() -> None:
    ahead = replace(ROLLOUT, starts_at=NOW + 300)
    ((_, payload),) = backfill(History(START - 7200, START, rollouts=(ahead,)), [], NOW)
    assert payload["starts_at"] == NOW


def test_the_backfill_tells_of_the_sign_and_leaves_no_trouble_standing() -> None:
    story = declared()
    taken_in(story, History(START - 7200, START, (), (LATENCY,)))
    state = project(story.events)["INC-0001"]
    assert state.standing == []
    assert state.started_at == LATENCY.starts_at


moments = st.floats(START - 7200, START)
words = st.text(max_size=20)
histories = st.builds(
    History,
    st.just(START - 7200),
    st.just(START),
    st.lists(
        st.builds(PastAlert, words, words, st.sampled_from([None, *Severity]), words, moments, words, st.none() | moments),
        max_size=4,
    ).map(tuple),
    st.lists(
        st.builds(Crossing, words, words, words, words, st.floats(0, 1e6), moments, st.none() | moments, st.floats(0, 1e6)),
        max_size=4,
    ).map(tuple),
    st.lists(st.builds(ClusterEvent, words, words, words, moments, moments, st.integers(1, 9)), max_size=4).map(tuple),
    st.lists(st.builds(Rollout, words, words, st.integers(0, 9), words, words, moments), max_size=4).map(tuple),
    st.lists(words, max_size=2).map(tuple),
)  # fmt: skip


@given(histories)
def test_any_history_gives_events_that_a_projection_reads(history: History) -> None:
    story = declared()
    made = taken_in(story, history)
    state = project(story.events)["INC-0001"]
    assert len(state.events) == 1 + len(made)
    assert [payload["starts_at"] for _, payload in made] == sorted(payload["starts_at"] for _, payload in made)
    assert state.started_at <= state.declared_at


@pytest.mark.parametrize("part", ["alerts", "crossings", "cluster_events", "rollouts", "missing"])
def test_each_part_alone(part: str) -> None:
    only = History(START - 7200, START, **{part: getattr(EVERYTHING, part)})
    assert backfill(only, [], NOW)
