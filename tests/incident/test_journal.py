"""The journal as everybody uses it, and every reason for which it may refuse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from enum import Enum
from pathlib import Path

import msgspec
import pytest

from alphapulse_tui.actor import actor_name
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.journal_file import SCHEMA_VERSION, file_system, is_network
from alphapulse_tui.model.plan import Outcome
from alphapulse_tui.redact import forget_secrets, remember_secret


def open_journal(path: Path, actor: str = "ana") -> Journal:
    return Journal.open(path, actor=actor, anchor=lambda _: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


def test_what_was_appended_is_read_back_by_everybody(path: Path) -> None:
    one, two = open_journal(path), open_journal(path, "ben")
    first = one.append(Kind.NOTE, {"text": "lines\nstay\tlines", "n": 1.5, "none": None}, "INC-0001")
    second = two.append(Kind.OUTCOME, {"outcome": Outcome.UNKNOWN, "pairs": (1, 2)})
    third = one.append(Kind.NOTE, {"text": "again"}, "INC-0002")
    assert one.events() == two.events() == [first, second, third]
    assert (first.payload, second.payload) == (
        {"text": "lines\nstay    lines", "n": 1.5, "none": None},
        {"outcome": "unknown", "pairs": [1, 2]},
    )
    assert [event.sequence for event in (first, second, third)] == [1, 2, 3]
    assert [event.writer_sequence for event in (first, second, third)] == [1, 1, 2]
    assert third.previous_hash == first.hash and first.writer == third.writer != second.writer
    assert two.events(incident="INC-0001") == [first] and two.events(after=1, kinds=[Kind.NOTE]) == [third]
    assert one.last_sequence() == 3
    one.close()
    two.close()
    again = open_journal(path)
    assert again.events() == [first, second, third] and again.verify().intact
    again.close()


def test_order_within_a_mapping_is_kept(path: Path) -> None:
    journal = open_journal(path)
    journal.append(Kind.VERIFIED, {"after": {"slots used": "1", "idle": "2", "a": "3"}})
    assert list(journal.events()[0].payload["after"]) == ["slots used", "idle", "a"]
    journal.close()


def test_secrets_and_control_codes_never_get_in(path: Path) -> None:
    remember_secret("correct-horse")
    journal = open_journal(path)
    texts = {
        "text": "user correct-horse said \x1b[2J",
        "deep": [{"url": "postgres://a:hunter2@db/x"}],
        "correct-horse": "key",
    }
    journal.append(Kind.NOTE, texts)
    journal.close()
    forget_secrets()
    data = path.read_bytes()
    assert b"correct-horse" not in data and b"hunter2" not in data and b"\x1b[2J" not in data
    assert b"(redacted)" in data and b"\\\\x1b[2J" in data


def test_it_is_for_its_owner_only(path: Path) -> None:
    journal = open_journal(path)
    journal.append(Kind.NOTE, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    journal.close()
    path.chmod(0o644)
    open_journal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = sqlite3.connect(path)
    assert settings.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    settings.close()


def test_every_commit_is_synced_before_it_is_said(path: Path) -> None:
    journal = open_journal(path)
    connection = journal._writer_connection
    assert connection is not None and connection.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    journal.append(Kind.NOTE, {"text": "x"})
    assert statements[0] == "BEGIN IMMEDIATE" and statements[-1] == "COMMIT" and not connection.in_transaction
    journal.close()


def test_threads_share_it(path: Path) -> None:
    journal = open_journal(path)
    threads = [threading.Thread(target=journal.append, args=(Kind.NOTE, {"n": n})) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event.payload["n"] for event in journal.events()) == list(range(20))
    assert journal.verify().intact
    journal.close()


async def test_a_follower_hears_of_another_process(path: Path) -> None:
    journal = open_journal(path)
    await journal.record(Kind.NOTE, {"text": "old"})
    heard: asyncio.Queue[Event] = asyncio.Queue()

    async def follow() -> None:
        async for event in journal.follow(interval=0.05):
            heard.put_nowait(event)

    task = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        assert (await heard.get()).payload == {"text": "old"}
        script = "import sys; from alphapulse_tui.incident.journal import *; from alphapulse_tui.incident.events import Kind; "
        script += "Journal.open(sys.argv[1], anchor=print).append(Kind.NOTE, {'text': 'from elsewhere'})"
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path))
        assert (await heard.get()).payload == {"text": "from elsewhere"}
        await journal.record(Kind.NOTE, {"text": "mine"})
        assert (await heard.get()).payload == {"text": "mine"}
        assert await other.wait() == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    journal.close()


async def test_what_waits_to_be_written_is_written_though_its_caller_is_cancelled(path: Path) -> None:
    journal = open_journal(path)
    with journal._write_lock:
        first = asyncio.create_task(journal.record(Kind.NOTE, {"text": "first"}))
        second = asyncio.create_task(journal.record(Kind.NOTE, {"text": "second"}))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    await first
    journal.close()
    again = open_journal(path)
    assert second.cancelled() and [event.payload["text"] for event in again.events()] == ["first", "second"]
    again.close()


def test_kinds_of_a_newer_version_stay_as_they_are(path: Path) -> None:
    journal = open_journal(path)
    journal.append(Kind("handed_over"), {"to": "ben"})
    (event,) = journal.events()
    assert event.kind.value == "handed_over" and not event.kind.known and event.kind is Kind("handed_over")
    assert Kind.NOTE.known and event.kind not in list(Kind)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    assert journal.verify().intact
    journal.close()


def test_a_file_of_a_newer_version_is_shown_and_not_written(path: Path) -> None:
    journal = open_journal(path)
    journal.append(Kind.NOTE, {"text": "x"})
    journal.close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.execute("ALTER TABLE event ADD COLUMN shipped INTEGER")
    newer.commit()
    newer.close()
    journal = open_journal(path)
    assert len(journal.events()) == 1 and journal.verify().intact
    with pytest.raises(JournalUnavailable, match="newer version"):
        journal.append(Kind.NOTE, {})
    journal.close()


def test_the_head_is_anchored_outside(path: Path) -> None:
    lines: list[str] = []
    journal = Journal.open(path, anchor=lines.append)
    for _ in range(101):
        event = journal.append(Kind.NOTE, {})
    journal.close()
    assert len(lines) == 2 and " event 100 sha256 " in lines[0]
    assert lines[1].endswith(f"writer {event.writer} event 101 sha256 {event.hash}")


def test_a_full_disk_gets_the_ballast_back_once_and_loses_nothing(path: Path) -> None:
    journal = open_journal(path)
    ballast = path.with_name("journal.sqlite.ballast")
    assert ballast.stat().st_size == 1024 * 1024
    kept = journal.append(Kind.NOTE, {"text": "kept"})
    assert journal._writer_connection is not None
    pages = journal._writer_connection.execute("PRAGMA page_count").fetchone()[0]
    journal._writer_connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalUnavailable, match="is full: free some space"):
        journal.append(Kind.NOTE, {"text": "x" * 100_000})
    assert not ballast.exists() and "reserve has been freed" in journal.warning and "is full" in journal.problem
    assert journal.events() == [kept]
    journal._writer_connection.execute("PRAGMA max_page_count = 100000")
    journal.append(Kind.NOTE, {"text": "space again"})
    assert journal.problem == "" and journal.verify().intact
    journal.close()


SMALL_DISK = """
import sys
import tempfile
from pathlib import Path
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident import journal_file
journal_file.BALLAST_AGAIN_BYTES = 0
journal = Journal.open(Path(sys.argv[1]) / "j" / "journal.sqlite", anchor=lambda _: None)
said, warned_at = 0, 0
try:
    while said < 2000:
        journal.append(Kind.NOTE, {"text": "x" * 20000})
        said += 1
        warned_at = warned_at or (said if journal.warning else 0)
