"""The bucket, by aioboto3, as the identity ``backup``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import msgspec
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from alphapulse_tui.lab.backups.manifest import SUFFIX, Manifest
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.s3.identities import BUCKET, REGION
from alphapulse_tui.lab.s3.target import NAME, credentials_file

_CONFIG = Config(
    connect_timeout=3, read_timeout=30, retries={"max_attempts": 3, "mode": "standard"}, s3={"addressing_style": "path"}
)
# runbook-facts 10.5: the default queue holds 800 MB on a slow link.
_TRANSFER = TransferConfig(multipart_chunksize=8 << 20, max_concurrency=2, max_io_queue=4)


class Bucket:
    """``alphapulse-backups``; made by :func:`open_bucket`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def keep(self, path: Path, manifest: Manifest, beside: Mapping[str, Path] | None = None) -> None:
        """Upload a backup, see that all of it arrived, and only then its manifest.

        Raises:
            LabError: Less arrived than was sent.
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: As boto raises them.
        """
        for key, file in (beside or {}).items():
            await self._client.upload_file(str(file), BUCKET, key, Config=_TRANSFER)
        await self._client.upload_file(str(path), BUCKET, manifest.key, Config=_TRANSFER)
        arrived = (await self._client.head_object(Bucket=BUCKET, Key=manifest.key))["ContentLength"]
        if arrived != manifest.bytes:
            raise LabError(f"{manifest.key}: {arrived} of {manifest.bytes} bytes arrived in the bucket.")
        await self.put(manifest.key + SUFFIX, msgspec.json.format(msgspec.json.encode(manifest)))

    async def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write a small object."""
        await self._client.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=dict(metadata or {}))

    async def get(self, key: str) -> bytes:
        """Read an object whole."""
        answer = await self._client.get_object(Bucket=BUCKET, Key=key)
        async with answer["Body"] as body:
            return bytes(await body.read())

    async def remove(self, key: str) -> None:
        """Delete an object."""
        await self._client.delete_object(Bucket=BUCKET, Key=key)

    async def keys(self) -> list[str]:
        """The key of every object."""
        found: list[str] = []
        async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            found += [one["Key"] for one in page.get("Contents", ())]
        return found

    async def manifests(self) -> list[Manifest]:
        """Every finished backup, by key."""
        found = [key for key in await self.keys() if key.endswith(SUFFIX)]
        return [msgspec.json.decode(await self.get(key), type=Manifest) for key in found]


@asynccontextmanager
async def open_bucket(lab: Lab) -> AsyncIterator[Bucket]:
    """A client of the lab's bucket, for as long as it is needed. Sets where boto finds its credentials for the whole process."""
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials_file(lab, "backup"))
    address = f"http://127.0.0.1:{lab.ports[NAME]}"
    async with aioboto3.Session().client("s3", endpoint_url=address, region_name=REGION, config=_CONFIG) as client:
        yield Bucket(client)
