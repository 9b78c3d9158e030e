"""What is lacking for a procedure, and what its past runs tell."""

from __future__ import annotations

from typing import Any

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.redis import RedisSnapshot
from alphapulse_tui.model.rights import FAIL_OVER, FORGET, RightsSurvey
from alphapulse_tui.runbook.engine import RunState, StepRecord, StepState
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.past import past_of
from alphapulse_tui.runbook.rights import lacking, surveys_of

PROCEDURES = load_procedures()
SPLIT = PROCEDURES["redis-split-brain"]
GRANT = "ACL SETUSER viewer +cluster|failover"


def reading(target: str, snapshot: Any, link: Link = Link.LIVE, problem: str = "") -> Reading[Any]:
    return Reading(target, 300.0, link, 0.0, snapshot, None if snapshot is None else 100.0, problem)


def test_a_missing_grant_is_named_with_every_action_that_needs_it() -> None:
    survey = RightsSurvey(missing=((FAIL_OVER, GRANT),), unknown=((FORGET, "a dry run would tell"),))
    panel = reading("redis", RedisSnapshot((), ("ACL SETUSER viewer +cluster|nodes",)))
    readings = {"redis-rights": reading("redis-rights", survey), "redis": panel}
    found = lacking(SPLIT, readings, 101.0)
    needing = tuple(dict.fromkeys(
        action for step in SPLIT.steps if (action := getattr(step, "action", "")).startswith("redis.failover")
    ))  # fmt: skip
    assert dict(found.missing) == {GRANT: needing, "ACL SETUSER viewer +cluster|nodes": ("reading",)}
    assert len(needing) > 1
    assert found.unknown == ("redis: a dry run would tell",) and not found.verified


def test_nothing_is_verified_before_every_system_has_answered() -> None:
    assert surveys_of(SPLIT) == ("redis-rights",)
    assert lacking(SPLIT, {}, 101.0).waiting and not lacking(SPLIT, {}, 101.0).verified
    connecting = {"redis-rights": reading("redis-rights", None, Link.CONNECTING)}
    assert lacking(SPLIT, connecting, 101.0).waiting
    silent = lacking(SPLIT, {"redis-rights": reading("redis-rights", None, Link.DOWN, "no node answers")}, 101.0)
    assert silent.unknown == ("redis: no node answers",) and not silent.waiting
    absent = lacking(SPLIT, {"redis-rights": reading("redis-rights", None, Link.UNCONFIGURED)}, 101.0)
    assert absent.unknown == ("redis is not configured in this profile",)
    well = {"redis-rights": reading("redis-rights", RightsSurvey())}
    assert lacking(SPLIT, well, 101.0).verified
    assert not lacking(SPLIT, well, 100_000.0).verified, "what was asked long ago is not known now"


def run(seconds: float | None, **states: StepState) -> RunState:
    made = RunState("r", SPLIT.id, 1000.0, {}, "ana", finished_at=None if seconds is None else 1000.0 + seconds)
    made.steps = {name.replace("_", "-"): StepRecord(state) for name, state in states.items()}
    return made


def test_the_time_a_procedure_takes_is_the_median_of_its_runs() -> None:
    assert past_of(SPLIT, []) == past_of(SPLIT, [RunState("r", "other", 0.0, {}, "ana", finished_at=5.0)])
    never = past_of(SPLIT, [])
    assert not never.measured and never.typical == sum(step.typical_seconds for step in SPLIT.steps) > 0
    proofs = {step.id.replace("-", "_"): StepState.PASSED for step in SPLIT.steps if getattr(step, "proof", False)}
    assert proofs
    left_out = proofs | {next(iter(proofs)): StepState.SKIPPED}
    past = past_of(SPLIT, [run(60, **proofs), run(3000, **left_out), run(90, **proofs), run(None)])
    assert (past.runs, past.succeeded, past.typical, past.measured, past.under_way) == (4, 2, 90.0, True, True)
    assert past.last == 4000.0
