"""The engine: state from events, checks that cannot pass unseen, branches, waits that must hold."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import JournalUnavailable
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.model.vault import VaultNode, VaultSnapshot
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene
from alphapulse_tui.runbook.engine import Engine, StepState, project, unfinished
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import (
    ActionStep,
    BranchStep,
    Case,
    CheckStep,
    ManualStep,
    Parameter,
    Procedure,
    WaitStep,
)
from tests.waiting import until

OPEN = VaultNode(
    "vault-0", "http://x", health_code=200, initialized=True, seal_type="shamir", threshold=3, shares=5, is_leader=True
)
SEALED = replace(OPEN, name="vault-1", health_code=503, sealed=True, is_leader=False)


class Stage:
    """A board, a clock and a journal of this test's own."""

    def __init__(self, *nodes: VaultNode) -> None:
        self.now = 100.0
        self.events: list[Event] = []
        self.nodes = nodes
        self.taken_at: float | None = None
        """When the nodes were read; at every moment anew unless a test says otherwise."""

    def scene(self) -> Scene:
        taken_at = self.now if self.taken_at is None else self.taken_at
        reading = Reading("vault", 5.0, Link.LIVE, 0.0, VaultSnapshot(self.nodes), taken_at)
        return Scene({"vault": reading} if self.nodes else {}, self.now, 1_000_000 + self.now, Thresholds())

    async def record(self, kind: Kind, payload: dict[str, Any]) -> None:
        number = len(self.events) + 1
        self.events.append(
            Event(str(number), number, "w", number, self.now, self.now, "ana", "", kind, payload, "", "")
        )

    def engine(self) -> Engine:
        return Engine(
            load_procedures()["vault-sealed"], self.scene, self.record, unfinished(self.events, "vault-sealed")
        )


async def test_a_procedure_left_is_taken_up_where_it_stood() -> None:
    stage = Stage(OPEN, SEALED)
    first = stage.engine()
    await first.start()
    step = first.procedure.step("which-nodes")
    assert isinstance(step, CheckStep)
    await first.run_check(step)
    await first.skip(first.procedure.step("seal-type"), "known")
    second = stage.engine()
    await second.start()
    assert second.current.id == "kms"
    assert second.step_record(first.procedure.step("seal-type")).reason == "known"
    assert [event.kind for event in stage.events].count(Kind.PROCEDURE_STARTED) == 1


async def test_a_diagnosis_is_done_by_looking_but_a_proof_must_hold() -> None:
    stage = Stage(OPEN, SEALED)
    engine = stage.engine()
    await engine.start()
    look, proof = engine.procedure.step("which-nodes"), engine.procedure.step("unsealed")
    assert isinstance(look, CheckStep) and isinstance(proof, CheckStep)
    assert (await engine.run_check(look)).passed is Passed.NO
    assert engine.step_record(look).state is StepState.FOUND
    await engine.run_check(proof)
    assert engine.step_record(proof).state is StepState.FAILED
    stage.nodes = (OPEN,)
    await engine.run_check(proof)
    assert engine.step_record(proof).state is StepState.PASSED


async def test_an_action_that_is_repeated_is_not_enough_by_what_was_read_before_it() -> None:
    stage = Stage(OPEN)
    engine = stage.engine()
    await engine.start()
    step = engine.procedure.step("unseal")
    assert isinstance(step, ActionStep) and step.until == "vault.seal"
    stage.taken_at, stage.now = 100.0, 103.0
    await engine.acted(step, verified=True)
    assert engine.step_record(step).state is StepState.RUNNING, "the reading is older than the share"
    assert not await engine.watch_action(step)
    stage.taken_at, stage.nodes = 104.0, (OPEN, SEALED)
    assert not await engine.watch_action(step)
    stage.nodes = (OPEN,)
    assert await engine.watch_action(step)
    assert engine.step_record(step).state is StepState.PASSED


