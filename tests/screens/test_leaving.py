"""Leaving screens on a slow link: keys that come at one go, an incident that comes in between, the palette's own way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens.alarm import Alarm
from alphapulse_tui.screens.cockpit import Cockpit as Start
from alphapulse_tui.screens.detail import DetailScreen
from alphapulse_tui.screens.help import HelpScreen
from alphapulse_tui.screens.palette import command_entries
from alphapulse_tui.screens.prompt import PromptScreen
from alphapulse_tui.screens.topline import TopLine
from tests.screens.stage import SEALED, Clock, post, quiet, snapshots
from tests.screens.test_incident import JournalSession, kinds
from tests.waiting import until


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cockpit:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    return Cockpit(JournalSession(Profile(name="stage"), clock=Clock()))


def at_one_go(app: Cockpit, *keys: str) -> None:
    """As a terminal sends what was typed while the line stood still."""
    for key in keys:
        app.post_message(Key(key, {"enter": "\r", "escape": "\x1b"}.get(key, key)))


async def test_enter_twice_at_one_go_leaves_one_screen(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        post(app, "vault", snapshots()["vault"])
        app.push_screen(DetailScreen("vault"))
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, PromptScreen), 10, "the question")
        at_one_go(app, "o", "k", "enter", "enter")
        await until(lambda: Kind.NOTE in kinds(app), 10, "the note")
        await pilot.pause()
        assert isinstance(app.screen, DetailScreen) and kinds(app).count(Kind.NOTE) == 1


async def test_enter_twice_at_one_go_on_the_last_dialog_does_not_end_the_program(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), 10, "the help")
        at_one_go(app, "enter", "enter", "enter")
        await until(lambda: isinstance(app.screen, Start), 10, "the cockpit")
        await pilot.pause()
        assert app.is_running and isinstance(app.screen, Start)


async def test_enter_twice_at_one_go_declares_once(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        post(app, "vault", snapshots()["vault"], SEALED)
        await pilot.press("exclamation_mark", "enter")
        await pilot.pause()
        at_one_go(app, "enter", "enter")
        await until(lambda: Kind.DECLARED in kinds(app), 10, "the declaring")
        await pilot.pause(0.2)
        assert kinds(app).count(Kind.DECLARED) == 1 and isinstance(app.screen, Start)


async def test_an_answer_goes_to_the_incident_that_was_asked_about(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        desk = app.session.desk
        assert desk is not None
        await desk.declare("slow", Severity.P2)
        await pilot.press("i", "R")
        await until(lambda: isinstance(app.screen, PromptScreen), 10, "the question")
        await desk.declare("everything is down", Severity.P0)
        assert desk.open is not None and desk.open.title == "everything is down"
        await pilot.press("o", "v", "e", "r", "enter")
        await until(lambda: Kind.RESOLVED in kinds(app), 10, "the resolving")
        (resolved,) = (event for event in desk.events if event.kind is Kind.RESOLVED)
        assert desk.incidents[resolved.incident].title == "slow" and desk.open.title == "everything is down"


async def test_the_palette_offers_only_what_the_screen_hears() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)):
        titles = [entry.title for entry in command_entries(app.screen, app.screen, app)]
        assert "back" not in titles and "copy" not in titles and {"help", "runbook", "quit"} <= set(titles)
        app.push_screen(DetailScreen("vault"))
        await until(lambda: isinstance(app.screen, DetailScreen), 10, "the screen")
        titles = [entry.title for entry in command_entries(app.screen, app.screen, app)]
        assert titles.count("copy") == 1 and titles.count("back") == 1


async def test_a_new_p0_flashes_below_a_dialog_too() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen), 10, "the help")
        Alarm(app, app.session.board).ring()
        assert app.screen_stack[0].query_one(TopLine).has_class("-alarm")
