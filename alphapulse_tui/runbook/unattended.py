"""A procedure walked without a screen, its actions done: by a script, or by a person without a terminal.

The same engine, executor and journal as behind the screen, so a run can be begun here and taken up there. What needs a person is refused
and says so: a manual step, a key share, a destructive action whose object was not named on the command line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import RefusedError, UnavailableError
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.runbook.checks import CheckResult, Passed, Scene
from alphapulse_tui.runbook.deed import Consent, Deed, do
from alphapulse_tui.runbook.engine import LOOK_INTERVAL, LOOK_SECONDS, Engine, StepState, unfinished
from alphapulse_tui.runbook.schema import (
    ActionStep,
    BranchStep,
    CheckStep,
    LinkStep,
    ManualStep,
    MessageStep,
    Procedure,
    Step,
    WaitStep,
)
from alphapulse_tui.session import Session
from alphapulse_tui.text import clean

MOST_STEPS = 100
"""Steps of one walk: a procedure may go back, but not for ever."""

IDLE_SECONDS = 1.0
"""What the executor stays behind a command that has ended, if nothing is under way: nobody comes back to it, and each holds a connection of a role
that may have twelve (deploy/privileges/postgres)."""


@dataclass(slots=True)
class Report:
    """What became of one step, as ``--json`` has it."""

    number: int
    id: str
    kind: str
    title: str
    verdict: str
    """A check's own word, ``verified``, ``unknown``, ``failed``, ``refused``, ``unreachable``, ``by hand``, ``skipped`` or ``settled before``."""
    sentence: str
    evidence: list[list[str]] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    """Of an action's plan: what was planned here is what a screen would have shown."""
    exit_code: ExitCode = ExitCode.OK


class Walker:
    """Walks one run of one procedure."""

    def __init__(self, session: Session, engine: Engine, consent: Consent) -> None:
        self._session = session
        self._engine = engine
        self._consent = consent

    async def walk(self, only: Step | None) -> AsyncIterator[Report]:
        """Do ``only`` that step, or every one that is not settled; ends after the first that did not come out well."""
        if only is not None:
            yield await self._do(only)
            return
        engine = self._engine
        for step in engine.procedure.steps:
            record = engine.step_record(step)
            if record.state.settled:
                yield self._report(step, "settled before", record.sentence or record.state.value)
        for _ in range(MOST_STEPS):
            if engine.complete:
                return
            report = await self._do(engine.current)
            yield report
            if report.exit_code is not ExitCode.OK:
                return
        said = f"{MOST_STEPS} steps did not come to an end: it goes round in circles, and needs a person"
        yield self._report(engine.current, "not verified", said, exit_code=ExitCode.UNKNOWN)

    async def _do(self, step: Step) -> Report:
        blocking = self._engine.blocked_by(step)
        if blocking is not None:
            return self._refused(step, f"first: step {blocking.id} ({blocking.title}).")
        match step:
            case CheckStep():
                return await self._check(step)
            case ActionStep():
                return await self._act(step)
            case WaitStep():
                return await self._wait(step)
            case BranchStep():
                return await self._branch(step)
            case ManualStep():
                said = f"{step.ask} Do it, then go on with the steps behind it (--step)."
                return self._refused(step, said, verdict="by hand")
            case MessageStep():
                await self._engine.settle(step, StepState.DONE, f"text for {step.channel} written out")
                return self._report(step, "by hand", f"to {step.channel}: {step.text}")
            case LinkStep():
                url = str(getattr(self._session.profile.links, step.link))
                await self._engine.settle(step, StepState.DONE, f"address written out: {url}")
                return self._report(step, "by hand", url)

    async def _look(self, step: Step) -> CheckResult:
        """The step's check, once its target has answered or had its time."""
        return await self._engine.look_until(step, lambda result: result.passed is not Passed.UNKNOWN)

    async def _check(self, step: CheckStep) -> Report:
        await self._look(step)
        result = await self._engine.run_check(step)
        settled = self._engine.step_record(step).state.settled
        code = ExitCode.OK if settled else _code(result)
        return self._report(step, result.passed.value, result.sentence, result, exit_code=code)

    async def _branch(self, step: BranchStep) -> Report:
        result = await self._look(step)
        way = self._engine.suggestion(step, result)
        if way is None:
            return self._report(step, result.passed.value, result.sentence, result, exit_code=ExitCode.UNKNOWN)
        goto, why = way
        await self._engine.go(step, goto, result.sentence, why)
        said = f"{result.sentence}: {why}; goes on at {goto}"
        return self._report(step, result.passed.value, said, result)

    async def _wait(self, step: WaitStep) -> Report:
        self._engine.wait_again(step)
        while True:
            state, held, result = self._engine.wait_progress(step)
            if state is not StepState.RUNNING:
                break
            await asyncio.sleep(LOOK_INTERVAL)
        held_well = state is StepState.PASSED
        said = f"held for {held:.0f} s: {result.sentence}" if held_well else f"did not hold: {result.sentence}"
        await self._engine.settle(step, state, said)
        code = ExitCode.OK if held_well else _code(result)
        return self._report(step, result.passed.value, said, result, exit_code=code)

    async def _act(self, step: ActionStep) -> Report:
        executor = self._session.executor
        if executor is None:
            raise UnavailableError(self._session.executor_problem)
        desk = self._session.desk
        incident = desk.open.id if desk is not None and desk.open is not None else ""
        reason = f"procedure {self._engine.procedure.id}: {step.title} (without a screen)"
        await self._engine.pick_until_read(step)
        deed = await do(executor, step.action, self._engine.action_params(step), self._consent, reason, incident)
        report = self._report(step, deed.verdict, deed.sentence, exit_code=deed.exit_code)
        report.evidence, report.before, report.after = deed.evidence, deed.before, deed.after
        report.digest = deed.digest
        if deed.verdict in ("refused", "unreachable") and not deed.before:  # Nothing was sent.
            return report
        await self._engine.acted(step, deed.exit_code is ExitCode.OK)
        self._session.refresh(*self._engine.procedure.reads)
        await self._until(step)
        return report

    async def _until(self, step: ActionStep) -> None:
        """After an action that may be needed again, wait for readings newer than it, before it is judged whether it is."""
        ends = self._session.now + LOOK_SECONDS
        while self._engine.step_record(step).state is StepState.RUNNING and self._session.now < ends:
            if await self._engine.watch_action(step):
                return
            await asyncio.sleep(LOOK_INTERVAL)

    def _report(
        self,
        step: Step,
        verdict: str,
        sentence: str,
        result: CheckResult | None = None,
        exit_code: ExitCode = ExitCode.OK,
    ) -> Report:
        number = self._engine.procedure.steps.index(step) + 1
        rows = [list(row) for row in result.rows] if result is not None else []
        return Report(number, step.id, step.kind, step.title, verdict, sentence, rows, exit_code=exit_code)

    def _refused(
        self, step: Step, sentence: str, *, verdict: str = "refused", evidence: list[list[str]] | None = None
    ) -> Report:
        report = self._report(step, verdict, sentence, exit_code=ExitCode.REFUSED)
        report.evidence = evidence or []
        return report


