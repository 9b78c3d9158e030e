"""Walks a procedure. What has happened is in the journal and nowhere else, so a procedure is resumed where it stood, by anybody.

:func:`project` makes the state of a run out of events; :class:`Engine` judges steps and records what became of them. The engine neither
executes actions (the executor does) nor draws anything (the screen does).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.payload import text, texts, written
from alphapulse_tui.runbook.checks import CHECKS, Check, CheckResult, Passed, Scene
from alphapulse_tui.runbook.checks.look import look
from alphapulse_tui.runbook.filling import fill, fill_command
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, CheckStep, Parameter, Procedure, Step, WaitStep

LOOK_SECONDS = 15.0
"""How long :meth:`Engine.look_until` waits for what a check reads; the slowest survey is read every ten."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at the board."""

Record = Callable[[Kind, dict[str, Any]], Awaitable[object]]
"""Writes an event of the open incident, if there is one, into the journal."""


class StepState(Enum):
    """Where a step stands."""

    OPEN = "open"
    RUNNING = "running"
    PASSED = "passed"
    FOUND = "found"
    """A diagnosis has looked and something is not well: the step is over, the trouble is not."""
    FAILED = "failed"
    SKIPPED = "skipped"
    DONE = "done"
    """A person did it."""

    @property
    def settled(self) -> bool:
        """Whether the step needs nobody any more."""
        return self in (StepState.PASSED, StepState.FOUND, StepState.SKIPPED, StepState.DONE)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What the journal last said of a step."""

    state: StepState
    sentence: str = ""
    reason: str = ""
    wall: float = 0.0
    """Unix seconds."""
    actor: str = ""


@dataclass(slots=True)
class RunState:
    """One run of a procedure, as the journal tells it."""

    run: str
    procedure: str
    started_at: float
    params: dict[str, str]
    actor: str
    steps: dict[str, StepRecord] = field(default_factory=dict)
    finished_at: float | None = None
    result: str = ""


def project(events: Iterable[Event]) -> dict[str, RunState]:
    """Every run that ``events`` tell of, by run id, oldest first. A damaged event tells of none, and a state that is not known of an open step."""
    runs: dict[str, RunState] = {}
    for event in events:
        payload = event.payload
        name, procedure = text(payload, "run"), text(payload, "procedure")
        run = runs.get(name)
        if event.kind is Kind.PROCEDURE_STARTED and name and procedure:
            runs[name] = RunState(name, procedure, written(event), texts(payload, "params"), event.actor)
        elif run is None:
            continue
        elif event.kind is Kind.PROCEDURE_VALUES:
            run.params.update(texts(payload, "params"))
        elif event.kind is Kind.STEP and (step := text(payload, "step")):
            run.steps[step] = StepRecord(
                _state(text(payload, "state")),
                text(payload, "sentence"),
                text(payload, "reason"),
                written(event),
                event.actor,
            )
        elif event.kind is Kind.PROCEDURE_FINISHED:
            run.finished_at, run.result = written(event), text(payload, "result")
    return runs


def _state(word: str) -> StepState:
    """A newer version of this program may know more states."""
    return StepState(word) if word in {state.value for state in StepState} else StepState.OPEN


def unfinished(events: Iterable[Event], procedure: str) -> RunState | None:
    """The latest run of ``procedure`` that was not finished, to be taken up where it stood."""
    open_runs = [run for run in project(events).values() if run.procedure == procedure and run.finished_at is None]
    return open_runs[-1] if open_runs else None


def picks(procedure: Procedure, scene: Scene) -> dict[str, str]:
    """What is taken now for each parameter that has no value in ``scene``: the first of its choices, if there are any.

    None while they are still being looked for: a larger one may come.
    """
    picked = {}
    for parameter in procedure.parameters:
        if parameter.pick and not scene.params[parameter.name]:
            result = look(CHECKS[parameter.pick], scene)
            if result.choices and not result.awaited:
                picked[parameter.name] = result.choices[0][0]
    return picked


def _check_of(step: Step) -> str:
    return step.check if isinstance(step, CheckStep | WaitStep | BranchStep) else getattr(step, "until", "")


class Engine:
    """One run of one procedure.

    ``scene`` gives the moment (board, clocks, thresholds); ``record`` writes to the journal. A check's result is recorded when its verdict
    changes, not every time that it is looked at.
    """

    def __init__(
        self, procedure: Procedure, scene: Callable[[], Scene], record: Record, state: RunState | None = None
    ) -> None:
        self.procedure = procedure
        self._scene = scene
        self._record = record
        self.params = procedure.defaults(scene().thresholds)
        if state is not None:
            self.params.update({name: value for name, value in state.params.items() if name in self.params})
        self.state = state
        self._held_since: dict[str, float] = {}
        self._waiting_since: dict[str, float] = {}
        self._starting = asyncio.Lock()
        self._settling = asyncio.Lock()
        self._since = 0.0
        """On the board's clock, the end of the last action: no check looks at what was read before, or it would judge what is no more."""

    async def start(self) -> None:
        """Begin a new run, unless one is being taken up; whatever changes the run does it first, should it not have been possible before."""
        async with self._starting:
            if self.state is not None:
                return
            wall, run = self._scene().wall, str(uuid.uuid4())
            await self._record(
                Kind.PROCEDURE_STARTED,
                {
                    "run": run,
                    "procedure": self.procedure.id,
                    "title": self.procedure.title,
                    "params": dict(self.params),
                },
            )
            self.state = RunState(run, self.procedure.id, wall, dict(self.params), "")

    def step_record(self, step: Step) -> StepRecord:
        """What is recorded of the step."""
        steps = self.state.steps if self.state is not None else {}
        return steps.get(step.id, StepRecord(StepState.OPEN))

    @property
    def current(self) -> Step:
        """The first step that needs somebody; the last one when none does."""
        return next(
            (step for step in self.procedure.steps if not self.step_record(step).state.settled),
            self.procedure.steps[-1],
        )

    @property
    def complete(self) -> bool:
        """Whether every step is settled."""
        return all(self.step_record(step).state.settled for step in self.procedure.steps)

    def blocked_by(self, step: Step) -> Step | None:
        """The earlier step that must be settled first, or none."""
        if not step.needs:
            return None
        needed = self.procedure.step(step.needs)
        return None if self.step_record(needed).state.settled else needed

    def look(self, step: Step) -> CheckResult | None:
        """What the step's check says now, without recording it; none for a step without a check."""
        name = _check_of(step)
        return look(CHECKS[name], self.scene()) if name else None

    async def look_until(self, step: Step, enough: Callable[[CheckResult], bool]) -> CheckResult:
        """What the step's check says once that is ``enough``; after :data:`LOOK_SECONDS`, whatever it says.

        Raises:
            KeyError: the step has no check.
        """
        return await self._look_until(CHECKS[_check_of(step)], enough)

    async def pick_until_read(self, step: ActionStep) -> None:
        """Wait, as :meth:`look_until` does, for what the action's open parameters are picked from: right after an action it is being read."""
        for parameter in self.procedure.parameters:
            wanted = any(f"{{{parameter.name}}}" in value for value in step.params.values())
            if wanted and parameter.pick and not self.params[parameter.name]:
                await self._look_until(CHECKS[parameter.pick], lambda result: not result.awaited)

    async def _look_until(self, check: Check, enough: Callable[[CheckResult], bool]) -> CheckResult:
        ends = self._scene().now + LOOK_SECONDS
        while True:
            result = look(check, self.scene())
            if enough(result) or self._scene().now > ends:
                return result
            await asyncio.sleep(LOOK_INTERVAL)

    def scene(self) -> Scene:
        """The moment, with this run's parameters, and without what was read before its last action."""
        return replace(self._scene(), params=self.params, since=self._since)

    def choices(self, parameter: Parameter) -> tuple[tuple[str, str], ...]:
        """What ``parameter`` may be now: value, and what it is in words; empty where anything may be typed."""
        return CHECKS[parameter.pick](self.scene()).choices if parameter.pick else ()

    def values(self) -> dict[str, str]:
        """Every parameter's value now; an empty one takes the first of its choices."""
        return {**self.params, **picks(self.procedure, self.scene())}

    def filled(self, text: str) -> str:
        """A command or an instruction with this run's values in it; one that has no value yet stays a placeholder."""
        return fill(text, {name: value for name, value in self.values().items() if value})

    def command(self, step: Step) -> str:
        """The step's command for a bastion, with this run's values in it as words of the shell; comments while it lacks one."""
        return fill_command(step.command, self.values())

    def action_params(self, step: ActionStep) -> dict[str, str]:
        """The action's parameters with this run's values in them."""
        values = self.values()
        return {name: fill(value, values) for name, value in step.params.items()}

    def suggestion(self, step: BranchStep, result: CheckResult) -> tuple[str, str] | None:
        """Where the branch would go by ``result``: step id, and why; none where it could not look and no case is made for that."""
        for case in step.cases:
            if case.when == result.value:
                return case.goto, case.say
        return None if result.passed is Passed.UNKNOWN else (step.otherwise, "none of the cases fits what was found")

    def ways(self, step: BranchStep) -> list[tuple[str, str]]:
        """Every way out of the branch, once: step id, and when it is taken."""
        ways = {case.goto: case.say for case in reversed(step.cases)}
        return [*reversed(ways.items()), *(() if step.otherwise in ways else ((step.otherwise, "otherwise"),))]

    async def go(self, step: BranchStep, goto: str, found: str, why: str) -> None:
        """Leave the branch for the step ``goto``, because ``found`` was found and for the reason ``why``.

        Steps that are leapt over are skipped with that reason; a leap back opens what lies between again, and the branch with it.
        """
        steps, ids = self.procedure.steps, [each.id for each in self.procedure.steps]
        here, there = ids.index(step.id), ids.index(goto)
        if there <= here:
            for again in steps[there : here + 1]:
                await self.settle(again, StepState.OPEN, f"again: {why}")
            return
        await self.settle(step, StepState.PASSED, f"{found}: {why}")
        for leapt in steps[here + 1 : there]:
            if not self.step_record(leapt).state.settled:
                await self.skip(leapt, why)

    async def run_check(self, step: CheckStep) -> CheckResult:
        """Judge and record. A diagnosis is done once it has looked; a proof must hold; what could not be read fails both."""
        result = look(CHECKS[step.check], self.scene())
        bad = StepState.FAILED if step.proof else StepState.FOUND
        state = {Passed.YES: StepState.PASSED, Passed.NO: bad, Passed.UNKNOWN: StepState.FAILED}[result.passed]
        await self.settle(step, state, result.sentence, evidence=[list(row) for row in result.rows])
        return result

    async def acted(self, step: ActionStep, verified: bool) -> None:
        """An action came back. One that is repeated until a check holds stays under way; see :meth:`watch_action`."""
        self._since = self._scene().now
        if not verified:
            return
        if step.until:
            await self.settle(step, StepState.RUNNING, "done once and verified; again until it is enough")
        else:
            await self.settle(step, StepState.PASSED, "done and verified")

    async def watch_action(self, step: ActionStep) -> bool:
        """Whether a repeated action has become enough: its check holds, which settles the step."""
        if not step.until or self.step_record(step).state is not StepState.RUNNING:
            return False
        result = look(CHECKS[step.until], self.scene())
        if result.passed is not Passed.YES:
            return False
        await self.settle(step, StepState.PASSED, result.sentence)
        return True

    def wait_progress(self, step: WaitStep) -> tuple[StepState, float, CheckResult]:
        """Look once: the state so far, seconds that the check has held, and its result. Call it again until it is not running."""
        scene = self.scene()
        result = look(CHECKS[step.check], scene)
        began = self._waiting_since.setdefault(step.id, scene.now)
        if result.passed is Passed.YES:
            held = scene.now - self._held_since.setdefault(step.id, scene.now)
            if held >= step.hold_seconds:
                return StepState.PASSED, held, result
        else:
            self._held_since.pop(step.id, None)
            held = 0.0
        if scene.now - began > step.deadline_seconds + step.hold_seconds:
            return StepState.FAILED, held, result
        return StepState.RUNNING, held, result

    def wait_again(self, step: WaitStep) -> None:
        """Begin the wait anew."""
        self._held_since.pop(step.id, None)
        self._waiting_since.pop(step.id, None)

    async def settle(
        self, step: Step, state: StepState, sentence: str, reason: str = "", evidence: object = None
    ) -> None:
        """Record what became of a step; the same again is not written twice. What could not be recorded did not become of it.

        Whoever asked for it may go away meanwhile (another key, a screen that is left): the journal has it then, so the step has it too.
        """
        await asyncio.shield(self._settle(step, StepRecord(state, sentence, reason), evidence))

    async def _settle(self, step: Step, became: StepRecord, evidence: object) -> None:
        await self.start()
        async with self._settling:
            before = self.step_record(step)
            if (before.state, before.sentence) != (became.state, became.sentence):
                await self._write_step(step, became, evidence)
                self._run.steps[step.id] = replace(became, wall=self._scene().wall)
            if self.complete and self._run.finished_at is None:
                await self.finish("every step settled")

    async def _write_step(self, step: Step, became: StepRecord, evidence: object) -> None:
        payload: dict[str, Any] = {
            "run": self._run.run,
            "procedure": self.procedure.id,
            "step": step.id,
            "title": step.title,
            "state": became.state.value,
            "sentence": became.sentence,
        }
        if became.reason:
            payload["reason"] = became.reason
        if evidence:
            payload["evidence"] = evidence
        await self._record(Kind.STEP, payload)

    async def skip(self, step: Step, reason: str) -> None:
        """Leave a step out, saying why."""
        await self.settle(step, StepState.SKIPPED, f"skipped: {reason}", reason=reason)

    async def set_params(self, values: Mapping[str, str]) -> None:
        """Change the run's parameters, for everybody who takes it up; later plans use them. As with a step, what is being written counts.

        Raises:
            KeyError: the procedure has no such parameter.
        """
        changed = {name: value for name, value in values.items() if self.params[name] != value}
        if changed:
            await asyncio.shield(self._change(changed))

    async def _change(self, changed: dict[str, str]) -> None:
        await self.start()
        await self._record(
            Kind.PROCEDURE_VALUES, {"run": self._run.run, "procedure": self.procedure.id, "params": changed}
        )
        self.params.update(changed)

    async def finish(self, result: str) -> None:
        """End the run."""
        await self._record(
            Kind.PROCEDURE_FINISHED, {"run": self._run.run, "procedure": self.procedure.id, "result": result}
        )
        self._run.finished_at = self._scene().wall
        self._run.result = result

    @property
    def _run(self) -> RunState:
        assert self.state is not None, "the run has not been started"
        return self.state
