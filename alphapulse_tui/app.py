"""Composition: the session, the themes, the keys, the first screen. What each part does is in the part.

Order of a start: paint the cockpit, then import clients and connect, so that the first frame waits for nobody.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.events import Event, Key
from textual.screen import Screen

from alphapulse_tui.config.paths import log_file
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.importing import off_the_loop
from alphapulse_tui.runbook.schema import Procedure
from alphapulse_tui.screens.alarm import Alarm
from alphapulse_tui.screens.cockpit import Cockpit as CockpitScreen
from alphapulse_tui.screens.commands import check_keymap
from alphapulse_tui.screens.listing import FilterField
from alphapulse_tui.screens.themes import load_themes
from alphapulse_tui.session import STARTING, Session
from alphapulse_tui.terminal import TerminalApp, run_in_terminal, unsuitable_terminal
from alphapulse_tui.widgets.panel import ASCII, Panel

if TYPE_CHECKING:
    from alphapulse_tui.runbook.load import Shelf

log = logging.getLogger(__name__)


def theme_folder() -> Path:
    """Where themes and style sheets lie: in the wheel beside the code, in a checkout at the top."""
    package = Path(__file__).resolve().parent
    shipped = package / "themes"
    return shipped if shipped.is_dir() else package.parent / "themes"


def _read_shelf() -> Shelf:
    from alphapulse_tui.config.paths import procedures_folder
    from alphapulse_tui.runbook.load import read_shelf

    return read_shelf(procedures_folder())


class Cockpit(TerminalApp[None]):
    """The program on the screen."""

    CSS_PATH = theme_folder() / "cockpit.tcss"
    # Ours, with an id: the one that Textual would add has none, and could not be given another key.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("colon", "command_palette", "command", show=False, id="palette")]
    HORIZONTAL_BREAKPOINTS = [(0, "-small"), (120, "-medium"), (160, "-large"), (200, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]  # noqa: RUF012

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.title = "AlphaPulse"
        self.log_file = log_file()
        self._shelf: Shelf | None = None
        self.set_class(Panel.frame is ASCII, "-ascii")
        # Before the style sheet is read: a theme that comes later has it read and laid over every widget once more.
        for theme in load_themes(theme_folder()):
            self.register_theme(theme)
        self.set_reactive(App.theme, "alphapulse-night")
        self.stylesheet.set_variables(self.get_css_variables())

    @property
    def shelf(self) -> Shelf:
        """Every procedure, and what is wrong with files of the user's own, which is told once."""
        if self._shelf is None:
            self._take(_read_shelf())
        assert self._shelf is not None
        return self._shelf

    def _take(self, shelf: Shelf) -> None:
        self._shelf = shelf
        if shelf.mistakes:
            first, more = shelf.mistakes[0].sentence, len(shelf.mistakes) - 1
            others = f" And {more} more: the list of procedures ends with them." if more else ""
            self.notify(
                f"{first}{others}",
                title="A procedure of your own is left out",
                severity="error",
                markup=False,
                timeout=30,
            )

    async def _read_ahead(self) -> None:
        """Read the procedures before the first verdict asks for them: 0.2 s with their imports, in which no key would be heard."""
        shelf = await off_the_loop(_read_shelf)
        if self._shelf is None:
            self._take(shelf)

    @property
    def procedures(self) -> dict[str, Procedure]:
        """Every procedure by id."""
        return self.shelf.procedures

    def get_default_screen(self) -> Screen[None]:
        """The cockpit."""
        return CockpitScreen()

    def on_mount(self) -> None:
        """Keys; the rest after the first paint."""
        self.set_keymap(self.session.profile.keys)
        self._alarm = Alarm(self, self.session.board)
        self.call_after_refresh(self._start)

    async def _start(self) -> None:
        """Open the journal, start the executor, read the targets: each by itself, none waits for another."""
        self.session.spawn(self.session.start_sources(), "sources")
        self.session.spawn(self.session.open_desk(), "journal")
        self.session.spawn(self._start_executor(), "executor")
        self.session.spawn(self._read_ahead(), "procedures")

    def try_again(self, *looks: str) -> None:
        """Read every target now, ``looks`` too if they take long, and have what could not be had at the start: journal, executor."""
        session = self.session
        session.refresh(*looks)
        if session.desk is None and session.journal_problem:
            session.spawn(session.open_desk(), "journal")
        if session.executor is None and session.executor_problem != STARTING:
            session.spawn(self._start_executor(), "executor")

    async def _start_executor(self) -> None:
        """Have the executor at hand; what it finds unresolved is shown before anything else (design 7)."""
        await self.session.start_executor()
        executor = self.session.executor
        if executor is not None and any(not run.under_way for run in await executor.unresolved()):
            from alphapulse_tui.screens.unresolved import UnresolvedScreen

            self.push_screen(UnresolvedScreen())

    async def on_event(self, event: Event) -> None:
        """Give what was typed at one go with ``/`` to the filter: it was sent to the list before ``/`` was heard.

        What is printable and comes back to us was meant for another than the field that has the focus now: a field lets none of it past.
        """
        if isinstance(event, Key) and event.is_forwarded and event.character and event.is_printable:
            field = self.focused
            if isinstance(field, FilterField):
                field.insert_text_at_cursor(event.character)
                return
        await super().on_event(event)

    async def action_quit(self) -> None:
        """Leave at once; the executor outlives us."""
        self.exit(return_code=int(ExitCode.OK))

    async def on_unmount(self) -> None:
        """Let go of connections."""
        await self.session.close()

    def action_command_palette(self) -> None:
        """Open the palette, with words of ours: Textual's own end in a character that ``--ascii`` does not draw."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="a command, procedure, view or fix", id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: what can be done here, and what can be opened or mended from anywhere."""
        from alphapulse_tui.screens.base import CockpitScreen as AnyScreen
        from alphapulse_tui.screens.palette import command_entries, target_entries

        yield from command_entries(screen, screen, self)
        if isinstance(screen, AnyScreen):
            yield from target_entries(screen)


def run(profile: Profile, *, config: str = "", read_only: bool = False, ascii_only: bool = False) -> int:
    """Open the cockpit on ``profile`` and stay until the engineer leaves. Called by ``cli.main``.

    Raises:
        ConfigError: a mistake in the settings that only the screen can find (keys).
    """
    unsuitable = unsuitable_terminal()
    if unsuitable is not None:
        return _plain_report(profile, unsuitable)
    check_keymap(profile.keys)
    if ascii_only:
        Panel.frame = ASCII
    app = Cockpit(Session(profile, config=config, read_only=read_only))
    return run_in_terminal(app)


def _plain_report(profile: Profile, why: str) -> int:
    """One look at every target, as text: for a terminal that cannot show a screen."""
    from alphapulse_tui.cli.status import report_once

    sys.stderr.write(f"{why}\n")
    return report_once(profile)
