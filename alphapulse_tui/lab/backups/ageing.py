"""Makes every backup in the bucket older: ``python -m alphapulse_tui.lab.backups.ageing DAYS``.

What a backup says of itself moves back in time: the date in its key, ``created`` in its manifest, and the object's own last-modified
(the lab's server takes that with an upload). Its content stays: it is a real backup, only not a recent one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from alphapulse_tui.lab.backups.bucket import Bucket, open_bucket
from alphapulse_tui.lab.backups.manifest import SUFFIX, Manifest, stamp
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.s3.identities import LAST_MODIFIED
from alphapulse_tui.lab.workloads.output import say


async def age(bucket: Bucket, manifest: Manifest, by: timedelta) -> None:
    """Move one backup back in time."""
    created = datetime.fromisoformat(manifest.created)
    moment = (created - by).isoformat()

    def moved(key: str) -> str:
        return key.replace(stamp(created), stamp(created - by))

    older = msgspec.structs.replace(
        manifest, key=moved(manifest.key), created=moment, beside=tuple(map(moved, manifest.beside))
    )
    for key in (manifest.key, *manifest.beside):
        body = await bucket.get(key)
        await bucket.put(moved(key), body, {LAST_MODIFIED: moment})
        if moved(key) != key:
            await bucket.remove(key)
    encoded = msgspec.json.format(msgspec.json.encode(older))
    await bucket.put(older.key + SUFFIX, encoded, {LAST_MODIFIED: moment})
    if older.key != manifest.key:
        await bucket.remove(manifest.key + SUFFIX)


async def _age_all(days: int) -> None:
    lab = Lab(LabDirectory(Path(os.environ["LAB_DIRECTORY"])))
    async with open_bucket(lab) as bucket:
        found = await bucket.manifests()
        named = {key for one in found for key in (one.key, *one.beside, one.key + SUFFIX)}
        # An upload that was cut off with the agent: no backup, and as such not old either.
        for key in set(await bucket.keys()) - named:
            await bucket.remove(key)
        for manifest in found:
            await age(bucket, manifest, timedelta(days=days))
    say("INFO", f"{len(found)} backups are {days} days older")


if __name__ == "__main__":
    asyncio.run(_age_all(int(sys.argv[1])))
