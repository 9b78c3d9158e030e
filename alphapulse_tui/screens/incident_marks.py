"""What a person marks on an incident: an entry of its timeline pinned or corrected, a clock that something else satisfied or that waits."""

from __future__ import annotations

import time
from functools import partial

from alphapulse_tui.incident import commands
from alphapulse_tui.incident.clocks import Clock, clocks
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.timeline import Entry, timeline
from alphapulse_tui.model.words import clock as duration
from alphapulse_tui.screens.base import CockpitScreen, obey
from alphapulse_tui.screens.choice import ChoiceScreen
from alphapulse_tui.widgets.panel import Panel

SNOOZES = (
    ("snooze-15", "put off for 15 min"),
    ("snooze-30", "put off for 30 min"),
    ("snooze-60", "put off for 60 min"),
)
"""Key of the choice, ending in its minutes, and what it says."""


class IncidentMarks(CockpitScreen):
    """The marks; the screen of an incident shows them."""

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Enter on an entry of the timeline."""
        incident = self.incident
        if event.panel.id != "story" or incident is None:
            return
        event.stop()
        entry = next((one for one in timeline(incident) if one.event_id == event.key), None)
        if entry is None:
            return
        choices = [
            ("pin", "take the pin off" if entry.pinned else "pin", "the pinned entries are marked with *"),
            ("correct", "correct", "what it should have said; the original stays in the journal"),
            ("moment", "correct its time", "when it really was"),
        ]

        def chosen(what: str | None) -> None:
            if what == "pin":
                self.session.spawn(obey(self.app, commands.pin(self.record, incident, entry.event_id)), "pin")
            elif what is not None:
                self._correct(entry, what)

        self.app.push_screen(ChoiceScreen("This entry of the timeline", choices), chosen)

    def _correct(self, entry: Entry, what: str) -> None:
        if what == "correct":
            self.ask_incident("Correction", "What should it have said?", partial(self._reword, entry))
        else:
            self.ask_incident("Correction", "When was it, in UTC, as in: 2026-11-23 14:02", partial(self._move, entry))

    async def _reword(self, entry: Entry, incident: IncidentState, text: str) -> None:
        await commands.correct(self.record, incident, entry.event_id, text)

    async def _move(self, entry: Entry, incident: IncidentState, text: str) -> None:
        await commands.correct(
            self.record,
            incident,
            entry.event_id,
            incident.corrections.get(entry.event_id, ""),
            commands.moment(text),
        )

    def action_clock(self) -> None:
        """Say of a clock that it is satisfied by what the journal cannot see, or put it off."""
        incident = self.needed_incident()
        if incident is None:
            return
        now = time.time()
        running = {each.name: each for each in clocks(incident, now) if each.satisfied_at is None}
        if not running:
            self.app.notify("No clock runs.", title="Clocks", markup=False)
            return
        choices = [(name, name, f"{_stands(each, now)}: {each.by}") for name, each in running.items()]

        def chosen(name: str | None) -> None:
            if name is not None:
                self._mark(running[name])

        self.app.push_screen(ChoiceScreen("Which clock?", choices), chosen)

    def _mark(self, chosen: Clock) -> None:
        late = chosen.left(time.time()) < 0  # One that is overdue stays missed: putting it off would hide that.
        ways = [("satisfied", "satisfied", chosen.by), *(() if late else ((key, said, "") for key, said in SNOOZES))]

        def answered(how: str | None) -> None:
            if how is not None:
                self.ask_incident(f"Clock {chosen.name}", "Why?", partial(self._marked, chosen, how))

        self.app.push_screen(ChoiceScreen(f"Clock {chosen.name}", ways), answered)

    async def _marked(self, chosen: Clock, how: str, incident: IncidentState, reason: str) -> None:
        state, _, minutes = how.partition("-")
        until = chosen.due + 60.0 * float(minutes) if minutes else None
        await commands.mark_clock(self.record, incident, chosen.name, "snoozed" if minutes else state, reason, until)


def _stands(each: Clock, now: float) -> str:
    left = each.left(now)
    return f"{'overdue' if left < 0 else 'due in'} {duration(abs(left))}"
