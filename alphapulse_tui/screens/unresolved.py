"""Actions whose end is not known: an intent without an outcome, or an outcome that is unknown. Shown first at every start.

Each was probed by itself; three keys settle it: verify (read the target again), done (with evidence), abandon. Until then its object is locked.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from alphapulse_tui.executor.protocol import ExecutorProblem, OpenRun, Resolution
from alphapulse_tui.model.plan import Verification
from alphapulse_tui.model.words import utc
from alphapulse_tui.screens.commands import UNRESOLVED, bindings, footer_text
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.screens.plan_lines import VERDICT_STYLES, plan_lines, reading_lines
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel


class UnresolvedScreen(Dialog[None]):
    """One unresolved action after the other."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(UNRESOLVED)

    DEFAULT_CSS = """
    UnresolvedScreen { align: center middle; }
    UnresolvedScreen Panel { width: 110; max-width: 100%; height: 90%; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[OpenRun] = []
        self._probes: dict[str, Verification] = {}
        self._place = 0

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel(0, "Outcome not known", id="unresolved")

    def on_mount(self) -> None:
        """Ask what there is, and probe each."""
        self.query_one(Panel).focus()
        # After the layout: before it the panel is 0 cells wide, and nothing could be wrapped.
        self.call_after_refresh(lambda: self.run_worker(self._load(), exclusive=True))

    async def _load(self) -> None:
        executor = self.session.executor
        if executor is None:
            self._say(self.session.executor_problem)
            return
        try:
            self._runs = list(await executor.unresolved())
            self._draw()
            for run in self._runs:
                if not run.under_way:
                    self._probes[run.run] = await executor.probe(run.run)
                    self._draw()
        except ExecutorProblem as problem:
            self._say(problem.sentence)

    def _say(self, sentence: str) -> None:
        panel = self.query_one(Panel)
        panel.show(wrap(sentence, panel.inner_width, "warning"), line(("Esc back", "dim")))

    def _draw(self) -> None:
        panel = self.query_one(Panel)
        if not self._runs:
            panel.show(
                [line(("Every action that was sent has an outcome that is known.", "ok"))], line(("Esc back", "dim"))
            )
            return
        run = self._runs[self._place]
        where = f"{self._place + 1} of {len(self._runs)}  arrows, Esc later" if len(self._runs) > 1 else "Esc later"
        panel.show(self._lines(run, panel.inner_width), line((where, "dim")))

    def _lines(self, run: OpenRun, width: int) -> list[Line]:
        lines = [line((run.title, "strong"), "  ", (run.object, "dim"))]
        lines += wrap(f"{run.actor} at {utc(run.began_at)}: {run.sentence}", width, "warning")
        probe = self._probes.get(run.run)
        if run.under_way:
            lines.append(line(("its executor still works on it: wait for its outcome", "accent")))
        elif probe is None:
            lines.append(line(("reading the target", "dim")))
        else:
            lines += wrap(
                f"the target now: {probe.verdict.value}: {probe.sentence}", width, VERDICT_STYLES[probe.verdict]
            )
            lines += reading_lines({}, probe.reading)
        lines += [
            Line(),
            Line(tuple(span for key, word in self._keys() for span in ((key, "focus"), (f" {word}   ", "plain")))),
            Line(),
        ]
        return lines + (plan_lines(run.plan, width) if run.plan is not None else [])

    def _keys(self) -> list[tuple[str, str]]:
        """The three ways out, as the user's keymap has them."""
        keys = footer_text(UNRESOLVED, keymap=self.session.profile.keys)
        return [pair for pair in keys if pair[1] != "back"]

    def action_step(self, by: int) -> None:
        """Look at another one."""
        self._place = max(0, min(len(self._runs) - 1, self._place + by))
        self._draw()

    def action_verify(self) -> None:
        """Read the target again and record what it says."""
        self._settle(Resolution.VERIFY, "")

    def action_done(self) -> None:
        """Say that it is done, with evidence."""
        self._ask(Resolution.DONE, "How do you know? It is recorded as your evidence.")

    def action_abandon(self) -> None:
        """Give it up, with a reason."""
        self._ask(Resolution.ABANDON, "Why is it given up? Its object is free again.")

    def _ask(self, how: Resolution, question: str) -> None:
        def answered(text: str | None) -> None:
            if text:
                self._settle(how, text)

        self.app.push_screen(PromptScreen(how.value, question), answered)

    def _settle(self, how: Resolution, evidence: str) -> None:
        if self._runs:
            self.run_worker(self._resolve(self._runs[self._place], how, evidence), exclusive=True)

    async def _resolve(self, run: OpenRun, how: Resolution, evidence: str) -> None:
        executor = self.session.executor
        assert executor is not None
        try:
            found = await executor.resolve(run.run, how, evidence)
        except ExecutorProblem as problem:
            self.app.notify(problem.sentence, title="Not settled", severity="warning", markup=False)
            return
        if found is not None:
            self.app.notify(found.sentence, title=found.verdict.value, markup=False)
        self._place = 0
        await self._load()
