"""An S3 client that shares no code with the lab's: boto3, with a credentials file of the lab."""

from __future__ import annotations

import configparser
import functools
import json
from typing import Any

import boto3
from botocore.config import Config

from tests.lab_handle import LabHandle

BUCKET = "alphapulse-backups"


def client(lab: LabHandle, who: str = "oncall", secret: str = "") -> Any:
    """A client with the keys that the lab gave ``who``; ``secret`` replaces the secret one."""
    keys = configparser.ConfigParser()
    keys.read_string(lab.secret(f"aws-{who}").read_text())
    mine = keys["default"]
    return _client(lab.ports["s3"], mine["aws_access_key_id"], secret or mine["aws_secret_access_key"])


@functools.cache
def _client(port: int, access_key: str, secret: str) -> Any:
    """One for each key: making one takes longer than a hundred requests."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(connect_timeout=3, read_timeout=30, retries={"max_attempts": 1}),
    )


def read(lab: LabHandle, key: str) -> bytes:
    """An object's content."""
    return _read(client(lab), key)


def _read(reader: Any, key: str) -> bytes:
    with reader.get_object(Bucket=BUCKET, Key=key)["Body"] as body:
        return bytes(body.read())


def objects(lab: LabHandle) -> dict[str, Any]:
    """Every object by its key, as a listing has it."""
    listed = client(lab).list_objects_v2(Bucket=BUCKET)
    assert not listed["IsTruncated"]
    return {one["Key"]: one for one in listed.get("Contents", ())}


def manifests(lab: LabHandle) -> list[dict[str, Any]]:
    """Every manifest."""
    reader = client(lab)
    return [json.loads(_read(reader, key)) for key in objects(lab) if key.endswith(".manifest.json")]
