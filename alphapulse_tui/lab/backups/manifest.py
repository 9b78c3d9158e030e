"""What is said of a backup: the JSON beside its object, and how keys are made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SUFFIX = ".manifest.json"
_TIME = "%Y-%m-%dT%H-%M-%SZ"
_CHUNK_BYTES = 1 << 20


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One backup."""

    kind: str
    """``base``, ``wal``, ``dump``, ``rdb`` or ``raft``."""
    key: str
    """The object's key in the bucket."""
    created: str
    """When the backup was begun: what a restore brings back is at least as new. ISO 8601, UTC."""
    bytes: int
    """Size of the object."""
    sha256: str
    """Of the object, in hexadecimal."""
    source: str
    """The server it was taken from: a pod, or ``postgres-primary``."""
    server_version: str
    """As that server says it."""
    wal_start: str = ""
    """First WAL position that a restore of a base backup needs, or the segment's own; ``0/2000028``."""
    wal_stop: str = ""
    """Position at which a restored base backup is consistent, or the segment's end."""
    timeline: int = 0
    """PostgreSQL's timeline; 0 where there is none."""
    beside: tuple[str, ...] = ()
    """Keys of further objects that belong to it."""
    details: Mapping[str, str] = {}
    """What else a restore must know: a Redis shard's slots, the migration's version of a dump."""


def now() -> datetime:
    """This second, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """A moment as keys have it."""
    return moment.strftime(_TIME)


def described(
    path: Path, kind: str, key: str, created: datetime, source: str, version: str, *,
    wal: tuple[str, str] = ("", ""), timeline: int = 0, beside: tuple[str, ...] = (), details: Mapping[str, str] | None = None,
) -> Manifest:  # fmt: skip
    """The manifest of a file that is to become the object ``key``; reads the file once for its checksum."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum.update(chunk)
    return Manifest(
        kind=kind,
        key=key,
        created=created.isoformat(),
        bytes=path.stat().st_size,
        sha256=checksum.hexdigest(),
        source=source,
        server_version=version,
        wal_start=wal[0],
        wal_stop=wal[1],
        timeline=timeline,
        beside=beside,
        details=details or {},
    )
