"""What every full screen shares: the session, the top line's words, and the keys that mean the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual.app import App
from textual.reactive import Reactive
from textual.screen import ModalScreen
from textual.widget import Widget

from alphapulse_tui.actor import actor_at_host
from alphapulse_tui.errors import AlphaPulseError, UsageError
from alphapulse_tui.screens.commands import key_of
from alphapulse_tui.screens.footer import FooterLine
from alphapulse_tui.screens.leaving import LeftOnce
from alphapulse_tui.screens.topline import Standing
from alphapulse_tui.session import Session
from alphapulse_tui.widgets.lines import Line, line

if TYPE_CHECKING:
    from alphapulse_tui.app import Cockpit
    from alphapulse_tui.incident.events import Event, Kind
    from alphapulse_tui.incident.records import IncidentState
    from alphapulse_tui.incident.undo import WayBack
    from alphapulse_tui.model.fixes.contract import Fix


class CockpitScreen(LeftOnce[None]):
    """A full screen of ours. Screens are imported when they are first opened: the first paint pays for the cockpit alone."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As Textual's own, which paints the whole screen when the focus moves: the two widgets that win and lose it paint themselves."""

    @property
    def cockpit(self) -> Cockpit:
        """The program."""
        return cast("Cockpit", self.app)

    @property
    def session(self) -> Session:
        """The sitting that the screens share."""
        return self.cockpit.session

    @property
    def in_view(self) -> bool:
        """Whether a person sees it: it is on top, or only dialogs stand before it. Textual's ``is_current`` is true of the screen below any other."""
        stack = self.app.screen_stack
        if self not in stack:
            return False
        return all(isinstance(above, ModalScreen) for above in stack[stack.index(self) + 1 :])

    def on_mount(self) -> None:
        """Textual calls this beside the subclass's own: every screen says what is being done."""
        self.set_interval(1.0, self._say_what_runs)

    def _say_what_runs(self) -> None:
        """An action goes on when its dialog is left; the footer says so until its proof is there."""
        desk = self.session.desk
        running = desk.running(time.time()) if desk is not None else ""
        for footer in self.query(FooterLine):
            footer.say(line((f" {running} ", "accent")) if running else Line())

    def key(self, command_id: str) -> str:
        """How a person writes the key of a command now."""
        return key_of(command_id, self.session.profile.keys)

    def standing(self) -> Standing:
        """What the top line says now."""
        return standing_of(self.session)

    @property
    def digits(self) -> tuple[str, ...]:
        """What the digits choose here, from 1 on; for help."""
        return ()

    @property
    def looks(self) -> tuple[str, ...]:
        """The surveys that this screen shows: those that take long are taken anew only for it."""
        return ()

    def action_back(self) -> None:
        """Leave this screen."""
        self.dismiss()

    def action_help(self) -> None:
        """This screen's keys."""
        from alphapulse_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))

    def action_refresh(self) -> None:
        """Ask every target again at once, and whatever could not be had at the start."""
        self.cockpit.try_again(*self.looks)

    def action_runbook(self) -> None:
        """All procedures."""
        from alphapulse_tui.screens.runbook import RunbookScreen

        self.app.push_screen(RunbookScreen())

    def action_incident(self) -> None:
        """The open incident, or the way to declare one."""
        if self.session.desk is None:
            self.say_no_journal()
            return
        from alphapulse_tui.screens.incident import IncidentScreen

        self.app.push_screen(IncidentScreen())

    def say_no_journal(self) -> None:
        """Tell why there is no journal, or that it is being opened."""
        said = self.session.journal_problem or "The journal is being opened."
        self.app.notify(said, title="No journal", severity="warning", markup=False)

    def action_declare(self) -> None:
        """Declare an incident."""
        if self.session.desk is None:
            self.say_no_journal()
            return
        from alphapulse_tui.screens.declare import DeclareScreen

        self.app.push_screen(DeclareScreen())

    def action_acknowledge(self) -> None:
        """Acknowledge the open incident."""
        desk = self.session.desk
        if desk is None or desk.open is None:
            said = f"There is no open incident; {self.key('declare')} declares one."
            self.app.notify(said, title="Nothing to acknowledge", markup=False)
            return
        self.session.spawn(obey(self.app, desk.acknowledge()), "acknowledge")

    def action_note(self) -> None:
        """Write a note into the timeline."""
        desk = self.session.desk
        if desk is None:
            self.say_no_journal()
            return
        from alphapulse_tui.screens.prompt import PromptScreen

        def written(text: str | None) -> None:
            if text:
                self.session.spawn(obey(self.app, desk.note(text)), "note")

        where = (
            f"It goes into the timeline of {desk.open.id}."
            if desk.open is not None
            else "No incident is open; it is kept all the same."
        )
        self.app.push_screen(PromptScreen("Note", where), written)

    @property
    def incident(self) -> IncidentState | None:
        """The incident that this screen's keys speak of: the open one."""
        return self.session.desk.open if self.session.desk is not None else None

    def needed_incident(self) -> IncidentState | None:
        """The incident, or a word that there is none."""
        if self.incident is None:
            self.app.notify(
                f"There is no incident; {self.key('declare')} declares one.", title="No incident", markup=False
            )
        return self.incident

    def ask_incident(
        self,
        title: str,
        question: str,
        then: Callable[[IncidentState, str], Awaitable[None]],
        *,
        usual: tuple[str, ...] = (),
        value: str = "",
    ) -> None:
        """Ask for a line about the incident and give it to the command ``then``; what makes no sense, or cannot be written, is told.

        The answer goes to the incident that was asked about, whatever somebody else has declared meanwhile.
        """
        from alphapulse_tui.screens.prompt import PromptScreen

        asked = self.incident

        def answered(text: str | None) -> None:
            desk = self.session.desk
            if text and asked is not None and desk is not None:
                self.session.spawn(obey(self.app, then(desk.incidents[asked.id], text)), title)

        self.app.push_screen(PromptScreen(title, question, usual=usual, value=value), answered)

    async def record(self, kind: Kind, payload: Mapping[str, Any], incident: str) -> Event:
        """The desk's pen: written, and taken in at once."""
        assert self.session.desk is not None
        return await self.session.desk.record(kind, payload, incident)

    def action_update(self) -> None:
        """Draft an update and copy it."""
        incident = self.needed_incident()
        if incident is not None:
            draft = f"{incident.severity.value} {incident.title}: {incident.phase}."
            question = "What do the others need to know? It is copied for #incidents."
            self.ask_incident("Update", question, self._update, value=draft)

    async def _update(self, incident: IncidentState, text: str) -> None:
        from alphapulse_tui.incident import commands

        self.app.copy_to_clipboard(text)
        await commands.message(self.record, incident, "#incidents", "copied", text)

    def action_escalate(self) -> None:
        """Record an escalation."""
        if self.needed_incident() is not None:
            levels = tuple(f"{level} {name}" for level, name in self._contacts().items() if level != "L1")
            question = "To whom, and why? As in: L2 cannot resolve within the response time"
            self.ask_incident("Escalate", question, self._escalate, usual=levels)

    def _contacts(self) -> dict[str, str]:
        """Escalation level to whom it reaches; the Security Lead is told of a P0 at once (runbook 1.1)."""
        known = {level: contact.name for level, contact in self.session.profile.contacts.items()}
        return {**known, "security": known.get("security", "Security Lead")}

    async def _escalate(self, incident: IncidentState, text: str) -> None:
        from alphapulse_tui.incident import commands

        level, _, reason = text.partition(" ")
        contacts = self._contacts()
        if level not in contacts:
            raise UsageError(f"begin with a level: {', '.join(contacts)}")
        await commands.escalate(self.record, incident, level, contacts[level], reason)

    def action_arm(self) -> None:
        """Allow changes in production for an hour."""
        from alphapulse_tui.screens.arm import arm

        arm(self)

    def action_unresolved(self) -> None:
        """Actions whose outcome is not known."""
        from alphapulse_tui.screens.unresolved import UnresolvedScreen

        self.app.push_screen(UnresolvedScreen())

    def installed(self, procedure: str) -> str:
        """The id of ``procedure``, or empty where it is not installed: no key is promised that leads nowhere."""
        return procedure if procedure and procedure in self.cockpit.procedures else ""

    def open_procedure(self, procedure: str, values: Mapping[str, str] | None = None) -> None:
        """Open a procedure's screen, where it stood if it was under way; ``values`` are those of the row that it is opened from."""
        from alphapulse_tui.screens.procedure import open_procedure

        open_procedure(self, procedure, values)

    def open_detail(self, target: str, view: str = "") -> None:
        """The whole of what is behind a panel; at its first view, or at the one of that title."""
        from alphapulse_tui.screens.detail import DetailScreen

        self.app.push_screen(DetailScreen(target, view))

    def open_fixes(self, target: str, key: str) -> None:
        """Number the fixes of a panel and row; the chosen one is planned."""
        from alphapulse_tui.screens.fixes import FixesScreen

        def chosen(fix: Fix | None) -> None:
            if fix is not None:
                self.open_fix(fix)

        self.app.push_screen(FixesScreen(target, key), chosen)

    def open_fix(self, fix: Fix) -> None:
        """Do what changes no target; else have chosen and asked what only a person can say, then plan the fix."""
        params = dict(fix.params)
        match fix.does:
            case "":
                self._choose(fix, params)
            case "acknowledge":
                self.action_acknowledge()
            case "procedure":
                self.open_procedure(params.pop("procedure"), params)
            case "link":
                from alphapulse_tui.screens.listing import copy

                address = params.get("address") or str(getattr(self.session.profile.links, params.get("link", "")))
                copy(self.app, address, f"it is {address}")

    def _choose(self, fix: Fix, params: dict[str, str]) -> None:
        from alphapulse_tui.screens.choice import ChoiceScreen

        pick = fix.picks
        if pick is None:
            self._ask_for(fix, params)
            return

        def chosen(value: str | None) -> None:
            if value is not None:
                self._ask_for(fix, {**params, pick.parameter: value})

        choices = [(value, value, said) for value, said in pick.choices(time.time())]
        self.app.push_screen(ChoiceScreen(f"{fix.title}: {pick.question}", choices), chosen)

    def _ask_for(self, fix: Fix, params: dict[str, str]) -> None:
        from alphapulse_tui.screens.prompt import PromptScreen

        asks = fix.asks
        if asks is None:
            self.open_action(fix.action_id, params, title=fix.title)
            return

        def answered(text: str | None) -> None:
            if text is not None:
                self.open_action(fix.action_id, {**params, asks[0]: text}, title=fix.title)

        # A comment that others find belongs to an incident (facts 4.2).
        begun = f"{self.incident.id}: " if asks[0] == "comment" and self.incident is not None else ""
        self.app.push_screen(PromptScreen(fix.title, asks[1], value=begun), answered)

    def open_undo(self, ways: Sequence[WayBack]) -> None:
        """Plan the way back of one of ``ways``, the latest first where there are several; what it changed is planned as it is now."""
        from alphapulse_tui.incident.undo import undo_reason
        from alphapulse_tui.screens.action import ActionScreen
        from alphapulse_tui.screens.choice import ChoiceScreen

        def chosen(run: str | None) -> None:
            way = next((each for each in ways if each.run == run), None)
            if way is not None:
                reason = undo_reason(way.title, way.run)
                title = f"undo of {way.title}"
                self.app.push_screen(
                    ActionScreen(way.action, way.params, undoes=way.run, reason=reason, title=title), self._acted_upon
                )

        if not ways:
            self.app.notify("Nothing that was done here can be taken back.", title="No way back", markup=False)
        elif len(ways) == 1:
            chosen(ways[0].run)
        else:
            latest = list(reversed(ways))[:9]
            self.app.push_screen(
                ChoiceScreen("Take back", [(each.run, each.title, each.said) for each in latest]), chosen
            )

    def open_action(self, action_id: str, params: dict[str, str], undoes: str = "", title: str = "") -> None:
        """Plan an action and lead it through confirmation, execution and proof."""
        from alphapulse_tui.screens.action import ActionScreen

        self.app.push_screen(ActionScreen(action_id, params, undoes=undoes, title=title), self._acted_upon)

    def _acted_upon(self, verified: bool | None) -> None:
        """Back from an action that was begun: what is shown is read at once, as it is now."""
        if verified is not None:
            self.session.refresh(*self.looks)


def standing_of(session: Session) -> Standing:
    """What the top line says of a session now."""
    profile, desk, executor = session.profile, session.desk, session.executor
    now = time.time()
    return Standing(
        environment=profile.environment or profile.name,
        production=profile.production,
        armed_seconds=executor.armed_seconds(now) if executor is not None else None,
        always_armed=not profile.production and not session.read_only,
        who=actor_at_host(),
        incident=desk.headline(now) if desk is not None else "",
        incident_title=desk.open.title if desk is not None and desk.open is not None else "",
    )


async def obey(app: App[Any], command: Awaitable[object]) -> None:
    """Await a command to the incident; what makes no sense, or cannot be written, is told the person in a sentence."""
    try:
        await command
    except AlphaPulseError as problem:
        app.notify(problem.sentence, title="Not recorded", severity="warning", markup=False)
