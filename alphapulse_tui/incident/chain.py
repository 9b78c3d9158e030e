"""The hash chain: what makes an edited, deleted or torn journal visible.

Every writer (one opening of the journal by one process) has a chain of its own: two engineers on one bastion would fork a common one.
Each event carries the hash of the event before it in its chain, and all of them share one gap-free ``sequence``, so a
deleted row is missed twice. What a chain cannot show by itself is the loss of its newest links; for that the file
remembers the last sequence that it gave out, an open journal remembers its own head, and heads are anchored outside
(:mod:`alphapulse_tui.incident.anchor`).

Pure functions, no I/O. Called by :mod:`alphapulse_tui.incident.journal`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import msgspec

GENESIS = "0" * 64
"""The previous hash of a writer's first event."""


class Row(NamedTuple):
    """One event as the file holds it; the payload is JSON text, kept verbatim so that it can be hashed again."""

    sequence: int
    id: str
    writer: str
    writer_sequence: int
    wall: float
    monotonic: float
    actor: str
    incident: str
    kind: str
    payload: str
    previous_hash: str
    hash: str

    def digest(self) -> str:
        """SHA-256, in hex, over everything but ``hash`` itself: what ``hash`` must be."""
        return hashlib.sha256(msgspec.json.encode(self[:-1])).hexdigest()

    def name(self) -> str:
        """The event in words: ``event 12 (note, 2026-11-23 14:02:11Z, ana)``."""
        try:
            when = datetime.fromtimestamp(self.wall, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        except (ValueError, OverflowError, OSError, TypeError):
            when = "no readable time"
        return f"event {self.sequence} ({self.kind}, {when}, {self.actor})"


class Head(NamedTuple):
    """The newest link of one writer's chain."""

    writer_sequence: int
    hash: str


class Damage(Enum):
    """What can be wrong with a journal."""

    EDITED = "edited"
    """A row is not what was written."""
    MISSING = "missing"
    """Rows are gone from the middle."""
    CUT = "cut"
    """Rows are gone from the end."""
    UNREADABLE = "unreadable"
    """The file itself is torn: SQLite cannot read on."""


class ChainFinding(msgspec.Struct, frozen=True):
    """One thing that is wrong, in words that name the event."""

    damage: Damage
    sentence: str
    sequence: int = 0
    """The event concerned, or the first one that is gone."""


class ChainReport(msgspec.Struct, frozen=True):
    """What checking every link said."""

    events: int
    """Events that could be read."""
    writers: int
    heads: dict[str, Head]
    """Newest link by writer: compare with the anchors in syslog."""
    findings: tuple[ChainFinding, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong as far as can be known from here."""
        return not self.findings


_id_lock = threading.Lock()
_last_id = 0


def new_id(wall: float) -> str:
    """A UUID of version 7 for ``wall`` (Unix seconds): sorts by time, and within this process by order of making."""
    global _last_id  # One process must not make two ids of one order.
    with _id_lock:
        stamp = max((int(wall * 1000) & (1 << 48) - 1) << 12, _last_id + 1)
        _last_id = stamp
    noise = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | noise
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class _Chains:
    """Walks the rows in the order of ``sequence`` and keeps what is wrong."""

    def __init__(self) -> None:
        self.last: dict[str, Row] = {}
        self.sequence = 0
        self.events = 0
        self.gone: list[int] = []
        self.findings: list[ChainFinding] = []

    def add(self, damage: Damage, sequence: int, sentence: str) -> None:
        self.findings.append(ChainFinding(damage, sentence, sequence))

    def row(self, row: Row) -> None:
        """Judge one row against itself, the one before it, and the one before it in its chain."""
        self.events += 1
        if row.sequence > self.sequence + 1:
            self.gone.extend(range(self.sequence + 1, row.sequence))
            self.add(
                Damage.MISSING, self.sequence + 1, f"{_span(self.sequence + 1, row.sequence - 1)} before {row.name()}"
            )
        self.sequence = row.sequence
        if row.digest() != row.hash:
            self.add(Damage.EDITED, row.sequence, f"{row.name()} was edited: it does not match its hash")
        before = self.last.get(row.writer)
        if _is_number(row.writer_sequence):  # Otherwise edited, and reported as such.
            self._link(row, before)
            self.last[row.writer] = row

    def _link(self, row: Row, before: Row | None) -> None:
        expected = before.writer_sequence + 1 if before else 1
        previous = before.hash if before else GENESIS
        if row.writer_sequence == expected:
            if row.previous_hash != previous:
                name = before.name() if before else "its writer's first event"
                self.add(Damage.EDITED, row.sequence, f"{row.name()} does not follow {name}: one of them was rewritten")
            return
        since = before.sequence if before else 0
        missing = row.writer_sequence - expected
        if missing < 0 or sum(1 for sequence in self.gone if since < sequence < row.sequence) < missing:
            self.add(
                Damage.MISSING,
                row.sequence,
                f"{row.name()} is number {row.writer_sequence} of {row.writer}, and number {expected} is not there",
            )

    def end(self, issued: int, anchors: Mapping[str, Head]) -> None:
        """Judge the newest links: the last sequence given out, and heads known from elsewhere."""
        if issued > self.sequence:
            self.add(Damage.CUT, self.sequence + 1, f"{_span(self.sequence + 1, issued)} at the end")
        for writer, head in anchors.items():
            last = self.last.get(writer)
            held = last.writer_sequence if last else 0
            if held < head.writer_sequence:
                self.add(
                    Damage.CUT,
                    last.sequence if last else 0,
                    f"{writer} has written {head.writer_sequence} events, and the journal holds {held} of them",
                )
            elif last and held == head.writer_sequence and last.hash != head.hash:
                self.add(
                    Damage.EDITED, last.sequence, f"{last.name()} was rewritten: its hash was anchored as {head.hash}"
                )


def check_chain(rows: Iterable[Row], issued: int = 0, anchors: Mapping[str, Head] | None = None) -> ChainReport:
    """Judge ``rows``, which come in the order of ``sequence``.

    ``issued`` is the last sequence that the file has given out; ``anchors`` are heads known from outside the file.
    """
    chains = _Chains()
    for row in rows:
        chains.row(row)
    chains.end(issued, anchors or {})
    heads = {writer: Head(row.writer_sequence, row.hash) for writer, row in chains.last.items()}
    return ChainReport(chains.events, len(heads), heads, tuple(chains.findings))


def _is_number(value: object) -> bool:
    """SQLite keeps any type in any column, whatever the schema says."""
    return isinstance(value, int)


def _span(first: int, last: int) -> str:
    """``event 3 is missing``, ``events 3 to 5 are missing``."""
    return f"event {first} is missing" if first == last else f"events {first} to {last} are missing"
