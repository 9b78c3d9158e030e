"""The incident: its clocks, how it stands, its timeline; and every command that a person gives it.

All that is shown comes from the journal, so a second engineer's note appears here by itself. Without an open incident the last one is
shown, for the postmortem.
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from alphapulse_tui.errors import AlphaPulseError, UsageError
from alphapulse_tui.incident import commands
from alphapulse_tui.incident.records import PHASES, IncidentState
from alphapulse_tui.incident.undo import ways_back
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens.commands import EVERYWHERE, INCIDENT, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.incident_lines import clock_lines, standing_lines, story_lines
from alphapulse_tui.screens.incident_marks import IncidentMarks
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.text import clean
from alphapulse_tui.widgets.lines import Line, line, wrap
from alphapulse_tui.widgets.panel import Panel

LARGER, SMALLER = "impact is larger than thought", "impact is smaller than thought"
RESOLVE_REASONS = (
    "checks held through the watch window",
    "verified by hand",
    "false alarm",
    "handed to another incident",
)


class IncidentScreen(IncidentMarks):
    """One incident."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, INCIDENT)

    DEFAULT_CSS = """
    IncidentScreen #upper { height: 11; }
    IncidentScreen #clocks { width: 3fr; }
    IncidentScreen #standing { width: 2fr; }
    IncidentScreen.-low #upper { height: 9; }
    """

    def compose(self) -> ComposeResult:
        """Clocks beside how it stands, over the timeline."""
        yield TopLine(self.standing())
        with Horizontal(id="upper"):
            yield Panel(0, "Clocks", id="clocks")
            yield Panel(0, "How it stands", id="standing")
        yield Panel(0, "Timeline (UTC)", id="story")
        yield FooterLine(footer_text(INCIDENT, EVERYWHERE, keymap=self.session.profile.keys), tall=True)

    def on_mount(self) -> None:
        """Follow the journal and the clock."""
        self._told = (-1, 0)
        """How many events there were, and the width, when the story was built."""
        self._story: list[Line] = []
        self.query_one("#story", Panel).focus()
        desk = self.session.desk
        assert desk is not None
        self._unsubscribe = desk.subscribe(self._draw)
        self.set_interval(1.0, self._draw)
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        """Back from another screen: what happened meanwhile."""
        if self.is_mounted:
            self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    @property
    def incident(self) -> IncidentState | None:
        """The open incident, or the last one."""
        desk = self.session.desk
        if desk is None:
            return None
        return desk.open or (list(desk.incidents.values())[-1] if desk.incidents else None)

    def _draw(self) -> None:
        if not self.is_current:  # Covered, or being removed: the panels go before we are told.
            return
        now = time.time()
        self.query_one(TopLine).show(self.standing(), now)
        clocks, standing = (self.query_one(f"#{name}", Panel) for name in ("clocks", "standing"))
        incident = self.incident
        if incident is None:
            clocks.show([line((f"No incident yet; {self.key('declare')} declares one.", "dim"))], Line())
            standing.show([], Line())
        else:
            clocks.title = f"{incident.id} {incident.title}"
            clocks.show(
                clock_lines(incident, now, clocks.inner_width),
                line((f"{incident.severity.value} {incident.phase}", "critical")),
            )
            standing.show(standing_lines(incident, self.session.profile.keys), Line())
        self._draw_story()

    def _draw_story(self) -> None:
        """The whole timeline is wrapped only when an event or another width has come; a long incident has thousands of lines."""
        desk = self.session.desk
        assert desk is not None
        panel = self.query_one("#story", Panel)
        told = (len(desk.events), panel.inner_width)
        if told != self._told:
            self._told = told
            self._story = story_lines(self.incident, desk, panel.inner_width)
        word, sentence = desk.trouble
        panel.show(
            [*wrap(sentence, panel.inner_width, "unknown"), *self._story],
            line((word, "unknown")) if word else line(("newest first", "dim")),
        )

    def action_severity(self) -> None:
        """Change the severity."""
        incident = self.needed_incident()
        if incident is not None:
            now = incident.severity
            usual = tuple(
                f"{level.value} {LARGER if level.urgency > now.urgency else SMALLER}"
                for level in Severity
                if level is not now
            )
            self.ask_incident(
                "Severity",
                "The new severity and why, as in: P1 impact is smaller than thought",
                self._severity,
                usual=usual,
            )

    async def _severity(self, incident: IncidentState, text: str) -> None:
        word, _, reason = text.partition(" ")
        if word.upper() not in Severity.__members__:
            raise UsageError("begin with P0, P1, P2 or P3")
        await commands.set_severity(self.record, incident, Severity(word.upper()), reason)

    def action_phase(self) -> None:
        """Set the phase by hand."""
        if self.needed_incident() is not None:
            self.ask_incident("Phase", "Which phase is it in?", self._phase, usual=PHASES[:-1])

    async def _phase(self, incident: IncidentState, text: str) -> None:
        await commands.set_phase(self.record, incident, text)

    def action_commander(self) -> None:
        """Name the incident commander."""
        if self.needed_incident() is not None:
            self.ask_incident("Incident commander", "Who leads?", self._commander)

    async def _commander(self, incident: IncidentState, text: str) -> None:
        await commands.assign(self.record, incident, "commander", text)

    def action_write(self) -> None:
        """Enter what the postmortem needs."""
        if self.needed_incident() is not None:
            from alphapulse_tui.screens.postmortem import PostmortemScreen

            self.app.push_screen(PostmortemScreen())

    def action_resolve(self) -> None:
        """Resolve, or reopen."""
        incident = self.needed_incident()
        if incident is None:
            return
        if incident.open:
            self.ask_incident("Resolve", "Why is it over?", self._resolve, usual=RESOLVE_REASONS)
        else:
            self.ask_incident("Reopen", f"Why is {incident.id} open again?", self._reopen)

    async def _resolve(self, incident: IncidentState, text: str) -> None:
        await commands.resolve(self.record, incident, text, time.time())

    async def _reopen(self, incident: IncidentState, text: str) -> None:
        await commands.reopen(self.record, incident, text)

    def action_undo(self) -> None:
        """Take back an action that the incident's timeline tells of."""
        incident = self.needed_incident()
        if incident is not None and self.session.desk is not None:
            ways = ways_back(self.session.desk.events).values()
            self.open_undo([way for way in ways if way.run in incident.actions])

    def action_export(self) -> None:
        """Write the postmortem."""
        if self.needed_incident() is not None:
            self.run_worker(self._export(), exclusive=True, group="export")

    async def _export(self) -> None:
        incident = self.incident
        assert incident is not None
        try:
            written = await self.session.export(incident.id)
        except AlphaPulseError as problem:
            self.app.notify(problem.sentence, title="Not exported", severity="error", markup=False)
            return
        said = f"Written to {written.path}"
        if written.beside:
            said += f"; {written.beside} has been edited by hand and was left alone"
        if written.problem:
            said += f"; the journal could not note it: {written.problem}"
        self.app.notify(clean(said), title="Postmortem", markup=False, timeout=15)
