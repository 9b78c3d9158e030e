"""The desk: it follows the journal through everything that keeps it from being read, and says so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.incident import desk as module
from alphapulse_tui.incident.desk import Desk
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.recorder import Recorder
from alphapulse_tui.model.health import Severity
from alphapulse_tui.screens.topline import Standing, TopLine
from tests.waiting import until


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.02)
    made = Desk(Journal.open(tmp_path / "journal.sqlite", anchor=lambda line: None))
    yield made
    made.close()


@asynccontextmanager
async def followed(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody follows it meanwhile."""
    task = asyncio.create_task(desk.follow())
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_journal_that_cannot_be_read_is_told_and_followed_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked() -> int:
        raise JournalUnavailable("the journal is locked")

    async with followed(desk) as task:
        desk.journal.append(Kind.NOTE, {"text": "one"})
        await until(lambda: len(desk.events) == 1, 10, "the first note")
        read = desk.journal.events
        monkeypatch.setattr(desk.journal, "_data_version", locked)
        monkeypatch.setattr(desk.journal, "events", lambda *arguments: locked())
        await until(lambda: desk.problem, 10, "the problem")
        assert desk.trouble == ("NOT LIVE", "the journal is locked") and not task.done()
        desk.journal.append(Kind.NOTE, {"text": "two"})
        monkeypatch.setattr(desk.journal, "events", read)
        await until(lambda: len(desk.events) == 2, 10, "what was written meanwhile")
        monkeypatch.undo()
        await until(lambda: not desk.problem, 10, "the end of the problem")
        desk.journal.append(Kind.NOTE, {"text": "three"})
        await until(lambda: len(desk.events) == 3, 10, "the third note")
        assert desk.trouble == ("", "")


async def test_a_listener_that_fails_ends_neither_the_following_nor_the_others(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fail() -> None:
        raise RuntimeError("a screen that is no more")

    desk.subscribe(fail)
    desk.subscribe(lambda: heard.append(len(desk.events)))
    async with followed(desk) as task:
        for count in (1, 2):
            desk.journal.append(Kind.NOTE, {"text": "x"})
            await until(lambda: len(desk.events) == count, 10, "the note")  # noqa: B023 - awaited within the round
        assert heard == [1, 2] and not task.done()
    assert "a screen that is no more" in caplog.text


async def test_what_keeps_the_journal_from_being_written_is_told_after_what_keeps_it_from_being_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> Event:
        raise sqlite3.OperationalError("disk I/O error")

    desk.journal.warning = "only 5 KiB are free"
    assert desk.trouble == ("DISK", "only 5 KiB are free")
    monkeypatch.setattr(desk.journal, "_write", full)
    with pytest.raises(JournalUnavailable):
        await desk.record(Kind.NOTE, {"text": "x"})
    word, sentence = desk.trouble
    assert word == "NOT WRITTEN" and "disk I/O error" in sentence
    desk.recorder = Recorder(Board(lambda: 1.0), desk.journal, [])
    desk.recorder.problem = "the journal's lock cannot be had"
    assert desk.trouble == ("NOT WRITTEN", "the journal's lock cannot be had")
    desk.problem = "locked"
    assert desk.trouble == ("NOT LIVE", "locked")
    monkeypatch.undo()
    await desk.recorder.flush()
    await desk.record(Kind.NOTE, {"text": "x"})
    assert desk.trouble[0] == "DISK", "nothing waits to be written any more"


async def test_what_was_written_and_cannot_be_read_back_is_not_called_unwritten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> list[Event]:
        raise JournalUnavailable("the disk gives an I/O error")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(desk.journal, "events", broken)
        event = await desk.record(Kind.NOTE, {"text": "one"})
        assert desk.trouble == ("NOT LIVE", "the disk gives an I/O error") and desk.events == []
    await desk.catch_up()
    assert [one.id for one in desk.events] == [event.id] and desk.trouble == ("", "")


async def test_a_damaged_journal_is_told_before_all_that_follows_from_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    whole = Journal.open(path, anchor=lambda line: None)
    for number in range(60):
        whole.append(Kind.NOTE, {"text": f"{number} " + "x" * 2000})
    whole.close()
    path.write_bytes(path.read_bytes()[:40960])
    desk = Desk(Journal.open(path, anchor=lambda line: None))
    await desk.catch_up()
    word, sentence = desk.trouble
    assert word == "NOT LIVE" and "is damaged" in sentence and "incident verify" in sentence
    desk.close()


async def test_a_narrow_top_line_cuts_the_name_of_what_is_overdue_and_not_that_it_is(desk: Desk) -> None:
    await desk.declare("API down", Severity.P0)
    assert desk.open is not None
    said = desk.headline(desk.open.declared_at + 3)
    assert said == f"P0 {desk.open.id} API down  NOT ACKNOWLEDGED 00:03  due 04:57 escalate L2 Tech Lead"
    await desk.acknowledge()
    said = desk.headline(desk.open.declared_at + 634)
    assert said.endswith("  OVERDUE 05:34 escalate L2 Tech Lead")
    standing = Standing("lab", False, None, True, "ana@bastion-2", said, "API down")
    shown = TopLine(standing).lines(80, 1)[0].text
    assert "OVERDUE 05:34 escala" in shown and "~" in shown
