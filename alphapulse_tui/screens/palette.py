"""What the command palette (`:`) finds by name: this screen's commands, every procedure, every view, every fix that is possible now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from textual.app import SystemCommand
from textual.screen import Screen

from alphapulse_tui.model.fixes.contract import Fix
from alphapulse_tui.model.fixes.menu import fixes_for
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.commands import COMMANDS
from alphapulse_tui.screens.tables.all import VIEWS
from alphapulse_tui.screens.titles import TITLES
from alphapulse_tui.session import BOARD_TARGETS


def command_entries(screen: Screen[object], *owners: object) -> Iterable[SystemCommand]:
    """Every command of the table whose key ``screen`` hears, done by one of ``owners``; those of the program begin with ``app.``."""
    heard = {active.binding.id for active in screen.active_bindings.values()}
    for command in COMMANDS:
        if command.id not in heard:
            continue
        call = _method(owners, f"action_{command.action.removeprefix('app.')}")
        if call is not None and command.id != "palette":
            yield SystemCommand(command.title, command.help, call)


def target_entries(screen: CockpitScreen) -> Iterable[SystemCommand]:
    """Procedures, views and fixes; a fix is planned and asks before anything is sent, as from its menu."""
    for procedure in screen.cockpit.procedures.values():
        yield SystemCommand(f"procedure {procedure.id}", procedure.title, partial(screen.open_procedure, procedure.id))
    for target, views in VIEWS.items():
        for view in views:
            said = f"The view {view.title} of {TITLES[target]}."
            yield SystemCommand(f"{TITLES[target]} {view.title}", said, partial(screen.open_detail, target, view.title))
    session = screen.session
    for target in BOARD_TARGETS:
        for fix in fixes_for(target, "", session.board.readings, session.now):
            if not fix.why_not:
                said = f"Plans {fix.action_id}." if fix.action_id else "Changes no target."
                yield SystemCommand(f"fix {TITLES[target]}: {fix.title}", said, _planning(screen, fix))


def _planning(screen: CockpitScreen, fix: Fix) -> Callable[[], None]:
    return partial(screen.open_fix, fix)


def _method(owners: tuple[object, ...], name: str) -> Callable[[], object] | None:
    return next((found for owner in owners if (found := getattr(owner, name, None)) is not None), None)