except JournalUnavailable as problem:
    print(problem.sentence)
report = journal.verify()
print(said, warned_at, len(journal.events()), report.intact)
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 3 MiB in a mount namespace of its own."""
    script = f'mount -t tmpfs -o size=3m none "{tmp_path}" && exec "{sys.executable}" -c "$0" "{tmp_path}"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", script, SMALL_DISK],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sentence, figures = done.stdout.splitlines()
    said, warned_at, there, intact = figures.split()
    assert "is full: free some space" in sentence
    assert (
        int(said) == int(there) > int(warned_at) > 10 and intact == "True"
    )  # After the ballast there was room for more.


READ_ONLY = """
import os, sys
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
if os.getuid() == 0:
    os.setuid(65534)
journal = Journal.open(sys.argv[1], anchor=lambda _: None)
print(len(journal.events()), journal.verify().intact)
try:
    journal.append(Kind.NOTE, {"text": "x"})
except JournalUnavailable as problem:
    print(problem.sentence)
print(journal.problem)
"""


def test_a_read_only_journal_is_shown_and_not_written(tmp_path: Path) -> None:
    """As another user: root may write whatever the mode says."""
    folder = Path(tempfile.gettempdir()) / f"alphapulse-test-{os.getpid()}"
    path = folder / "journal.sqlite"
    journal = open_journal(path)
    journal.append(Kind.NOTE, {"text": "x"})
    journal.close()
    try:
        path.chmod(0o400)
        folder.chmod(0o500)
        if os.getuid() == 0:
            for one in (folder, path):
                os.chown(one, 65534, -1)
        done = subprocess.run([sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        figures, sentence, problem = done.stdout.splitlines()
        assert figures == "1 True"
        assert "cannot be written: it, its folder or its disk is read-only" in sentence and problem == sentence
    finally:
        folder.chmod(0o700)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_a_lock_that_is_never_released_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphapulse_tui.incident.journal_file.BUSY_SECONDS", 0.1)
    journal = open_journal(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalUnavailable, match=r"another process has held the journal .* for 0.1 s"):
        journal.append(Kind.NOTE, {})
    with pytest.raises(JournalUnavailable, match="another process has held"):
        journal.events()
    other.execute("ROLLBACK")
    journal.append(Kind.NOTE, {})
    other.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="is closed"):
        journal.append(Kind.NOTE, {})
    with pytest.raises(JournalUnavailable, match="is closed"):
        journal.events()


def test_what_is_no_journal_is_said_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    folder.mkdir(mode=0o700)
    file = folder / "journal.sqlite"
    file.write_text("a letter to a friend " * 400)
    with pytest.raises(JournalUnavailable, match=r"is damaged \(file is not a database\)"):
        open_journal(file)
    with pytest.raises(JournalUnavailable, match="cannot make the folder"):
        open_journal(file / "journal.sqlite")


class Place(Enum):
    LOCAL = "ext4 xfs btrfs tmpfs overlay zfs fuse.fuse-overlayfs fuseblk"
    NETWORK = "nfs nfs4 cifs smb3 9p ceph fuse.sshfs fuse.s3fs fuse lustre"


@pytest.mark.parametrize("place", Place)
def test_network_file_systems_are_told_from_local_ones(place: Place) -> None:
    assert {is_network(kind) for kind in place.value.split()} == {place is Place.NETWORK}


def test_the_nearest_mount_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 0:1 / / rw - overlay overlay rw\n"
        f"2 1 0:2 / {tmp_path} rw shared:1 - ext4 /dev/vda rw\n"
        f"3 2 0:3 / {tmp_path}/my\\040home rw - nfs4 server:/home rw\n"
        "broken line\n"
    )
    assert file_system(tmp_path / "a" / "b", table) == "ext4"
    assert file_system(tmp_path / "my home" / "j", table) == "nfs4"
    assert file_system(Path("/"), table) == "overlay"
    assert file_system(Path("/"), tmp_path / "none") == ""
    monkeypatch.setattr("alphapulse_tui.incident.journal_file.file_system", lambda path: "nfs4")
    with pytest.raises(JournalUnavailable, match=r"on a network file system \(nfs4\).*ALPHAPULSE_STATE"):
        open_journal(tmp_path / "x" / "journal.sqlite")
    assert not (tmp_path / "x" / "journal.sqlite").exists()


def test_the_actor_is_the_login_and_the_login_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    login = actor_name()
    monkeypatch.setenv("SUDO_USER", "ana\x1b")
    assert actor_name() == f"{login} (ana\\x1b by sudo)"
