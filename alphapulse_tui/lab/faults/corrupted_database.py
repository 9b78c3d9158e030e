"""``corrupted-database``: a page of table ``trade_audit`` is damaged on the primary's disk.

What breaks: 64 bytes in the middle of the table's second page are overwritten in its file, after the server was made to forget its copy of
the table in memory (``pg_buffercache_evict``), so that the next read comes from the disk.

How it shows: reading the table fails with SQLSTATE XX001, "invalid page in block 1"; checksum failures in ``pg_stat_database``; pg_dump and
``pg_basebackup`` fail or warn; the replica's copy is whole.

What mends it: a restore to the moment before (runbook 5.1), or the table from the replica or the dump. ``lab mend`` writes the page back, if it
is still the damaged one.
"""

from __future__ import annotations

from pathlib import Path

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

TABLE = "trade_audit"
_PAGE_BYTES = 8192
_BLOCK = 1
_FORGET = (
    "SELECT count(*) FILTER (WHERE pg_buffercache_evict(bufferid)) FROM pg_buffercache "
    f"WHERE relfilenode = pg_relation_filenode('{TABLE}') "
    "AND reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Evicting writes a changed page to the file first."""
_DAMAGE_AT, _DAMAGE_BYTES = 4000, 64


class CorruptedDatabase:
    """See the module."""

    name = "corrupted-database"
    summary = f"A page of PostgreSQL's table {TABLE} is damaged on disk: reading it fails."
    mended_by = "a restore to the moment before (runbook 5.1)"
    parameters = ()

    def __init__(self) -> None:
        self._file = Path()
        self._whole = self._damaged = b""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Damage the page and see that reading fails.

        Raises:
            LabError: There is no such table, or it can still be read afterwards.
        """
        import asyncpg

        async with superuser(lab) as connection:
            await connection.execute(
                f"CREATE EXTENSION IF NOT EXISTS pg_buffercache; {_FORGET}; DROP EXTENSION pg_buffercache"
            )
            place = await connection.fetchval("SELECT pg_relation_filepath($1::regclass)", TABLE)
            self._file = postgres.home(lab) / postgres.PRIMARY / str(place)
            self._whole = _read(self._file)
            middle = bytes(byte ^ 0xFF for byte in self._whole[_DAMAGE_AT : _DAMAGE_AT + _DAMAGE_BYTES])
            self._damaged = self._whole[:_DAMAGE_AT] + middle + self._whole[_DAMAGE_AT + _DAMAGE_BYTES :]
            _write(self._file, self._damaged)
            try:
                await connection.fetchval(f"SELECT count(note) FROM {TABLE}")
            except asyncpg.DataCorruptedError as error:
                return f"PostgreSQL: {error}"
        raise LabError(f"{TABLE} is read from memory: the damage on disk does not show.")

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Write the page back unless somebody has put another in its place."""
        del lab
        if self._damaged and self._file.exists() and _read(self._file) == self._damaged:
            _write(self._file, self._whole)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(_BLOCK * _PAGE_BYTES)
        return opened.read(_PAGE_BYTES)


def _write(file: Path, page: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(_BLOCK * _PAGE_BYTES)
        opened.write(page)


FAULT = CorruptedDatabase()
