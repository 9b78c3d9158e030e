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
from alphapulse_tui.model.health import Severity
from alphapulse_tui.session import Session
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
