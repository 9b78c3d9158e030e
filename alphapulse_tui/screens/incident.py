"""The incident: its clocks, how it stands, its timeline; and every command that a person gives it.

All that is shown comes from the journal, so a second engineer's note appears here by itself. Without an open incident the last one is
shown, for the postmortem.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from alphapulse_tui.errors import AlphaPulseError, UsageError
from alphapulse_tui.incident import commands
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.records import PHASES, IncidentState
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens.base import CockpitScreen, obey
from alphapulse_tui.screens.commands import EVERYWHERE, INCIDENT, Command, bindings, footer_text
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.incident_lines import clock_lines, standing_lines, story_lines
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.screens.topline import TopLine
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import Panel

LARGER, SMALLER = "impact is larger than thought", "impact is smaller than thought"
RESOLVE_REASONS = (
    "checks held through the watch window",
    "verified by hand",
    "false alarm",
    "handed to another incident",
)

COMMANDS = (
    Command("incident.severity", "s", "severity", "severity", "Change the severity, with a reason.", INCIDENT),
    Command("incident.phase", "g", "phase", "phase", "Set the phase: assess, investigate, fix, mitigated.", INCIDENT),
    Command("incident.commander", "m", "commander", "commander", "Say who is incident commander.", INCIDENT),
    Command("incident.update", "u", "update", "update", "Draft an update, copied for the channel.", INCIDENT),
    Command("incident.escalate", "e", "escalate", "escalate", "Record an escalation, with a reason.", INCIDENT),
    Command("incident.write", "w", "write", "postmortem", "Summary, cause, impact, lessons, action items.", INCIDENT),
    Command("incident.resolve", "d", "resolve", "resolve", "Resolve it, with a reason; or reopen it.", INCIDENT),
    Command("incident.export", "x", "export", "export", "Write the postmortem as markdown.", INCIDENT),
    Command("incident.back", "escape", "back", "back", "Back to the cockpit.", INCIDENT, shown_key="Esc"),
)


class IncidentScreen(CockpitScreen):
    """One incident."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE, INCIDENT, extra=COMMANDS)

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
        yield FooterLine(footer_text(INCIDENT, EVERYWHERE, extra=COMMANDS, keymap=self.session.profile.keys), tall=True)

    def on_mount(self) -> None:
        """Follow the journal and the clock."""
        self.query_one("#story", Panel).focus()
        desk = self.session.desk
        assert desk is not None
        self._unsubscribe = desk.subscribe(self._draw)
        self.set_interval(1.0, self._draw)
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
        now = time.time()
        self.query_one(TopLine).show(self.standing(), now)
        clocks, standing, story = (self.query_one(f"#{name}", Panel) for name in ("clocks", "standing", "story"))
        incident = self.incident
        if incident is None:
            clocks.show([line(("No incident yet; ! declares one.", "dim"))], Line())
            standing.show([], Line())
        else:
            clocks.title = f"{incident.id} {incident.title}"
            clocks.show(
                clock_lines(incident, now, clocks.inner_width),
                line((f"{incident.severity.value} {incident.phase}", "critical")),
            )
            standing.show(standing_lines(incident), Line())
        assert self.session.desk is not None
        lines = story_lines(incident, self.session.desk, story.inner_width)
        story.show(lines, line(("newest first", "dim")))

    def _ask(self, title: str, question: str, then: str, *, usual: tuple[str, ...] = (), value: str = "") -> None:
        """Ask for a line and give it to the method ``then``."""

        def answered(text: str | None) -> None:
            if text:
                self.run_worker(self._command(getattr(self, then), text))

        self.app.push_screen(PromptScreen(title, question, usual=usual, value=value), answered)

    async def _command(self, command: Callable[[IncidentState, str], Awaitable[None]], text: str) -> None:
        """Give a command for the incident that is shown; what makes no sense, or cannot be written, is said in a sentence."""
        incident = self.incident
        if incident is None:
            return
        await obey(self.app, command(incident, text))

    async def _record(self, kind: Kind, payload: Mapping[str, Any], incident: str) -> Event:
        """The desk's pen: written, and taken in at once."""
        assert self.session.desk is not None
        return await self.session.desk.record(kind, payload, incident)

    def _needed(self) -> IncidentState | None:
        """The incident, or a word that there is none."""
        if self.incident is None:
            self.app.notify("There is no incident; ! declares one.", title="No incident")
        return self.incident

    def action_severity(self) -> None:
        """Change the severity."""
        incident = self._needed()
        if incident is not None:
            now = incident.severity
            usual = tuple(
                f"{level.value} {LARGER if level.urgency > now.urgency else SMALLER}"
                for level in Severity
                if level is not now
            )
            self._ask(
                "Severity",
                "The new severity and why, as in: P1 impact is smaller than thought",
                "_severity",
                usual=usual,
            )

    async def _severity(self, incident: IncidentState, text: str) -> None:
        word, _, reason = text.partition(" ")
        if word.upper() not in Severity.__members__:
            raise UsageError("begin with P0, P1, P2 or P3")
        await commands.set_severity(self._record, incident, Severity(word.upper()), reason)

    def action_phase(self) -> None:
        """Set the phase by hand."""
        if self._needed() is not None:
            self._ask("Phase", "Which phase is it in?", "_phase", usual=PHASES[:-1])

    async def _phase(self, incident: IncidentState, text: str) -> None:
        await commands.set_phase(self._record, incident, text)

    def action_commander(self) -> None:
        """Name the incident commander."""
        if self._needed() is not None:
            self._ask("Incident commander", "Who leads?", "_commander")

    async def _commander(self, incident: IncidentState, text: str) -> None:
        await commands.assign(self._record, incident, "commander", text)

    def action_update(self) -> None:
        """Draft an update and copy it."""
        incident = self._needed()
        if incident is not None:
            draft = f"{incident.severity.value} {incident.title}: {incident.phase}."
            self._ask("Update", "What do the others need to know? It is copied for #incidents.", "_update", value=draft)

    async def _update(self, incident: IncidentState, text: str) -> None:
        self.app.copy_to_clipboard(text)
        await commands.message(self._record, incident, "#incidents", "copied", text)

    def action_escalate(self) -> None:
        """Record an escalation."""
        if self._needed() is not None:
            levels = tuple(f"{level} {name}" for level, name in self._contacts().items() if level != "L1")
            self._ask(
                "Escalate",
                "To whom, and why? As in: L2 cannot resolve within the response time",
                "_escalate",
                usual=levels,
            )

    def _contacts(self) -> dict[str, str]:
        """Escalation level to whom it reaches; the Security Lead is told of a P0 at once (runbook 1.1)."""
        known = {level: contact.name for level, contact in self.session.profile.contacts.items()}
        return {**known, "security": known.get("security", "Security Lead")}

    async def _escalate(self, incident: IncidentState, text: str) -> None:
        level, _, reason = text.partition(" ")
        contacts = self._contacts()
        if level not in contacts:
            raise UsageError(f"begin with a level: {', '.join(contacts)}")
        await commands.escalate(self._record, incident, level, contacts[level], reason)

    def action_write(self) -> None:
        """Enter what the postmortem needs."""
        if self._needed() is not None:
            from alphapulse_tui.screens.postmortem import PostmortemScreen

            self.app.push_screen(PostmortemScreen())

    def action_resolve(self) -> None:
        """Resolve, or reopen."""
        incident = self._needed()
        if incident is None:
            return
        if incident.open:
            self._ask("Resolve", "Why is it over?", "_resolve", usual=RESOLVE_REASONS)
        else:
            self._ask("Reopen", f"Why is {incident.id} open again?", "_reopen")

    async def _resolve(self, incident: IncidentState, text: str) -> None:
        await commands.resolve(self._record, incident, text, time.time())

    async def _reopen(self, incident: IncidentState, text: str) -> None:
        await commands.reopen(self._record, incident, text)

    def action_export(self) -> None:
        """Write the postmortem."""
        if self._needed() is not None:
            self.run_worker(self._export(), exclusive=True, group="export")

    async def _export(self) -> None:
        incident = self.incident
        assert incident is not None
        try:
            path = await self.session.export(incident)
        except AlphaPulseError as problem:
            self.app.notify(problem.sentence, title="Not exported", severity="error", markup=False)
            return
        self.app.notify(f"Written to {path}", title="Postmortem", markup=False, timeout=15)
