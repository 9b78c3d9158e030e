"""What is marked on an incident by keyboard: a pin, a correction, a moment, a clock; each an event, and seen at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.pilot import Pilot

from alphapulse_tui.app import Cockpit
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens.choice import ChoiceScreen
from alphapulse_tui.screens.incident import IncidentScreen
from alphapulse_tui.screens.prompt import PromptScreen
from tests.screens.stage import text_of
from tests.screens.test_incident import app, kinds
from tests.waiting import until

__all__ = ["app"]


async def led(app: Cockpit, pilot: Pilot[None], note: str) -> None:
    """An open incident with a note, its screen open, the cursor on the newest entry."""
    await until(lambda: app.session.desk, 10, "the journal")
    desk = app.session.desk
    assert desk is not None
    await desk.declare("API down", Severity.P1)
    await desk.note(note)
    await pilot.press("i")
    await until(lambda: isinstance(app.screen, IncidentScreen) and note in text_of(app), 10, "the incident")


def incident(app: Cockpit) -> IncidentState:
    assert app.session.desk is not None and app.session.desk.open is not None
    return app.session.desk.open


async def choose(app: Cockpit, pilot: Pilot[None], number: str) -> None:
    await until(lambda: isinstance(app.screen, ChoiceScreen), 10, "the choices")
    await pilot.press(number)


async def answer(app: Cockpit, pilot: Pilot[None], text: str) -> None:
    await until(lambda: isinstance(app.screen, PromptScreen), 10, "the question")
    await pilot.press(*["space" if one == " " else one for one in text], "enter")


async def test_an_entry_is_pinned_corrected_and_moved(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await led(app, pilot, "rebooted db2")
        await pilot.press("enter")
        await choose(app, pilot, "1")
        await until(lambda: "* " in text_of(app) and incident(app).pins, 10, "the pin")
        await pilot.press("enter")
        await until(lambda: "take the pin off" in text_of(app), 10, "the way back")
        await pilot.press("2")
        await answer(app, pilot, "rebooted db1")
        await until(lambda: "rebooted db1 (corrected)" in text_of(app), 10, "the correction")
        await pilot.press("enter")
        await choose(app, pilot, "3")
        await answer(app, pilot, "noon")
        await until(lambda: "is no moment" in text_of(app), 10, "the refusal")
        await pilot.press("enter")
        await choose(app, pilot, "3")
        await answer(app, pilot, "2020-01-02 03:04")
        await until(lambda: "03:04" in text_of(app), 10, "the moment")
        assert "rebooted db1 (corrected)" in text_of(app)
        assert kinds(app).count(Kind.CORRECTION) == 2 and kinds(app).count(Kind.PIN) == 1


@contextmanager
def nothing_written(app: Cockpit) -> Iterator[None]:
    before = kinds(app)
    yield
    assert kinds(app) == before


async def test_a_clock_is_satisfied_or_put_off_with_a_reason(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await led(app, pilot, "looking")
        with nothing_written(app):
            await pilot.press("K")
            await until(lambda: "Which clock?" in text_of(app), 10, "the clocks")
            await pilot.press("escape")
        await pilot.press("K")
        await until(lambda: "Which clock?" in text_of(app), 10, "the clocks")
        shown = next(row for row in text_of(app).splitlines() if "next update  due in" in row)
        await pilot.press(shown.strip(" │|").split()[0])
        await until(lambda: "put off for 30 min" in text_of(app), 10, "the ways")
        await pilot.press("3")
        await answer(app, pilot, "in a call")
        await until(lambda: Kind.CLOCK in kinds(app), 10, "the mark")
        (mark,) = incident(app).clock_marks
        assert (mark.clock, mark.state, mark.reason) == ("next update", "snoozed", "in a call")
        assert mark.until is not None and round(mark.until - incident(app).declared_at) == 3600


async def test_without_an_incident_there_is_no_clock_to_mark(app: Cockpit, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, IncidentScreen), 10, "the screen")
        await pilot.press("K")
        await until(lambda: "There is no incident" in text_of(app), 10, "a word of it")
        await pilot.press("enter")
        assert isinstance(app.screen, IncidentScreen)
