"""Ships finished WAL segments from the archive folder to the bucket.

``archive_command`` only copies a file on the same disk: a slow or dead S3 must never hold the primary's WAL back. A segment leaves the
folder when the bucket has it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.backups.bucket import Bucket
from alphapulse_tui.lab.backups.manifest import Manifest, described
from alphapulse_tui.lab.platform import Lab

_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
_SEGMENT_BYTES = postgres.WAL_SEGMENT_MEGABYTES << 20


def position(lsn: str) -> int:
    """A WAL position as a number: ``0/2000028`` is 33554472."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def bounds(name: str) -> tuple[int, str, str] | None:
    """Timeline, first and one-after-last position of a segment by its file's name; none for a file that is no segment."""
    found = _SEGMENT.fullmatch(name)
    if found is None:
        return None
    timeline, high, number = (int(part, 16) for part in found.groups())
    start = (high << 32) + number * _SEGMENT_BYTES
    return timeline, _written(start), _written(start + _SEGMENT_BYTES)


def _written(number: int) -> str:
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


class Shipper:
    """Moves segments, oldest first."""

    def __init__(self, lab: Lab, bucket: Bucket) -> None:
        self._folder = postgres.archive_folder(lab)
        self._bucket = bucket
        self._base: Manifest | None = None

    async def ship(self) -> None:
        """Ship what is there, once the bucket has a base backup on which it could be replayed; until then WAL waits in the folder.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: As boto raises them; the segment stays.
        """
        self._base = self._base or await self._oldest_base()
        if self._base is None:
            return
        # Names with a dot in front are still being copied.
        for path in sorted(path for path in self._folder.iterdir() if not path.name.startswith(".")):
            timeline, start, stop = bounds(path.name) or (0, "", "")
            finished = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            # What ends before the oldest base backup is of no use to anybody.
            if not stop or position(stop) > position(self._base.wal_start):
                await self._keep(path, finished, self._base.server_version, timeline, (start, stop))
            path.unlink()

    async def _oldest_base(self) -> Manifest | None:
        bases = [one for one in await self._bucket.manifests() if one.kind == "base"]
        return min(bases, key=lambda one: one.created, default=None)

    async def _keep(self, path: Path, finished: datetime, version: str, timeline: int, wal: tuple[str, str]) -> None:
        key = f"wal/{path.name}"
        manifest = described(path, "wal", key, finished, postgres.PRIMARY, version, wal=wal, timeline=timeline)
        await self._bucket.keep(path, manifest)
