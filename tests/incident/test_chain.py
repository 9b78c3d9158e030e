"""Every record edited, rewritten, deleted and cut off: the chain says so, and names it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.incident.chain import Damage, Head, Row, new_id
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.incident.journal_file import COLUMNS

EVENTS = 8
COLUMN_NAMES = [name.strip() for name in COLUMNS.split(",")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Eight events of two writers, by turns: a b b a b b a b."""
    path = tmp_path / "j" / "journal.sqlite"
    clock = iter(range(1_000, 2_000)).__next__
    one = Journal.open(path, actor="ana", clock=clock, anchor=lambda _: None)
    two = Journal.open(path, actor="ben", clock=clock, anchor=lambda _: None)
    for number in range(EVENTS):
        (one if number % 3 == 0 else two).append(Kind.NOTE, {"text": f"note {number}"}, "INC-0001")
    one.close()
    two.close()
    return path


def tamper(path: Path, statement: str, *values: object) -> None:
    """What somebody with the file and the sqlite3 shell would do."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER IF EXISTS event_stays")
    connection.execute("DROP TRIGGER IF EXISTS event_is_kept")
    connection.execute(statement, values)
    connection.close()


def findings(path: Path, anchors: dict[str, Head] | None = None) -> list[tuple[Damage, int, str]]:
    journal = Journal.open(path, anchor=lambda _: None)
    found = journal.verify(anchors).findings
    journal.events()  # Whatever is wrong, it can be read.
    journal.close()
    return [(finding.damage, finding.sequence, finding.sentence) for finding in found]


def rows(path: Path) -> list[Row]:
    connection = sqlite3.connect(path)
    found = [Row._make(row) for row in connection.execute(f"SELECT {COLUMNS} FROM event ORDER BY sequence")]
    connection.close()
    return found


def test_an_untouched_journal_is_intact(path: Path) -> None:
    assert findings(path) == []
    assert [row.actor for row in rows(path)] == ["ana", "ben", "ben"] * 2 + ["ana", "ben"]


def test_the_file_refuses_updates_and_deletions(path: Path) -> None:
    connection = sqlite3.connect(path)
    for statement in ("UPDATE event SET actor = 'eve'", "DELETE FROM event"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


EDITS: dict[str, object] = {
    "id": "00000000-0000-7000-8000-000000000000", "writer": "eve:1:1", "writer_sequence": "x", "wall": 1.0, "monotonic": "soon",
    "actor": "eve", "incident": "INC-0666", "kind": "resolved", "payload": b"\xff\x00", "previous_hash": "0" * 63 + "1", "hash": "f" * 64,
}  # fmt: skip


@pytest.mark.parametrize("column", EDITS)
@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
def test_every_edit_of_every_column_of_every_record_is_named(path: Path, sequence: int, column: str) -> None:
    tamper(path, f"UPDATE event SET {column} = ? WHERE sequence = ?", EDITS[column], sequence)
    found = findings(path)
    assert (Damage.EDITED, sequence) in [(damage, at) for damage, at, _ in found]
    assert any(f"event {sequence} (" in sentence and "was edited" in sentence for _, _, sentence in found)


@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
def test_a_record_that_was_edited_and_hashed_again_does_not_fit(path: Path, sequence: int) -> None:
    row = rows(path)[sequence - 1]
    heads = {found.writer: Head(found.writer_sequence, found.hash) for found in rows(path)}
    forged = row._replace(payload='{"text":"nothing happened"}')
    tamper(path, "UPDATE event SET payload = ?, hash = ? WHERE sequence = ?", forged.payload, forged.digest(), sequence)
    newest = heads[row.writer].writer_sequence == row.writer_sequence
    found = findings(path, heads) if newest else findings(path)  # The newest link is known to the anchors only.
    assert [damage for damage, _, _ in found] == [Damage.EDITED]
    assert f"event {sequence} (" in found[0][2]


@pytest.mark.parametrize("sequence", range(1, EVENTS + 1))
def test_every_deleted_record_is_named(path: Path, sequence: int) -> None:
    tamper(path, "DELETE FROM event WHERE sequence = ?", sequence)
    found = findings(path)
    expected = Damage.CUT if sequence == EVENTS else Damage.MISSING
    assert (expected, sequence) in [(damage, at) for damage, at, _ in found]
    assert any(f"event {sequence} is missing" in sentence for _, _, sentence in found)


@pytest.mark.parametrize("kept", range(EVENTS))
def test_every_cut_is_named_even_when_the_counter_was_set_back(path: Path, kept: int) -> None:
    heads = {found.writer: Head(found.writer_sequence, found.hash) for found in rows(path)}
    tamper(path, "DELETE FROM event WHERE sequence > ?", kept)
    (damage, sequence, sentence), *_ = findings(path)
    assert (damage, sequence) == (Damage.CUT, kept + 1) and "missing at the end" in sentence
    tamper(path, "UPDATE sqlite_sequence SET seq = ?", kept)
    assert findings(path) == []  # Nothing in the file tells any more:
    assert {damage for damage, _, _ in findings(path, heads)} == {Damage.CUT}  # the anchors do.


def test_a_journal_that_is_open_knows_its_own_head(path: Path) -> None:
    journal = Journal.open(path, anchor=lambda _: None)
    journal.append(Kind.NOTE, {"text": "mine"})
    tamper(path, "DELETE FROM event WHERE sequence = 9")
    tamper(path, "UPDATE sqlite_sequence SET seq = 8")
    assert [finding.damage for finding in journal.verify().findings] == [Damage.CUT]
    journal.append(Kind.NOTE, {"text": "again"})
    journal.close()
    assert [damage for damage, _, _ in findings(path)] == [Damage.MISSING]


def test_what_another_process_appends_meanwhile_is_not_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, other = (Journal.open(path, anchor=lambda _: None) for _ in range(2))
    read = journal._rows

    def while_another_writes(*what: Any) -> Iterator[Row]:
        other.append(Kind.NOTE, {"text": "before it is read"})
        yield from read(*what)
        other.append(Kind.NOTE, {"text": "after it was read"})

    monkeypatch.setattr(journal, "_rows", while_another_writes)
    assert journal.verify().findings == ()
    monkeypatch.undo()
    assert journal.verify().intact and len(journal.events()) == EVENTS + 2
    journal.close()
    other.close()


@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 5), (1, 7)])
def test_records_that_changed_places_are_named(path: Path, first: int, second: int) -> None:
    for before, after in ((first, 1000), (second, first), (1000, second)):
        tamper(path, "UPDATE event SET sequence = ? WHERE sequence = ?", after, before)
    tamper(path, "UPDATE sqlite_sequence SET seq = ?", EVENTS)
    edited = {sequence for damage, sequence, _ in findings(path) if damage is Damage.EDITED}
    assert {first, second} <= edited


def wreck_middle(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\x00" * 4096 + data[len(data) // 2 + 4096 :]


WRECKS: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda data: data[: len(data) // 2],
    "last page gone": lambda data: data[:-4096],
    "torn within a page": lambda data: data[:-1000],
    "a page of zeros": wreck_middle,
    "garbage at the end": lambda data: data[:-4096] + b"\xff" * 4096,
}


@pytest.mark.parametrize("wreck", WRECKS)
def test_a_torn_file_is_reported_and_never_fatal(path: Path, wreck: str) -> None:
    journal = Journal.open(path, anchor=lambda _: None)
    for number in range(60):
        journal.append(Kind.NOTE, {"text": f"note {number} " + "x" * 2000})
    journal.close()
    path.write_bytes(WRECKS[wreck](path.read_bytes()))
    found = findings(path)
    assert found, "not seen at all"
    assert all(sentence for _, _, sentence in found)


def test_ids_are_uuids_of_version_7_in_the_order_of_making() -> None:
    made = [new_id(1_700_000_000.0 - number / 1000) for number in range(5000)]  # The wall clock runs backwards.
    assert made == sorted(made) and len(set(made)) == 5000
    assert all(len(one) == 36 and one[14] == "7" and one[19] in "89ab" for one in made)
