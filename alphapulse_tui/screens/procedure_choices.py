"""Keys of a procedure's screen that choose: the way out of a branch, another procedure, a value that the steps use, and what is copied."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.executor.protocol import ExecutorProblem
from alphapulse_tui.runbook.engine import Engine
from alphapulse_tui.runbook.filling import not_runnable, open_places
from alphapulse_tui.runbook.schema import ActionStep, BranchStep, Procedure, Step
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.choice import ChoiceScreen
from alphapulse_tui.screens.listing import copy
from alphapulse_tui.screens.prompt import PromptScreen

if TYPE_CHECKING:
    from alphapulse_tui.incident.events import Kind


class ProcedureChoices(CockpitScreen):
    """What the screen of a procedure asks beside its steps."""

    procedure: Procedure
    _engine: Engine | None
    _chosen: str
    unrecorded = ""
    """Why the journal did not take in the last thing that was done."""

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The run."""

    @property
    @abstractmethod
    def step(self) -> Step:
        """The step that is looked at."""

    @abstractmethod
    def _draw(self) -> None:
        """Show what is known now."""

    def work(
        self, work: Coroutine[Any, Any, None], group: str = "do", *, exclusive: bool = False, looks: bool = False
    ) -> None:
        """Do what the journal is told of, in a worker; ``exclusive`` ends what else is done in the ``group``.

        A journal that takes nothing in is told, and the procedure stays as it stood. What only ``looks``, every second, tells nothing anew.
        """
        self.run_worker(self._told(work, looks), group=group, exclusive=exclusive)

    async def _told(self, work: Coroutine[Any, Any, None], looks: bool) -> None:
        try:
            await work
        except AlphaPulseError as problem:
            self.unrecorded = problem.sentence
            if not looks:
                self.app.notify(problem.sentence, title="Not recorded", severity="warning", markup=False)
        self._draw()

    async def write(self, kind: Kind, payload: Mapping[str, Any]) -> None:
        """The engine's pen: once the journal takes something in again, also what a look found, nothing is said to be unrecorded."""
        desk = self.session.desk
        assert desk is not None
        await desk.record(kind, payload)
        self.unrecorded = ""

    def action_way(self) -> None:
        """Choose the way out of a branch by hand."""
        step = self.step
        if self._engine is None or not isinstance(step, BranchStep):
            self.app.notify("Only a branch has several ways.", title="One way", markup=False)
            return
        ways = self.engine.ways(step)
        choices = [(goto, self.procedure.step(goto).title, say) for goto, say in ways]

        def chosen(goto: str | None) -> None:
            if goto:
                self.work(self._go(step, goto), exclusive=True)  # A person's word ends what the branch still waits for.

        self.app.push_screen(ChoiceScreen("Which way", choices), chosen)

    async def _go(self, step: BranchStep, goto: str) -> None:
        result = self.engine.look(step)
        found = result.sentence if result is not None else "not looked at"
        await self.engine.go(step, goto, found, "chosen by hand")
        self._chosen = goto
        self._draw()

    def action_procedure(self) -> None:
        """Open another procedure that the step leads to; this one is taken up later where it stood."""
        opens = [name for name in self.step.opens if self.installed(name)]
        if not opens:
            self.app.notify("This step leads to no other procedure.", title="No procedure", markup=False)
        elif len(opens) == 1:
            self.open_procedure(opens[0])
        else:
            choices = [(name, name, self.cockpit.procedures[name].title) for name in opens]
            self.app.push_screen(
                ChoiceScreen("Which procedure", choices), lambda name: self.open_procedure(name) if name else None
            )

    def action_values(self) -> None:
        """Choose a parameter, then its value."""
        parameters = self.procedure.parameters
        if not parameters or self._engine is None:
            self.app.notify("This procedure has no values to change.", title="No values")
            return
        values = self.engine.values()
        choices = [(each.name, values[each.name] or "not set", each.title) for each in parameters]
        self.app.push_screen(ChoiceScreen("Which value", choices), lambda name: self._ask_value(name) if name else None)

    def _ask_value(self, name: str) -> None:
        parameter = next(each for each in self.procedure.parameters if each.name == name)
        choices = self.engine.choices(parameter)
        words = {f"{value}  {what}".strip(): value for value, what in choices[:9]}

        def answered(text: str | None) -> None:
            if text is not None:
                self.work(self._set(name, words.get(text, text)))

        question = f"{parameter.title}. {parameter.source and f'Default: {parameter.source}.'}"
        self.app.push_screen(
            PromptScreen(name, question, usual=tuple(words), value=self.engine.values()[name], required=False), answered
        )

    async def _set(self, name: str, value: str) -> None:
        await self.engine.set_params({name: value})
        self._draw()

    def action_undo(self) -> None:
        """Take back what this step did, also when its dialog was left long ago."""
        from alphapulse_tui.incident.undo import ways_back

        desk = self.session.desk
        reason = f"procedure {self.procedure.id}: {self.step.title}"
        ways = ways_back(desk.events).values() if desk is not None else ()
        self.open_undo([way for way in ways if way.reason.startswith(reason)])

    def action_copy(self) -> None:
        """Copy the step's command for a bastion with stock tools; an action is planned for it, and nothing is sent."""
        if self._engine is None:
            return
        step = self.step
        if isinstance(step, ActionStep):
            self.run_worker(self._copy_plan(step), group="copy", exclusive=True)
            return
        lacking = ", ".join(open_places(step.command, self.engine.values()))
        form = self.engine.filled(step.run) or step.written
        if lacking:
            said = f"{lacking} is to be filled in first; {self.key('procedure.values')} gives it a value."
            self._copy_comments(self.engine.command(step), said)
        elif form and not step.command:
            said = "it is a form, to be finished by hand"
            self._copy_comments(not_runnable(form, said), f"{said}.")
        elif text := self.engine.command(step):
            copy(self.app, text, "it stands under As we run it (w).")
        else:
            self.app.notify("This step has no command.", title="Nothing copied")

    def _copy_comments(self, text: str, why: str) -> None:
        """Copy what is not to be run as it stands, and say why."""
        self.app.copy_to_clipboard(text)
        self.app.notify(
            f"Copied as comments: {why}", title="Not to be run as it stands", severity="warning", markup=False
        )

    async def _copy_plan(self, step: ActionStep) -> None:
        executor = self.session.executor
        if executor is None:
            self.app.notify(self.session.executor_problem, title="Nothing copied", severity="warning", markup=False)
            return
        try:
            plan = await executor.plan(step.action, self.engine.action_params(step))
        except ExecutorProblem as problem:
            self.app.notify(str(problem), title="Nothing copied", severity="warning", markup=False)
            return
        if plan.shell and plan.refusal:
            self._copy_comments(not_runnable(plan.shell, plan.refusal), plan.refusal)
        elif plan.shell:
            copy(self.app, plan.shell, "Enter shows it with the plan, before anything is sent.")
        else:
            said = plan.refusal or "This action has no form for the shell."
            self.app.notify(said, title="Nothing copied", severity="warning", markup=False)
