"""One procedure: its steps with their state on the left, the chosen step on the right, live.

What happens now and the next key are always in view; at 80 columns the list of steps folds into one line and "as the runbook writes it"
behind `w` (design 4, rule 13). What was done is read from the journal, so a procedure left is taken up where it stood.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from alphapulse_tui.runbook.checks import CheckResult, Scene
from alphapulse_tui.runbook.engine import Engine, StepState, unfinished
from alphapulse_tui.runbook.rights import lacking, surveys_of
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
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.commands import EVERYWHERE, PROCEDURE, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.procedure_choices import ProcedureChoices
from alphapulse_tui.screens.procedure_lines import StepKeys, rights_lines, step_list, step_one_line, step_view
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel

NARROW = 100
"""Columns below which the list of steps folds into one line."""

SKIP_REASONS = ("not needed here", "done by somebody else", "not possible now", "would do harm now")


def open_procedure(screen: CockpitScreen, procedure_id: str, values: Mapping[str, str] | None = None) -> None:
    """Open a procedure, with ``values`` for its parameters (the row it was opened from), or say that it is not there."""
    procedure = screen.cockpit.procedures.get(procedure_id)
    if procedure is None:
        known = ", ".join(sorted(screen.cockpit.procedures))
        screen.app.notify(
            f"Procedure {procedure_id} is not installed; there are: {known}.",
            title="No procedure",
            severity="warning",
            markup=False,
        )
        return
    if screen.session.desk is None:
        screen.say_no_journal()
        return
    screen.app.push_screen(ProcedureScreen(procedure, values))


class ProcedureScreen(ProcedureChoices):
    """Walks one procedure."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, PROCEDURE)

    DEFAULT_CSS = """
    ProcedureScreen #steps { width: 44; }
    ProcedureScreen.-narrow #steps { display: none; }
    """

    def __init__(self, procedure: Procedure, values: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.procedure = procedure
        self._values = {name: value for name, value in (values or {}).items() if value}
        self._engine: Engine | None = None
        self._chosen = procedure.steps[0].id
        self._waiting: set[str] = set()
        self._written = True
        self._looking = False

    def compose(self) -> ComposeResult:
        """Top line, steps beside the step, footer."""
        yield TopLine(self.standing())
        with Horizontal():
            yield Panel(0, self.procedure.title, id="steps")
            yield Panel(0, "Step", id="step")
        yield FooterLine(self._keys(), tall=True)

    def on_mount(self) -> None:
        """Take up an unfinished run, or begin one."""
        self._fold()
        self.query_one("#step", Panel).focus()
        self._unsubscribe = self.session.board.subscribe(lambda reading, before: self._draw())  # noqa: ARG005
        self._leave_surveys = self.session.survey(*self.procedure.reads, *surveys_of(self.procedure))
        self.set_interval(1.0, self._tick)
        self.work(self._begin(), "begin", exclusive=True)

    def on_unmount(self) -> None:
        """Stop listening and looking."""
        self._unsubscribe()
        self._leave_surveys()

    def _keys(self) -> list[tuple[str, str]]:
        """The footer's keys without those that do nothing at this step, and how another step is looked at."""
        idle = {
            "procedure.values": not self.procedure.parameters,
            "procedure.way": not isinstance(self.step, BranchStep),
            "procedure.open": not any(self.installed(name) for name in self.step.opens),
        }
        hidden = {self.key(command) for command, is_idle in idle.items() if is_idle}
        keys = footer_text(PROCEDURE, EVERYWHERE, keymap=self.session.profile.keys)
        walk = (f"{self.key('procedure.previous')} {self.key('procedure.next')}", "step")
        return [keys[0], walk, *(pair for pair in keys[1:] if pair[0] not in hidden)]

    def on_resize(self) -> None:
        """Fold or unfold."""
        self._fold()
        self.call_after_refresh(self._draw)

    def _fold(self) -> None:
        narrow = self.size.width < NARROW
        if narrow != self.has_class("-narrow"):
            self.set_class(narrow, "-narrow")
            self._written = not narrow

    @property
    def looks(self) -> tuple[str, ...]:
        """What the procedure reads besides the board's targets."""
        return tuple(self.procedure.reads)

    @property
    def engine(self) -> Engine:
        """The run; made when the screen is mounted."""
        assert self._engine is not None
        return self._engine

    async def _begin(self) -> None:
        desk = self.session.desk
        assert desk is not None
        state = unfinished(desk.events, self.procedure.id)
        engine = Engine(self.procedure, self._scene, self.write, state)
        if state is not None:
            self._chosen = engine.current.id
        self._engine = engine
        await engine.start()  # Keys count from here on: whoever has moved on meanwhile stays there.
        await engine.set_params({name: value for name, value in self._values.items() if name in engine.params})
        self._draw()

    def _scene(self) -> Scene:
        session = self.session
        return Scene(session.board.readings, session.now, time.time(), session.profile.thresholds)

    @property
    def step(self) -> Step:
        """The step that is looked at."""
        return self.procedure.step(self._chosen)

    def _tick(self) -> None:
        self.query_one(TopLine).show(self.standing(), time.time())
        if self._engine is not None and not self._looking:
            self.work(self._look(), "look", looks=True)
        self._draw()

    async def _look(self) -> None:
        """See to what goes on by itself. One look at a time: a journal may take ten seconds to take in what the last one found."""
        self._looking = True
        try:
            for step in self.procedure.steps:
                if isinstance(step, WaitStep) and step.id in self._waiting:
                    await self._wait(step)
                elif isinstance(step, ActionStep) and step.until:
                    await self._watch(step)
        finally:
            self._looking = False

    async def _wait(self, step: WaitStep) -> None:
        state, held, result = self.engine.wait_progress(step)
        if state is StepState.RUNNING:
            return
        sentence = (
            f"held for {held:.0f} s: {result.sentence}"
            if state is StepState.PASSED
            else f"did not hold: {result.sentence}"
        )
        await self.engine.settle(step, state, sentence)
        self._waiting.discard(step.id)
        self._onward(step)

    async def _watch(self, step: ActionStep) -> None:
        if await self.engine.watch_action(step):
            self._onward(step)
            self._draw()

    def _draw(self) -> None:
        if self._engine is None or not self.is_current:
            return
        steps, panel = self.query_one("#steps", Panel), self.query_one("#step", Panel)
        steps.cursor_key = self._chosen
        steps.show(step_list(self.engine, self._chosen), self._progress())
        self.query_one(FooterLine).offer(self._keys())
        number = self.procedure.steps.index(self.step) + 1
        panel.title = f"{number} {self.step.title}"
        head = [step_one_line(self.engine, self.step)] if self.has_class("-narrow") else []
        body = step_view(
            self.engine,
            self.step,
            panel.inner_width,
            waiting=self._chosen in self._waiting,
            written=self._written,
            keys=StepKeys(self.key("procedure.skip"), self.key("procedure.way"), self.key("procedure.open")),
        )
        rights = rights_lines(lacking(self.procedure, self.session.board.readings, self.session.now), panel.inner_width)
        unrecorded = wrap(f"not recorded: {self.unrecorded}", panel.inner_width, "warning") if self.unrecorded else []
        panel.show(
            [*unrecorded, *rights, *head, *body], line((self.engine.step_record(self.step).state.value, "accent"))
        )

    def _progress(self) -> Line:
        settled = sum(1 for step in self.procedure.steps if self.engine.step_record(step).state.settled)
        return line((f"{settled}/{len(self.procedure.steps)}", "dim"))

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter: do the step."""
        event.stop()
        if self._engine is None:
            return
        if event.panel.id == "steps" and event.key:
            self._chosen = event.key
        blocking = self.engine.blocked_by(self.step)
        if blocking is not None:
            self.app.notify(
                f"First: {blocking.title}. Or skip it with a reason.", title="Not yet", severity="warning", markup=False
            )
            return
        self.work(self._do(self.step), exclusive=True)

    async def _do(self, step: Step) -> None:
        """What each kind of step does on Enter."""
        match step:
            case CheckStep():
                await self._looked(step)
                result = await self.engine.run_check(step)
                if self.engine.step_record(step).state.settled:
                    self._onward(step)
                else:
                    self.app.notify(result.sentence, title="Not passed", severity="warning", markup=False)
            case ActionStep():
                await self.engine.pick_until_read(step)
                if self.is_active and self.step is step:  # Else a plan would open over what is being typed.
                    self._act(step)
            case WaitStep():
                self.engine.wait_again(step)
                await self.engine.settle(step, StepState.RUNNING, "watching")
                self._waiting.add(step.id)
            case BranchStep():
                await self._branch(step)
            case ManualStep():
                self._ask(step, "What was done or found?")
            case MessageStep():
                self.app.copy_to_clipboard(step.text)
                await self.engine.settle(step, StepState.DONE, f"text for {step.channel} copied")
                self._onward(step)
            case LinkStep():
                url = str(getattr(self.session.profile.links, step.link))
                self.app.copy_to_clipboard(url)
                await self.engine.settle(step, StepState.DONE, f"address copied: {url}")
                self._onward(step)
        self._draw()

    async def _looked(self, step: Step) -> CheckResult:
        """The step's check; right after an action, or at the start, once what it looks at has been read."""
        return await self.engine.look_until(step, lambda result: not result.awaited)

    def _act(self, step: ActionStep) -> None:
        """Lead the action; its proof settles the step."""
        from alphapulse_tui.screens.action import ActionScreen

        def ended(verified: bool | None) -> None:
            if verified is not None:
                self.work(self._acted(step, verified))

        self.app.push_screen(
            ActionScreen(
                step.action,
                self.engine.action_params(step),
                reason=f"procedure {self.procedure.id}: {step.title}",
                title=step.title,
            ),
            ended,
        )

    async def _acted(self, step: ActionStep, verified: bool) -> None:
        await self.engine.acted(step, verified)
        self.session.refresh(*self.looks)
        if self.engine.step_record(step).state.settled:
            self._onward(step)
        self._draw()

    async def _branch(self, step: BranchStep) -> None:
        """Follow the suggestion; where it could not look there is none, and the engineer decides."""
        result = await self._looked(step)
        way = self.engine.suggestion(step, result)
        if way is None:
            said = f"{result.sentence}. Look again, or choose a way yourself ({self.key('procedure.way')})."
            self.app.notify(said, title="Not verified", severity="warning", markup=False)
            return
        await self.engine.go(step, way[0], result.sentence, way[1])
        if self._chosen == step.id:
            self._chosen = way[0]

    def _ask(self, step: ManualStep, question: str) -> None:
        def answered(text: str | None) -> None:
            if text:
                self.work(self._answered(step, text))

        self.app.push_screen(PromptScreen(step.title, question), answered)

    async def _answered(self, step: Step, text: str) -> None:
        await self.engine.settle(step, StepState.DONE, text)
        self._onward(step)
        self._draw()

    def _onward(self, step: Step) -> None:
        """Look at the next step that needs somebody, if the settled one is still looked at."""
        if self._chosen == step.id:
            self._chosen = self.engine.current.id
        if self.engine.complete:
            self.app.notify("Every step is settled.", title=self.procedure.title, markup=False)

    def action_skip(self) -> None:
        """Leave the step out, with a reason."""
        step = self.step

        def answered(reason: str | None) -> None:
            if reason:
                self.work(self._skip(step, reason), exclusive=True)  # What is still looked at is left out, too.

        self.app.push_screen(PromptScreen("Skip", f"Why is {step.title!r} left out?", usual=SKIP_REASONS), answered)

    async def _skip(self, step: Step, reason: str) -> None:
        await self.engine.skip(step, reason)
        self._onward(step)
        self._draw()

    def action_written(self) -> None:
        """Show or hide the runbook's own words."""
        self._written = not self._written
        self._draw()

    def action_step(self, by: int) -> None:
        """Look at another step."""
        ids = [step.id for step in self.procedure.steps]
        self._chosen = ids[max(0, min(len(ids) - 1, ids.index(self._chosen) + by))]
        self._draw()
