"""The journal: append-only events that are on disk before anybody says so. Timeline, audit log and resume state in one.

Concurrency first. Any number of processes and threads append to one file; SQLite's write lock orders them, so ``sequence`` is the order of
commits and a reader that asks for "everything after N" misses nothing. Inside a process there are two connections with a lock each: a
writer that waits (up to 10 s) for another process never holds up a reader. Coroutines use :meth:`Journal.record` and
:meth:`Journal.read`, which run on one private thread each; blocking code uses :meth:`Journal.append` and :meth:`Journal.events`.

What is written is redacted and clean, so whatever is derived from it is too. Failing to write raises
:class:`JournalUnavailable`; damage found while reading is reported by :meth:`Journal.verify` and is never fatal.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import msgspec

from alphapulse_tui.actor import actor_name
from alphapulse_tui.incident.anchor import EVERY_EVENTS, anchor_line, to_syslog
from alphapulse_tui.incident.chain import GENESIS, ChainFinding, ChainReport, Damage, Head, Row, check_chain, new_id
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal_file import (
    COLUMNS,
    SCHEMA_VERSION,
    JournalFile,
    JournalUnavailable,
    is_damaged,
    is_full,
)
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean, clean_lines

__all__ = ["FOLLOW_SECONDS", "Journal", "JournalUnavailable", "since_boot"]

FOLLOW_SECONDS = 0.5
"""How often a follower asks whether another process has written: one PRAGMA, no page is read when nothing has changed."""

_openings = itertools.count(1)
"""Tells two openings in the same process and nanosecond apart."""


def since_boot() -> float:
    """Seconds since boot, suspend included where the system can say so."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Journal:
    """One environment's journal, opened by one process: one writer, one hash chain. Made by :meth:`open`."""

    def __init__(
        self,
        file: JournalFile,
        actor: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        anchor: Callable[[str], None],
    ) -> None:
        self.path = file.path
        self.actor = actor
        self.writer = f"{clean(platform.node() or 'localhost', 128)}:{os.getpid()}:{time.time_ns():x}.{next(_openings)}"
        """Host, process and start."""
        self.warning = ""
        """A sentence about the disk, or empty: for a banner."""
        self.problem = ""
        """Why this journal cannot be written, or empty. Set at opening or by the last failed append."""
        self.damage = ""
        """Why the last reading ended early, or empty: what is locked is not known for certain then."""
        self._file = file
        self._clock, self._monotonic, self._anchor = clock, monotonic, anchor
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._write_thread = ThreadPoolExecutor(1, "journal writer")
        self._read_thread = ThreadPoolExecutor(1, "journal reader")
        self._writer_connection: sqlite3.Connection | None = None
        self._reader_connection: sqlite3.Connection | None = None
        self._head: Row | None = None
        self._doubtful: Row | None = None
        self._refusal = ""
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        actor: str | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = since_boot,
        anchor: Callable[[str], None] = to_syslog,
    ) -> Self:
        """Open the journal at ``path``, or begin it (mode 0600, its folder 0700).

        A journal that can be read but not written opens, with :attr:`problem` set: viewing goes on. ``actor`` is who acts
        (default :func:`actor_name`), ``clock`` gives Unix seconds, ``anchor`` takes one line with the chain's head.

        Raises:
            JournalUnavailable: it can be neither read nor begun: network file system, no permission, full disk, no journal at all.
        """
        file = JournalFile(Path(path))
        file.prepare()
        journal = cls(file, actor_name() if actor is None else clean(actor, 128), clock, monotonic, anchor)
        try:
            journal._connect()
        except sqlite3.Error as error:
            journal.close()
            raise file.unopened(error, damaged=bool(journal._refusal)) from None
        return journal

    def _connect(self) -> None:
        try:
            self._reader_connection = self._file.connect()
            self._writer_connection = self._file.connect()
            version = self._file.create_schema(self._writer_connection)
            # A connection that has seen no table yet says "no such table" while another process holds the lock.
            self._reader_connection.execute("SELECT sequence FROM event LIMIT 1").fetchone()
        except sqlite3.Error as error:
            self.problem = self._file.sentence(error)
            if is_damaged(error):
                self._refusal = self.problem
                self._reconnect_to_damaged()
            if self._reader_connection is None:
                raise
            self._reader_connection.execute("SELECT sequence FROM event LIMIT 1")  # No table: nothing to view.
            return
        if version > SCHEMA_VERSION:
            self._refusal = self.problem = (
                f"the journal {clean(self.path)} was written by a newer version (schema {version}, here {SCHEMA_VERSION}): "
                "it is shown and not written to; update this program"
            )
        else:
            self.warning = self._file.lay_up_ballast()

    def _reconnect_to_damaged(self) -> None:
        for connection in (self._reader_connection, self._writer_connection):
            if connection is not None:
                connection.close()
        self._reader_connection = self._file.connect_to_damaged()
        self._writer_connection = self._file.connect_to_damaged()

    def append(self, kind: Kind, payload: Mapping[str, Any], incident: str = "") -> Event:
        """Write one event and return it once it is synced to disk. Blocks, at most 10 s for other writers; any thread may call it.

        ``payload`` may hold structs, enums and tuples; it comes back as JSON's own types, redacted and clean.

        Raises:
            JournalUnavailable: not written.
        """
        text = msgspec.json.encode(_safe(msgspec.to_builtins(payload, str_keys=True))).decode()
        with self._write_lock:
            if self._closed or self._writer_connection is None:
                raise JournalUnavailable(f"the journal {clean(self.path)} is closed")
            if self._refusal:
                raise JournalUnavailable(self._refusal)
            try:
                row = self._write(self._writer_connection, kind, text, clean(incident, 64))
            except sqlite3.Error as error:
                self.problem = self._file.sentence(error)
                raise JournalUnavailable(self.problem) from None
            self.problem = ""
            self._head, self._doubtful = row, None
            if row.writer_sequence % EVERY_EVENTS == 0:
                self._say_head(row)
        return _event(row)

    def _write(self, connection: sqlite3.Connection, kind: Kind, payload: str, incident: str) -> Row:
        """One transaction; a full disk gets the ballast back and one more try."""
        try:
            return self._insert(connection, kind, payload, incident)
        except sqlite3.Error as error:
            if not is_full(error) or not self._file.free_ballast():
                raise
        self.warning = "the journal's disk was full: its 1 MiB reserve has been freed; free some space now"
        return self._insert(connection, kind, payload, incident)

    def _insert(self, connection: sqlite3.Connection, kind: Kind, payload: str, incident: str) -> Row:
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = self._known_head(connection)
            issued = _issued(connection)
            wall = float(self._clock())
            row = Row(
                issued + 1, new_id(wall), self.writer, head.writer_sequence + 1 if head else 1, wall, float(self._monotonic()),
                self.actor, incident, kind.value, payload, head.hash if head else GENESIS, "",
            )  # fmt: skip
            row = row._replace(hash=row.digest())
            self._doubtful = row
            connection.execute(f"INSERT INTO event ({COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:  # SQLite has rolled back by itself when the disk is full.
                connection.execute("ROLLBACK")
        return row

    def _known_head(self, connection: sqlite3.Connection) -> Row | None:
        """Our newest event. Remembered rather than read, so that a deleted tail shows as a gap.

        A commit that failed in its very last sync may stand all the same: then that event is our head.
        """
        doubtful = self._doubtful
        if doubtful is not None and connection.execute("SELECT 1 FROM event WHERE id = ?", (doubtful.id,)).fetchone():
            return doubtful
        return self._head

    async def record(self, kind: Kind, payload: Mapping[str, Any], incident: str = "") -> Event:
        """:meth:`append` on the journal's writer thread. A caller that is cancelled meanwhile does not undo it.

        It may still wait behind another one then: without the shield it would be taken out of the queue and never be written.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._write_thread, self.append, kind, payload, incident))

    def events(self, after: int = 0, incident: str | None = None, kinds: Collection[Kind] | None = None) -> list[Event]:
        """Events with a sequence greater than ``after``, in the order of writing, of every process that writes here.

        Of a damaged file, what can be read up to the damage; :meth:`verify` says what is wrong.

        Raises:
            JournalUnavailable: it cannot be read now: locked for more than 10 s, or closed.
        """
        where: list[str] = ["sequence > ?"]
        values: list[int | str] = [after]
        if incident is not None:
            where, values = [*where, "incident = ?"], [*values, incident]
        if kinds is not None:
            where, values = [*where, f"kind IN ({', '.join('?' * len(kinds))})"], [*values, *(k.value for k in kinds)]
        torn: list[sqlite3.Error] = []
        found = [_event(row) for row in self._rows(" AND ".join(where), values, torn)]
        if torn:
            self.damage = self._file.sentence(torn[0])
            if not is_damaged(torn[0]):  # Locked, for instance: an empty list would look like an empty journal.
                raise JournalUnavailable(self.damage)
        else:
            self.damage = ""
        return found

    async def read(
        self, after: int = 0, incident: str | None = None, kinds: Collection[Kind] | None = None
    ) -> list[Event]:
        """:meth:`events` on the journal's reader thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_thread, self.events, after, incident, kinds)

    async def follow(self, after: int = 0, interval: float = FOLLOW_SECONDS) -> AsyncIterator[Event]:
        """Every event after ``after``, then every new one, whoever writes it, within ``interval`` seconds; never ends by itself."""
        loop = asyncio.get_running_loop()
        version = -1
        while True:
            now = await loop.run_in_executor(self._read_thread, self._data_version)
            if now != version:
                version = now
                for event in await self.read(after):
                    after = event.sequence
                    yield event
            await asyncio.sleep(interval)

    def _data_version(self) -> int:
        with self._read_lock:
            try:
                return int(self._reading().execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise JournalUnavailable(self._file.sentence(error)) from None

    def last_sequence(self) -> int:
        """Sequence of the newest event, 0 in an empty journal."""
        with self._read_lock:
            try:
                found = self._reading().execute("SELECT max(sequence) FROM event").fetchone()[0]
            except sqlite3.Error as error:
                raise JournalUnavailable(self._file.sentence(error)) from None
        return int(found or 0)

    def verify(self, anchors: Mapping[str, Head] | None = None) -> ChainReport:
        """Check every link of every chain. Names each event that was edited and each that is gone; never raises for damage.

        ``anchors`` are heads known from outside (syslog). The head that this journal remembers itself is always checked.
        """
        known = dict(anchors or {})
        with self._write_lock:
            if self._head is not None:
                known[self.writer] = Head(self._head.writer_sequence, self._head.hash)
        wrong: list[str] = []
        issued = 0
        with self._read_lock:
            try:
                issued = _issued(self._reading())  # Before the rows: another process may append meanwhile.
                wrong += self._file.check(self._reading())
            except sqlite3.Error as error:
                wrong.append(clean(error))
        torn: list[sqlite3.Error] = []
        rows = list(self._rows("1", [], torn))
        last = rows[-1] if rows else None
        wrong += [f"it cannot be read {f'after {last.name()}' if last else 'at all'}: {clean(error)}" for error in torn]
        report = check_chain(rows, issued, known)
        torn_at = last.sequence if last and torn else 0
        findings = tuple(ChainFinding(Damage.UNREADABLE, f"the file is damaged: {said}", torn_at) for said in wrong)
        return msgspec.structs.replace(report, findings=(*findings, *report.findings))

    def close(self) -> None:
        """Anchor the head and let go of the file. What :meth:`record` was asked before is written first."""
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        with self._write_lock, self._read_lock:
            if not self._closed and self._head is not None:
                self._say_head(self._head)
            self._closed = True
            for connection in (self._writer_connection, self._reader_connection):
                if connection is not None:
                    connection.close()
            self._writer_connection = self._reader_connection = None

    def _say_head(self, row: Row) -> None:
        self._anchor(anchor_line(clean(self.path), row.writer, row.writer_sequence, row.hash))

    def _reading(self) -> sqlite3.Connection:
        if self._reader_connection is None:
            raise JournalUnavailable(f"the journal {clean(self.path)} is closed")
        return self._reader_connection

    def _rows(self, where: str, values: Sequence[int | str], torn: list[sqlite3.Error]) -> Iterator[Row]:
        """Rows up to the end or up to where the file is torn, which is put into ``torn``."""
        with self._read_lock:
            connection = self._reading()
            try:
                for row in connection.execute(f"SELECT {COLUMNS} FROM event WHERE {where} ORDER BY sequence", values):
                    yield Row._make(row)
            except sqlite3.Error as error:
                torn.append(error)


def _issued(connection: sqlite3.Connection) -> int:
    """The last sequence that the file has given out, deleted rows included."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return int(found[0]) if found else 0


def _event(row: Row) -> Event:
    """The event of a row, damaged or not."""
    try:
        payload = msgspec.json.decode(row.payload)
    except (msgspec.DecodeError, TypeError):
        payload = None
    if not isinstance(payload, dict):
        payload = {"unreadable": clean(row.payload)}
    return Event(
        row.id, row.sequence, row.writer, int(_number(row.writer_sequence)), _number(row.wall), _number(row.monotonic),
        row.actor, row.incident, Kind(str(row.kind)), payload, row.previous_hash, row.hash,
    )  # fmt: skip


def _number(value: object) -> float:
    """A number whatever stands there: SQLite keeps any type in any column, and an edited row must not end the reading."""
    return value if isinstance(value, int | float) else 0.0


def _safe(value: Any) -> Any:
    """``value`` with every text redacted and clean; lines stay lines."""
    if isinstance(value, str):
        return "\n".join(clean_lines(redact(value)))
    if isinstance(value, dict):
        return {clean(redact(str(key))): _safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    return value