def _code(result: CheckResult) -> ExitCode:
    return ExitCode.UNKNOWN if result.passed is Passed.UNKNOWN else ExitCode.CRITICAL


def _died_of(task: asyncio.Task[Any]) -> str:
    error = task.exception()
    return f"{type(error).__name__}: {clean(error)}"


@asynccontextmanager
async def _sitting(profile: Profile, config: str, read_only: bool, *, sources: bool = True) -> AsyncIterator[Session]:
    """A session with journal, executor and (unless an action alone is asked for) sources, closed at the end."""
    session = Session(profile, config=config, read_only=read_only)
    try:
        if sources:
            await session.start_sources()
        desk = session.spawn(session.open_desk(), "journal")
        while session.desk is None:
            if desk.done():
                raise UnavailableError(session.journal_problem or f"the journal cannot be read: {_died_of(desk)}")
            await asyncio.sleep(LOOK_INTERVAL)
        await session.start_executor(IDLE_SECONDS)
        yield session
    finally:
        await session.close()


async def run_unattended(
    profile: Profile,
    config: str,
    procedure: Procedure,
    *,
    values: dict[str, str],
    only: Step | None,
    consent: Consent,
    read_only: bool,
    tell: Callable[[Report], None],
) -> ExitCode:
    """Walk ``procedure`` (``only`` one step of it), tell each step as it ends, and answer the code of the last one.

    A run that was left is taken up where it stood; ``values`` are the parameters given on the command line.

    Raises:
        UnavailableError: there is no journal, or no executor where an action is due.
        RefusedError: every step was settled before: there is nothing to run.
    """
    code = ExitCode.OK
    done = 0
    async with _sitting(profile, config, read_only) as session:
        leave = session.survey(*procedure.reads)
        desk = session.desk
        assert desk is not None
        engine = Engine(procedure, _scene_of(session), desk.record, unfinished(desk.events, procedure.id))
        await engine.start()
        await engine.set_params(values)
        async for report in Walker(session, engine, consent).walk(only):
            tell(report)
            code = report.exit_code
            done += report.verdict != "settled before"
        leave()
    if not done:
        raise RefusedError(f"Every step of {procedure.id} was settled before; name one with --step to do it again.")
    return code


async def act_unattended(
    profile: Profile, config: str, action: str, params: dict[str, str], *, consent: Consent, read_only: bool
) -> Deed:
    """One action by itself, with the same consent, guards and journal.

    Raises:
        UnavailableError: there is no journal, or no executor.
    """
    async with _sitting(profile, config, read_only, sources=False) as session:
        desk, executor = session.desk, session.executor
        assert desk is not None
        if executor is None:
            raise UnavailableError(session.executor_problem)
        incident = desk.open.id if desk.open is not None else ""
        return await do(executor, action, params, consent, "alone (without a screen)", incident)


def _scene_of(session: Session) -> Callable[[], Scene]:
    return lambda: Scene(session.board.readings, session.now, time.time(), session.profile.thresholds)