class Full:
    """A journal that takes in what it is told while it is not full."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.full = stage, True

    async def record(self, kind: Kind, payload: dict[str, Any]) -> None:
        if self.full:
            raise JournalUnavailable("the disk is full")
        await self.stage.record(kind, payload)


async def test_what_could_not_be_recorded_did_not_happen_and_is_recorded_when_it_can_be() -> None:
    stage = Stage(OPEN)
    journal = Full(stage)
    engine = Engine(load_procedures()["vault-sealed"], stage.scene, journal.record)
    step = engine.procedure.step("which-nodes")
    for change in (engine.start(), engine.skip(step, "known")):
        with pytest.raises(JournalUnavailable):
            await change
    assert not stage.events and engine.step_record(step).state is StepState.OPEN
    journal.full = False
    await engine.skip(step, "known")
    assert engine.step_record(step).state is StepState.SKIPPED
    journal.full = True
    for change in (engine.skip(engine.procedure.step("kms"), "known"), engine.finish("left")):
        with pytest.raises(JournalUnavailable):
            await change
    assert engine.current.id == "seal-type"
    assert engine.state is not None and engine.state.finished_at is None
    assert [event.kind for event in stage.events] == [Kind.PROCEDURE_STARTED, Kind.STEP]


async def test_an_end_that_could_not_be_recorded_is_recorded_when_the_step_is_settled_again() -> None:
    stage = Stage(OPEN)

    async def endless(kind: Kind, payload: dict[str, Any]) -> None:
        if kind is Kind.PROCEDURE_FINISHED:
            raise JournalUnavailable("the disk is full")
        await stage.record(kind, payload)

    engine = Engine(picking(), stage.scene, endless)
    step = engine.procedure.steps[0]
    with pytest.raises(JournalUnavailable):
        await engine.skip(step, "known")
    resumed = Engine(picking(), stage.scene, stage.record, unfinished(stage.events, "picked"))
    await resumed.skip(step, "known")
    kinds = [event.kind for event in stage.events]
    assert kinds == [Kind.PROCEDURE_STARTED, Kind.STEP, Kind.PROCEDURE_FINISHED]
    assert unfinished(stage.events, "picked") is None


async def test_what_is_being_recorded_counts_though_whoever_asked_for_it_is_gone() -> None:
    stage, free = Stage(OPEN), asyncio.Event()

    async def slow(kind: Kind, payload: dict[str, Any]) -> None:
        await free.wait()
        await stage.record(kind, payload)

    engine = Engine(picking(), stage.scene, slow)
    step = engine.procedure.steps[0]
    for change in (engine.skip(step, "known"), engine.set_params({"node": "vault-1"})):
        asked = asyncio.create_task(change)
        await asyncio.sleep(0.01)
        asked.cancel()
    again = asyncio.create_task(engine.skip(step, "known"))
    await asyncio.sleep(0.01)
    free.set()
    await again
    await until(lambda: engine.params["node"], 5, "the value")
    assert engine.step_record(step).state is StepState.SKIPPED
    kinds = [event.kind for event in stage.events]
    assert kinds.count(Kind.PROCEDURE_STARTED) == kinds.count(Kind.STEP) == kinds.count(Kind.PROCEDURE_VALUES) == 1


def test_a_moment_that_has_no_date_reads_as_absent() -> None:
    for damaged in (1e300, float("inf"), -1e300):
        told = [
            (Kind.PROCEDURE_STARTED, {"run": "a", "procedure": "picked"}),
            (Kind.STEP, {"run": "a", "step": "do", "state": "passed"}),
            (Kind.PROCEDURE_FINISHED, {"run": "a"}),
        ]
        events = [
            Event(str(number), number, "w", number, damaged, damaged, "ana", "", kind, payload, "", "")
            for number, (kind, payload) in enumerate(told, 1)
        ]
        run = project(events)["a"]
        assert (run.started_at, run.finished_at, run.steps["do"].wall) == (0.0, 0.0, 0.0)


async def test_a_damaged_event_of_a_procedure_is_left_out_and_kills_nothing() -> None:
    stage = Stage(OPEN)
    engine = stage.engine()
    await engine.start()
    assert engine.state is not None
    await engine.skip(engine.procedure.step("which-nodes"), "known")
    run = engine.state.run
    for kind in (Kind.PROCEDURE_STARTED, Kind.STEP, Kind.PROCEDURE_VALUES, Kind.PROCEDURE_FINISHED):
        for damaged in ({"unreadable": "x"}, {"run": None}, {"run": ["a"], "step": None}):
            await stage.record(kind, damaged)
    await stage.record(Kind.STEP, {"run": run, "step": "seal-type", "state": "pondered"})
    await stage.record(Kind.PROCEDURE_VALUES, {"run": run, "params": "none"})
    assert project(stage.events).keys() == {run}
    states = {name: step.state for name, step in project(stage.events)[run].steps.items()}
    assert states == {"which-nodes": StepState.SKIPPED, "seal-type": StepState.OPEN}


async def test_what_was_read_before_an_action_decides_no_branch_behind_it() -> None:
    stage = Stage(OPEN)
    engine = stage.engine()
    step, unseal = engine.procedure.step("which-nodes"), engine.procedure.step("unseal")
    assert isinstance(unseal, ActionStep)
    stage.taken_at, stage.now = 100.0, 102.0
    await engine.acted(unseal, verified=False)
    result = engine.look(step)
    assert result is not None and result.passed is Passed.UNKNOWN and result.awaited
    stage.taken_at = 102.5
    result = engine.look(step)
    assert result is not None and result.passed is Passed.YES


async def test_what_could_not_be_read_never_passes() -> None:
    stage = Stage()
    engine = stage.engine()
    await engine.start()
    for step in engine.procedure.steps:
        if isinstance(step, CheckStep):
            assert (await engine.run_check(step)).passed is Passed.UNKNOWN
            assert engine.step_record(step).state is StepState.FAILED


async def test_an_unreachable_node_is_not_verified_rather_than_unsealed() -> None:
    stage = Stage(OPEN, VaultNode("vault-1", "http://y", problem="no answer within 3 s"))
    result = stage.engine().look(load_procedures()["vault-sealed"].step("which-nodes"))
    assert result is not None and result.passed is Passed.UNKNOWN


async def test_a_wait_must_hold_without_a_break_and_ends_at_its_deadline() -> None:
    stage = Stage(OPEN)
    engine = stage.engine()
    await engine.start()
    step = engine.procedure.step("serving")
    assert isinstance(step, WaitStep)
    assert engine.wait_progress(step)[0] is StepState.RUNNING
    stage.now += 4
    stage.nodes = (replace(OPEN, health_code=429),)
    assert engine.wait_progress(step)[0] is StepState.RUNNING
    stage.nodes = (OPEN,)
    assert engine.wait_progress(step)[:2] == (StepState.RUNNING, 0.0)
    stage.now += 5
    assert engine.wait_progress(step)[0] is StepState.PASSED
    engine.wait_again(step)
    stage.nodes = (SEALED,)
    assert engine.wait_progress(step)[0] is StepState.RUNNING
    stage.now += step.deadline_seconds + step.hold_seconds + 1
    assert engine.wait_progress(step)[0] is StepState.FAILED


async def test_the_same_result_is_recorded_once() -> None:
    stage = Stage(OPEN)
    engine = stage.engine()
    await engine.start()
    step = engine.procedure.step("which-nodes")
    assert isinstance(step, CheckStep)
    await engine.run_check(step)
    await engine.run_check(step)
    assert [event.kind for event in stage.events] == [Kind.PROCEDURE_STARTED, Kind.STEP]


def test_a_branch_goes_where_the_value_says() -> None:
    procedure = load_procedures()["pg-connections"]
    engine = Engine(procedure, Stage().scene, Stage().record)
    step = procedure.step("choose")
    assert isinstance(step, BranchStep)
    scene = Stage().scene()
    silent = scene.silence("postgres")
    assert engine.suggestion(step, silent) is None, "what could not look suggests nothing"
    assert engine.suggestion(step, CheckResult(Passed.YES, "well", value="none")) == (
        "usage-fell",
        "none of the cases fits what was found",
    )
    assert (engine.suggestion(step, replace(silent, value="idle")) or ("",))[0] == "end-idle"
    assert [goto for goto, _ in engine.ways(step)] == [
        "end-idle-in-transaction",
        "end-idle",
        "raise-limit",
        "usage-fell",
    ]


def picking() -> Procedure:
    """A procedure whose one action needs a node that a check offers."""
    step = ActionStep(id="do", title="do it", why="because", action="vault.unseal", params={"node": "{node}"})
    node = Parameter(name="node", title="the node", pick="vault.seal")
    return Procedure(
        id="picked", title="picked", section="2", severity="P1", target="vault", summary="picks", steps=(step,),
        parameters=(node,),
    )  # fmt: skip


async def test_an_empty_value_takes_the_first_choice_of_now_and_a_chosen_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choices = [("vault-1", "sealed"), ("vault-2", "sealed too")]
    monkeypatch.setitem(CHECKS, "vault.seal", lambda scene: CheckResult(Passed.NO, "x", choices=tuple(choices)))
    stage, procedure = Stage(OPEN), picking()
    step = procedure.step("do")
    assert isinstance(step, ActionStep)
    engine = Engine(procedure, stage.scene, stage.record)
    await engine.start()
    assert engine.action_params(step) == {"node": "vault-1"}
    choices.pop(0)
    assert engine.action_params(step) == {"node": "vault-2"}
    await engine.set_params({"node": "vault-0"})
    assert engine.action_params(step) == {"node": "vault-0"}
    resumed = Engine(procedure, stage.scene, stage.record, unfinished(stage.events, "picked"))
    assert resumed.action_params(step) == {"node": "vault-0"}
    choices.clear()
    assert Engine(procedure, stage.scene, stage.record).action_params(step) == {"node": ""}


async def test_a_branch_back_opens_the_steps_between_again_and_the_journal_knows_it() -> None:
    look = CheckStep(id="look", title="look", why="because", check="vault.seal")
    mend = ManualStep(id="mend", title="mend", why="because", ask="mend it")
    again = BranchStep(
        id="again", title="again", why="because", check="vault.seal", otherwise="end",
        cases=(Case(when="sealed", goto="mend", say="still sealed"),),
    )  # fmt: skip
    end = CheckStep(id="end", title="end", why="because", check="vault.seal")
    procedure = msgspec.structs.replace(picking(), steps=(look, mend, again, end), parameters=())
    stage = Stage(OPEN, SEALED)
    engine = Engine(procedure, stage.scene, stage.record)
    await engine.start()
    await engine.run_check(look)
    await engine.settle(mend, StepState.DONE, "mended")
    result = engine.look(again)
    assert result is not None and engine.suggestion(again, result) == ("mend", "still sealed")
    await engine.go(again, "mend", result.sentence, "still sealed")
    assert engine.current is mend and not engine.complete
    resumed = Engine(procedure, stage.scene, stage.record, unfinished(stage.events, "picked"))
    assert resumed.current is mend and resumed.step_record(look).state is StepState.FOUND
    stage.nodes = (OPEN,)
    await engine.settle(mend, StepState.DONE, "really mended")
    await engine.go(again, "end", "all well", "nothing is sealed")
    assert engine.current.id == end.id
