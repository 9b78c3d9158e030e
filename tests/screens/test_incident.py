"""An incident led by keyboard at 80x24, on a real journal: declare, acknowledge, note, resolve, and what is refused."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path

import pytest

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.paths import journal_file
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.incident.desk import Desk
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens import incident as incident_screen
from alphapulse_tui.screens.incident import IncidentScreen
from alphapulse_tui.screens.incident_lines import standing_lines, story_lines
from alphapulse_tui.session import Session
from alphapulse_tui.widgets.lines import Line
from alphapulse_tui.widgets.panel import Panel
from tests.screens.stage import SEALED, Clock, post, snapshots, text_of
from tests.waiting import until


class JournalSession(Session):
    """A journal, and neither sources nor an executor."""

    async def start_sources(self) -> None:
        return

    async def start_executor(self) -> None:
        self.executor_problem = "no executor in this test"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cockpit:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Cockpit(JournalSession(Profile(name="stage"), clock=Clock()))


def kinds(app: Cockpit) -> list[Kind]:
    return [event.kind for event in app.session.desk.events] if app.session.desk else []


async def test_an_incident_from_declaring_to_its_postmortem(app: Cockpit, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.session.desk, 10, "the journal")
        post(app, "vault", snapshots()["vault"], SEALED)
        await pilot.press("exclamation_mark")
        await pilot.pause()
        shown = text_of(app)
        assert "Suggested: P0" in shown and "Complete service outage" in shown and "data breach" in shown
        await pilot.press("enter", "enter")
        await until(lambda: Kind.DECLARED in kinds(app), 10, "the declaring")
        await pilot.press("i")
        await pilot.pause()
        shown = text_of(app)
        assert "INC-0001 vault-1 is sealed" in shown and "P0 assess" in shown and "response" in shown
        await pilot.press("a")
        await until(lambda: Kind.ACKNOWLEDGED in kinds(app), 10, "the acknowledging")
        await pilot.press("n", *"looking", "enter")
        await until(lambda: Kind.NOTE in kinds(app), 10, "the note")
        await pilot.pause()
        assert "looking" in text_of(app)
        await pilot.press("S", *"P9 x", "enter")
        await until(lambda: "begin with P0" in text_of(app), 10, "the refusal")
        await pilot.press("S", *"P1 smaller", "enter")
        await until(lambda: Kind.SEVERITY in kinds(app), 10, "the severity")
        await pilot.press("R", "f2")
        await until(lambda: Kind.RESOLVED in kinds(app), 10, "the resolving")
        await pilot.press("x")
        await until(lambda: Kind.EXPORTED in kinds(app), 10, "the export")
    written = list((tmp_path / ".bug").glob("postmortem-*-vault-1-is-sealed.md"))
    assert len(written) == 1
    text = written[0].read_text()
    assert text.startswith("# Postmortem: vault-1 is sealed") and "looking" in text and "verified by hand" in text


async def test_an_export_tells_what_came_a_moment_before_and_leaves_an_edited_file_alone(
    app: Cockpit, tmp_path: Path
) -> None:
    desk = app.session.desk = Desk.at("stage")  # nobody follows the journal for it
    incident = await desk.declare("Vault sealed", Severity.P0)
    with closing(Journal.open(journal_file("stage"))) as second_engineer:
        second_engineer.append(Kind.NOTE, {"text": "keys are in the safe"}, incident)
    written = await app.session.export(incident)
    assert "keys are in the safe" in written.path.read_text()

    written.path.write_text("mine now")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.session.desk is not desk, 10, "the journal")
        await pilot.press("i")
        await pilot.pause()
        await pilot.press("x")
        await until(lambda: "edited by hand" in text_of(app).replace("\n", " "), 10, "what was left alone")
    assert written.path.read_text() == "mine now"


async def test_a_journal_that_cannot_be_written_is_told_and_the_cockpit_stays(
    app: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*arguments: object) -> Event:
        raise JournalUnavailable("the journal's disk is full")

    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        desk = await until(lambda: app.session.desk, 10, "the journal")
        monkeypatch.setattr(desk.journal, "record", refuse)  # type: ignore[attr-defined]
        await pilot.press("n", *"x", "enter")
        await until(lambda: "disk is full" in text_of(app), 10, "the sentence")
        assert app.is_running


async def test_a_journal_that_falls_silent_is_told_where_its_story_stands(app: Cockpit) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        desk = await until(lambda: app.session.desk, 10, "the journal")
        assert isinstance(desk, Desk)
        desk.journal.warning = "only 5 KiB are free"
        await until(lambda: "DISK" in text_of(app) and "only 5 KiB" in text_of(app), 10, "the warning in panel 7")
        assert desk.recorder is not None
        desk.journal.problem = "the journal's disk is full"
        await until(lambda: "NOT WRITTEN" in text_of(app) and "disk is full" in text_of(app), 10, "the problem")
        await pilot.press("i")
        await until(lambda: "No incident yet" in text_of(app), 10, "the incident's screen")
        assert "NOT WRITTEN" in text_of(app) and "disk is full" in text_of(app)


async def test_the_timeline_is_built_when_an_event_or_another_width_has_come_and_not_every_second(
    app: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    def counted(incident: IncidentState | None, desk: Desk, width: int) -> list[Line]:
        built.append(width)
        return story_lines(incident, desk, width)

    monkeypatch.setattr(incident_screen, "story_lines", counted)
    async with app.run_test(size=(80, 24)) as pilot:
        desk = await until(lambda: app.session.desk, 10, "the journal")
        assert isinstance(desk, Desk)
        await pilot.press("i")
        await until(lambda: built, 10, "the first drawing")
        screen = app.screen
        assert isinstance(screen, IncidentScreen)
        await pilot.pause()
        before = len(built)
        screen._draw()
        assert len(built) == before
        await desk.note("something smells")
        assert len(built) == before + 1
        await pilot.resize_terminal(100, 30)
        await until(lambda: built[-1] > built[0], 10, "the other width")


async def test_a_screen_that_is_being_removed_hears_nothing_and_one_that_was_covered_is_drawn_again(
    app: Cockpit,
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        desk = await until(lambda: app.session.desk, 10, "the journal")
        assert isinstance(desk, Desk)
        await pilot.press("i")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, IncidentScreen)
        await pilot.press("r", "question_mark")  # Textual takes the one right below the top for seen.
        await until(lambda: len(app.screen_stack) == 4, 10, "the list of procedures and the help")
        await desk.note("written meanwhile")
        assert app.screen is not screen and not any(
            "written" in one.text for one in screen.query_one("#story", Panel).body
        )
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 3, 10, "the help to go")
        await pilot.press("escape")
        await until(lambda: "written meanwhile" in text_of(app), 0.5, "the note, before the next second", 0.01)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen
        screen._draw()


def test_the_keys_that_are_named_are_those_of_the_keymap() -> None:
    incident = IncidentState("INC-0001")
    text = "\n".join(one.text for one in standing_lines(incident, {"acknowledge": "k"}))
    assert "not yet (k)" in text and "nothing yet (W)" in text
    assert "nothing yet (F6)" in "\n".join(one.text for one in standing_lines(incident, {"incident.write": "f6"}))


async def test_the_footer_says_what_goes_on_until_its_proof_is_there(app: Cockpit) -> None:
    plan = {"title": "terminate idle"}
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.session.desk, 10, "the journal")
        desk = app.session.desk
        assert desk is not None
        await desk.record(Kind.INTENT, {"action_run": "run-1", "plan": plan}, "")
        await desk.record(Kind.INTENT, {"action_run": "run-2", "plan": plan}, "")
        await until(lambda: re.search(r"running: terminate idle 00:0\d \(\+1 more\)", last_line(app)), 10, "both")
        await desk.record(Kind.OUTCOME, {"action_run": "run-1", "outcome": "refused"}, "")
        await desk.record(Kind.OUTCOME, {"action_run": "run-2", "outcome": "done"}, "")
        await until(lambda: re.search(r"running: terminate idle 00:0\d $", last_line(app)), 10, "the one to be proven")
        assert desk.running(time.time() + 3600).startswith("no outcome yet: terminate idle 1:00:0"), "nobody may live"
        await desk.record(Kind.VERIFIED, {"action_run": "run-2", "verdict": "verified"}, "")
        await until(lambda: "running" not in last_line(app), 10, "nothing")


def last_line(app: Cockpit) -> str:
    return text_of(app).split("\n")[-1]
