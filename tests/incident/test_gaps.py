"""Gaps and contradictions: said when the record shows them, and not before."""

from __future__ import annotations

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.gaps import gaps
from alphapulse_tui.incident.state import project
from alphapulse_tui.incident.timeline import timeline
from tests.incident.story import START, Story


def said(story: Story, now: float) -> str:
    return "\n".join(gaps(project(story.events)["INC-0001"], START + now))


def reconcile(story: Story, at: float, how: str, verdict: str, **more: str) -> None:
    told = {"sentence": f"{how}: {verdict}", "evidence": "", **more}
    story.write(at, Kind.RECONCILED, action_run="run-1", how=how, verdict=verdict, **told)


def test_an_unknown_outcome_that_the_target_has_proven_is_no_gap() -> None:
    story = Story()
    story.declare()
    story.fix(10, outcome="unknown", verdict="")
    assert "its outcome is not known" in said(story, 60)
    proven = Story()
    proven.declare()
    proven.fix(10, outcome="unknown")
    assert "its outcome is not known" not in said(proven, 60)


def test_an_update_is_missed_only_when_its_half_hour_is_over() -> None:
    story = Story()
    story.declare(severity="P2")
    story.write(60, Kind.SEVERITY, before="P2", after="P1", reason="worse")
    missed = "no update went out in the 30 minutes after it"
    assert missed not in said(story, 60 + 1799) and missed in said(story, 60 + 1800)
    story.write(600, Kind.RESOLVED, reason="over")
    assert missed not in said(story, 5000)


def test_a_probe_that_says_neither_yes_nor_no_settles_nothing() -> None:
    story = Story()
    story.declare()
    story.fix(10, outcome="unknown", verdict="")
    reconcile(story, 20, "probed", "pending")
    text = said(story, 60)
    assert "its outcome is not known" in text and "the check came to no end (pending): probed: pending" in text
    reconcile(story, 30, "probed", "verified")
    assert "its outcome is not known" not in said(story, 60)
    told = [entry.sentence for entry in timeline(project(story.events)["INC-0001"]) if "(probed)" in entry.sentence]
    assert ["still open" in told[0], "settled it" in told[1]] == [True, True]


def test_the_first_to_settle_a_run_is_right() -> None:
    story = Story()
    story.declare()
    story.fix(10, outcome="unknown", verdict="")
    reconcile(story, 20, "abandoned", "pending", evidence="the generation never moved")
    reconcile(story, 21, "marked done", "verified", evidence="looks well")
    run = project(story.events)["INC-0001"].actions["run-1"]
    assert (run.reconciled, run.evidence, run.verified) == ("abandoned", "the generation never moved", False)
