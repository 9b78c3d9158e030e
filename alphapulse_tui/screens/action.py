"""One action from plan to proof, on one screen: what this will do, who is hit, the confirmation its risk demands, what the target said.

The screen only asks and shows: the executor plans, sends, and reads the target again. Leaving the screen stops nothing.

Confirmation (design 4, rule 5): `safe` Enter; `disruptive` the letter shown, another one each time; `destructive` the object's name typed.
Keys that were typed ahead on a slow link cannot hit it: the first 300 ms after the plan appears are ignored, and Enter cancels all but the
safe ones.
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widgets import Input

from alphapulse_tui.executor.confirm import ENTER, required_confirmation
from alphapulse_tui.executor.protocol import ExecutorProblem, Progress
from alphapulse_tui.incident.undo import undo_reason
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from alphapulse_tui.model.words import clock
from alphapulse_tui.runbook.filling import by_hand
from alphapulse_tui.screens.arm import arm
from alphapulse_tui.screens.base import standing_of
from alphapulse_tui.screens.commands import ACTION, bindings, key_of
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.screens.listing import copy
from alphapulse_tui.screens.plan_lines import VERDICT_STYLES, detail_lines, plan_lines, reading_lines
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, LineWidget, line, wrap
from alphapulse_tui.widgets.panel import Panel

DEAF_SECONDS = 0.3
"""Seconds during which a dialog that has just appeared ignores keys (design 7)."""

OUTCOME_STYLES = {
    Outcome.DONE: "plain",
    Outcome.FAILED: "critical",
    Outcome.UNKNOWN: "warning",
    Outcome.REFUSED: "warning",
}
OUTCOME_WORDS = {
    Outcome.DONE: "sent and answered",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "sent, no answer: reading the target",
    Outcome.REFUSED: "not sent",
}


class PromptLine(LineWidget):
    """What to press now."""

    DEFAULT_CSS = """
    PromptLine { height: 1; background: $panel; }
    """

    text: Line = Line()

    def lines(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line
        """The prompt."""
        return [self.text]

    def ask(self, text: Line) -> None:
        """Show another prompt."""
        self.text = text
        self.repaint()


class ActionScreen(Dialog[bool]):
    """Answers whether the action was verified."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTION),
        Binding("A", "arm", "arm", id="arm", tooltip="Allow changes in production for 60 minutes."),
    ]

    DEFAULT_CSS = """
    ActionScreen { align: center middle; }
    ActionScreen > Panel { width: 110; max-width: 100%; height: 1fr; background: $surface; }
    ActionScreen > PromptLine { width: 100%; }
    ActionScreen > TopLine { width: 100%; }
    ActionScreen > Input { width: 110; max-width: 100%; display: none; }
    ActionScreen.-typing > Input { display: block; }
    """

    def __init__(
        self, action_id: str, params: dict[str, str], *, undoes: str = "", reason: str = "", title: str = ""
    ) -> None:
        super().__init__()
        self._asked_for = title or "What this will do"
        self._action_id = action_id
        self._params = params
        self._undoes = undoes
        self._reason = reason
        self._plan: Plan | None = None
        self._letter = ""
        self._hears_from = 0.0
        self._asking = False
        self._read_only = False
        """The plan is shown, and cannot be confirmed before the environment is armed."""
        self._verified = False
        self._sent = False
        """Whether something may have changed at the target, so that going back means something."""
        self._begun = False
        """Whether the executor was asked to do it."""
        self._running_since: float | None = None
        """Of the monotonic clock, while it is under way."""
        self._story: list[Line] = []

    def compose(self) -> ComposeResult:
        """Where this is done, the plan, the typed name for destructive ones, the prompt."""
        yield TopLine(standing_of(self.session))
        yield Panel(0, self._asked_for, id="action")
        yield Input(placeholder="type the name to confirm", id="typed")
        yield PromptLine()

    def on_mount(self) -> None:
        """Have it planned at once."""
        self.set_interval(1.0, self._tick)
        self.query_one(Panel).focus()
        self._show([line(("planning: reading the target", "dim"))])
        # After the layout: before it the panel is 0 cells wide, and nothing could be wrapped.
        self.call_after_refresh(lambda: self.run_worker(self._make_plan(), exclusive=True))

    def _tick(self) -> None:
        """Time of day above, and how long it has been under way below."""
        self.query_one(TopLine).show(standing_of(self.session), time.time())
        if self._read_only and self._plan is not None and self._may_change:
            self._ask(self._plan)
        if self._running_since is not None:
            elapsed = clock(time.monotonic() - self._running_since)
            self._prompt(line((f" under way {elapsed} ", "accent"), " Esc leaves this screen; it goes on"))

    async def _make_plan(self) -> None:
        executor = self.cockpit.session.executor
        if executor is None:
            self._refuse(self.cockpit.session.executor_problem)
            return
        try:
            plan = await executor.plan(self._action_id, self._params)
        except ExecutorProblem as problem:
            self._refuse(str(problem))
            return
        self._plan = plan
        self._show(plan_lines(plan, self.query_one(Panel).inner_width))
        if plan.refusal:
            self._prompt(line((" not possible now ", "warning"), " Esc goes back"))
        elif not plan.changes:
            await self._run("")
        else:
            self._ask(plan)

    def _refuse(self, sentence: str) -> None:
        self._show(wrap(sentence, self.query_one(Panel).inner_width, "warning"))
        self._prompt(line((" not possible now ", "warning"), " Esc goes back"))

    @property
    def _may_change(self) -> bool:
        """Whether the executor would take a change now; it asks itself again whatever we think."""
        standing = standing_of(self.session)
        return standing.always_armed or standing.armed_seconds is not None

    @property
    def _keymap(self) -> dict[str, str]:
        return self.session.profile.keys

    def _ask(self, plan: Plan) -> None:
        """Demand the confirmation of the plan's risk; while read-only say so, and ask as soon as it is armed."""
        self._read_only = not self._may_change
        if self._read_only:
            self._prompt(
                line(
                    (" READ-ONLY ", "warning"),
                    (key_of("arm", self._keymap), "focus"),
                    " arms   ",
                    ("Esc", "focus"),
                    " back",
                )
            )
            return
        self._hears_from = time.monotonic() + DEAF_SECONDS
        self._asking = True
        if plan.risk is Risk.SAFE:
            self._prompt(line(" ", ("Enter", "focus"), " does it   ", ("Esc", "focus"), " cancels"))
        elif plan.risk is Risk.DISRUPTIVE:
            self._letter = required_confirmation(plan)
            self._prompt(
                line(
                    " press ",
                    (self._letter, "critical"),
                    " to do it   ",
                    ("Enter", "focus"),
                    " or ",
                    ("Esc", "focus"),
                    " cancels",
                )
            )
        else:
            self.add_class("-typing")
            self.query_one(Input).focus()
            self._prompt(
                line(" type ", (plan.confirm_word, "critical"), " and Enter to do it   ", ("Esc", "focus"), " cancels")
            )

    def on_key(self, event: Key) -> None:
        """The confirming key; everything else is left to the bindings."""
        plan = self._plan
        if not self._asking or plan is None or plan.risk is Risk.DESTRUCTIVE:
            return
        if time.monotonic() < self._hears_from:
            event.stop()
            return
        if plan.risk is Risk.DISRUPTIVE and event.character == self._letter:
            event.stop()
            self._confirm(self._letter)

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter: does a safe action, cancels any other, closes a finished one."""
        event.stop()
        if self._asking and time.monotonic() < self._hears_from:
            return
        if self._asking and self._plan is not None and self._plan.risk is Risk.SAFE:
            self._confirm(ENTER)
        else:
            self.action_leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The typed name of a destructive action."""
        plan = self._plan
        if plan is None or not self._asking or time.monotonic() < self._hears_from:
            return
        if event.value.strip() == plan.confirm_word:
            self.remove_class("-typing")
            self._confirm(event.value.strip())
        else:
            self._prompt(
                line((" that is not its name ", "warning"), " type ", (plan.confirm_word, "critical"), ", or Esc")
            )

    def _confirm(self, word: str) -> None:
        self._asking = False
        self.query_one(Panel).focus()
        self.run_worker(self._run(word), exclusive=True)

    async def _run(self, confirmation: str) -> None:
        """Follow the execution; leaving the screen only stops the watching."""
        plan, executor, session = self._plan, self.cockpit.session.executor, self.cockpit.session
        assert plan is not None and executor is not None
        self._begun = True
        self._running_since = time.monotonic()
        self._tick()
        incident = session.desk.open.id if session.desk is not None and session.desk.open is not None else ""
        try:
            if plan.needs_share:
                await self._enter_share(plan, confirmation, incident)
                return
            async for progress in executor.execute(
                plan, confirmation=confirmation, reason=self._reason, incident=incident
            ):
                self._tell(progress)
        except ExecutorProblem as problem:
            self._add(wrap(str(problem), self.query_one(Panel).inner_width, "warning"))
        self._finish()

    async def _enter_share(self, plan: Plan, confirmation: str, incident: str) -> None:
        """Hand the terminal to the helper that asks for the share; this process never sees it."""
        from alphapulse_tui.screens.share import enter_share

        async for progress in enter_share(self.cockpit, plan, confirmation, self._reason, incident):
            self._tell(progress)
        self._finish()

    def _tell(self, progress: Progress) -> None:
        width = self.query_one(Panel).inner_width
        if progress.result is not None:
            style = OUTCOME_STYLES[progress.result.outcome]
            read_only = progress.result.outcome is Outcome.DONE and self._plan is not None and not self._plan.changes
            self._verified = (
                self._verified or read_only
            )  # What was only read has nothing to be proven: a step that asked for it is done.
            word = "read" if read_only else OUTCOME_WORDS[progress.result.outcome]
            said = wrap(f"{word}: {progress.result.sentence}", width, style)
            self._sent = progress.result.outcome in (Outcome.DONE, Outcome.UNKNOWN)
            self._add([*said, *detail_lines(progress.result.details, width)])
        elif progress.verification is not None:
            found = progress.verification
            self._verified = found.verdict is Verdict.VERIFIED
            said = wrap(f"{found.verdict.value}: {found.sentence}", width, VERDICT_STYLES[found.verdict])
            self._add([*said, *reading_lines(progress.before, found.reading)])
        else:
            self._add(wrap(progress.sentence, width, "dim"))

    def _add(self, lines: list[Line]) -> None:
        """The newest stands on top: the verdict must be seen on 24 rows, whatever the length of what came before."""
        self._story[:0] = lines
        self._redraw()

    def _redraw(self) -> None:
        """What has happened stands above what was planned."""
        plan = self._plan
        planned = plan_lines(plan, self.query_one(Panel).inner_width) if plan is not None and plan.changes else []
        self._show([*self._story, Line(), *planned] if planned else self._story)

    def _finish(self) -> None:
        self._running_since = None
        undo = self._undo_possible
        back = (
            line(" ", (key_of("action.undo", self._keymap), "focus"), " undoes it   ", ("Esc", "focus"), " back")
            if undo
            else line(" ", ("Esc", "focus"), " back")
        )
        self._prompt(back)

    @property
    def _undo_possible(self) -> bool:
        """There is a way back, and something to go back from: what was refused or failed changed nothing."""
        over = self._running_since is None and not self._asking
        return self._plan is not None and bool(self._plan.undo_action) and self._sent and over

    def action_undo(self) -> None:
        """Plan the way back, above this screen: whoever waits for this action's end still gets it."""
        plan = self._plan
        if plan is None or not self._undo_possible:
            return

        def undone(verified: bool | None) -> None:
            if verified:
                self._verified = False
                self._sent = False
                self._add([line(("undone, and verified", "warning"))])
                self._finish()

        self.app.push_screen(
            ActionScreen(
                plan.undo_action, dict(plan.undo_params), undoes=plan.id, reason=undo_reason(plan.title, plan.id)
            ),
            undone,
        )

    def action_copy(self) -> None:
        """Copy the plan's form for the shell; nothing is sent."""
        if self._plan is not None and self._plan.shell:
            copy(self.app, by_hand(self._plan.shell, self._plan.refusal), "it stands under By hand.")
        else:
            self.app.notify("There is no form for the shell.", title="Nothing copied", markup=False)

    def action_arm(self) -> None:
        """Arm from here: the plan is read, and leaving would lose it."""
        if self._read_only:
            arm(self)

    def action_leave(self) -> None:
        """Cancel before sending; afterwards only stop watching. Answers whether it is proven, or nothing if nothing was begun."""
        self.dismiss(self._verified if self._begun else None)

    def _show(self, lines: list[Line]) -> None:
        plan = self._plan
        panel = self.query_one(Panel)
        panel.title = plan.title if plan is not None else self._asked_for
        badge = (
            line((f"{plan.environment}  {plan.risk.value}", "critical" if plan.risk is Risk.DESTRUCTIVE else "accent"))
            if plan
            else Line()
        )
        panel.show(lines, badge)

    def _prompt(self, text: Line) -> None:
        self.query_one(PromptLine).ask(text)
