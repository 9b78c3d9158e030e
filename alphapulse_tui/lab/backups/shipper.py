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

    def __init__(self, lab: Lab, bucket: Bucket, base: Manifest) -> None:
        """``base``: the oldest base backup in the bucket; segments that end before it are of no use to anybody, and are dropped."""
        self._folder = postgres.archive_folder(lab)
        self._bucket = bucket
        self._version = base.server_version
        self._since = position(base.wal_start)

    async def ship(self) -> None:
        """Ship what is there.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: As boto raises them; the segment stays.
        """
        # Names with a dot in front are still being copied.
        for path in sorted(path for path in self._folder.iterdir() if not path.name.startswith(".")):
            timeline, start, stop = bounds(path.name) or (0, "", "")
            finished = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            if not stop or position(stop) > self._since:
                await self._keep(path, finished, timeline, (start, stop))
            path.unlink()

    async def _keep(self, path: Path, finished: datetime, timeline: int, wal: tuple[str, str]) -> None:
        key = f"wal/{path.name}"
        manifest = described(path, "wal", key, finished, postgres.PRIMARY, self._version, wal=wal, timeline=timeline)
        await self._bucket.keep(path, manifest)
