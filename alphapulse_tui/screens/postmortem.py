"""What only people know, entered for the postmortem: one row a field, Enter writes it. Kept as events, at any time."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from alphapulse_tui.incident.records import FIELDS, IncidentState
from alphapulse_tui.screens.base import obey
from alphapulse_tui.screens.dialog import Dialog
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.widgets.lines import Line, line
from alphapulse_tui.widgets.panel import Panel

NEW_ITEM = "action item"
"""Key of the row that adds an action item."""


class PostmortemScreen(Dialog[None]):
    """The form."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back", id="postmortem.back")]

    DEFAULT_CSS = """
    PostmortemScreen { align: center middle; }
    PostmortemScreen Panel { width: 100; max-width: 100%; height: 90%; background: $surface; }
    """

    @cached_property
    def incident_id(self) -> str:
        """The incident that is written about: the open one when the form was opened, or the last. What is declared meanwhile is another one."""
        desk = self.session.desk
        assert desk is not None
        return (desk.open or list(desk.incidents.values())[-1]).id

    @property
    def incident(self) -> IncidentState:
        """How it stands."""
        desk = self.session.desk
        assert desk is not None
        return desk.incidents[self.incident_id]

    def compose(self) -> ComposeResult:
        """One panel."""
        yield Panel(0, "For the postmortem", id="form")

    def on_mount(self) -> None:
        """Follow the journal, which is where answers go."""
        desk = self.session.desk
        assert desk is not None
        self._unsubscribe = desk.subscribe(self._draw)
        self.query_one(Panel).focus()
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _draw(self) -> None:
        if not self.is_current:  # It is being left, and its panel may be gone already.
            return
        incident = self.incident
        lines: list[Line] = []
        for name, title in FIELDS.items():
            text = incident.fields.get(name, "")
            lines.append(
                line((f"{title:<26}", "strong"), (text or "not entered yet", "plain" if text else "dim"), key=name)
            )
        lines += [Line(), line(("Action items", "title"))]
        for item in incident.action_items.values():
            lines.append(line(f"{item.number}. {item.item}  ", (f"{item.owner}  {item.due}  {item.status}", "dim")))
        lines.append(line(("add one", "accent"), key=NEW_ITEM))
        self.query_one(Panel).show(lines, line(("Enter writes, Esc back", "dim")))

    def on_panel_opened(self, event: Panel.Opened) -> None:
        """Write the row's field."""
        event.stop()
        if event.key == NEW_ITEM:
            self.run_worker(self._new_item(), exclusive=True)
        elif event.key:
            self.run_worker(self._write(event.key), exclusive=True)

    async def _write(self, name: str) -> None:
        value = self.incident.fields.get(name, "")
        text = await self.app.push_screen_wait(PromptScreen(FIELDS[name], "In your words:", value=value))
        desk = self.session.desk
        if text is not None and desk is not None:
            await obey(self.app, desk.set_field(name, text, self.incident))

    async def _new_item(self) -> None:
        """Item, owner, due date, status, one after the other."""
        answers = []
        for title, question, usual in (
            ("Action item", "What shall be done?", ()),
            ("Owner", "Who does it?", ("Backend Team", "DevOps", "Tech Lead")),
            ("Due date", "Until when? YYYY-MM-DD", ()),
            ("Status", "How does it stand?", ("Pending", "In Progress", "Done")),
        ):
            text = await self.app.push_screen_wait(PromptScreen(title, question, usual=usual))
            if text is None:
                return
            answers.append(text)
        desk = self.session.desk
        if desk is not None:
            item, owner, due, status = answers
            await obey(self.app, desk.add_action_item(item, owner, due, status, self.incident))
