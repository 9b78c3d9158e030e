"""What lies in the bucket can be restored: seen with boto3, PostgreSQL's own tools, redis-cli's and Vault's file formats."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.backups.shipper import bounds, position
from tests.lab import s3
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

KINDS = {"base", "wal", "dump", "rdb", "raft"}


@pytest.fixture
def backed_up(whole_lab: LabHandle) -> LabHandle:
    """The lab once the first round of backups is in the bucket."""
    whole_lab.wait("s3")
    wait_until(lambda: {one["kind"] for one in s3.manifests(whole_lab)} == KINDS, 180, "one backup of each kind")
    return whole_lab


def newest(lab: LabHandle, kind: str) -> dict[str, Any]:
    return max((one for one in s3.manifests(lab) if one["kind"] == kind), key=lambda one: str(one["created"]))


def tool(name: str, *arguments: str) -> str:
    """Run one of PostgreSQL's tools; its output."""
    done = subprocess.run(
        [str(postgres.installed_programs() / name), *arguments], env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_every_object_is_what_its_manifest_says(backed_up: LabHandle) -> None:
    for manifest in s3.manifests(backed_up):
        content = s3.read(backed_up, manifest["key"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (manifest["bytes"], manifest["sha256"])
        assert manifest["created"].endswith("+00:00")
        assert manifest["source"]
        assert manifest["server_version"].split(".")[0] in ("17", "9", "2")

    def unnamed() -> set[str]:
        kept = {key for key in s3.objects(backed_up) if not key.endswith(".manifest.json")}
        return kept - {key for one in s3.manifests(backed_up) for key in (one["key"], *one.get("beside", ()))}

    # A segment that is just being shipped has its manifest a moment later.
    wait_until(lambda: not unnamed(), 10, "every object to have a manifest")


def test_a_base_backup_and_the_wal_of_the_bucket_are_whole(backed_up: LabHandle, tmp_path: Path) -> None:
    base = newest(backed_up, "base")
    data, wal = tmp_path / "data", tmp_path / "wal"
    data.mkdir()
    wal.mkdir()
    with tarfile.open(fileobj=io.BytesIO(s3.read(backed_up, base["key"]))) as archive:
        archive.extractall(data, filter="data")
    (data / "backup_manifest").write_bytes(s3.read(backed_up, base["beside"][0]))
    segments = [key for key in s3.objects(backed_up) if key.startswith("wal/") and bounds(key[4:])]
    for key in segments:
        (wal / key[4:]).write_bytes(s3.read(backed_up, key))
    assert "backup successfully verified" in tool("pg_verifybackup", f"--wal-directory={wal}", str(data))
    records = tool("pg_waldump", "-p", str(wal), "-s", base["wal_start"], "-e", base["wal_stop"])
    assert "BACKUP_END" in records
    assert "rmgr: XLOG" in records
    damaged = data / "global" / "pg_control"
    damaged.write_bytes(damaged.read_bytes()[::-1])
    with pytest.raises(subprocess.CalledProcessError):
        tool("pg_verifybackup", f"--wal-directory={wal}", str(data))


def test_a_dump_reads_whole_and_knows_its_migration(backed_up: LabHandle, tmp_path: Path) -> None:
    dump = newest(backed_up, "dump")
    file = tmp_path / "dump"
    file.write_bytes(s3.read(backed_up, dump["key"]))
    assert "TABLE DATA public trades" in tool("pg_restore", "--list", str(file))
    tool("pg_restore", "-f", os.devnull, str(file))  # runbook-facts 3.4: only a full read proves it
    assert dump["details"]["alembic_version"] == "b7e24c9d0f13"
    assert dump["details"]["tables"] == "alembic_version,tenants,trade_audit,trades"


def test_each_master_has_its_own_rdb_and_all_slots_are_in_one(backed_up: LabHandle) -> None:
    newest_round = newest(backed_up, "rdb")["key"].split("/")[1]
    shards = [one for one in s3.manifests(backed_up) if one["kind"] == "rdb" and newest_round in one["key"]]
    covered: set[int] = set()
    for shard in shards:
        assert s3.read(backed_up, shard["key"])[:6] in (b"VALKEY", b"REDIS0")
        for span in shard["details"]["slots"].split():
            first, _, last = span.partition("-")
            covered |= set(range(int(first), int(last or first) + 1))
    assert covered == set(range(16384))
    assert sum(int(shard["details"]["keys"]) for shard in shards) >= 3000


def test_a_raft_snapshot_is_vaults_archive(backed_up: LabHandle) -> None:
    with tarfile.open(fileobj=io.BytesIO(s3.read(backed_up, newest(backed_up, "raft")["key"]))) as archive:
        assert {"meta.json", "state.bin", "SHA256SUMS"} <= set(archive.getnames())


def test_wal_arrives_by_itself_and_without_gaps(backed_up: LabHandle) -> None:

    def segments() -> list[tuple[int, int]]:
        found = [one for one in s3.manifests(backed_up) if one["kind"] == "wal" and one.get("wal_stop")]
        return sorted((position(one["wal_start"]), position(one["wal_stop"])) for one in found)

    before = segments()[-1][1]
    backed_up.psql("SELECT pg_logical_emit_message(true, 'test', repeat('x', 2000000))", role="admin")
    wait_until(lambda: segments()[-1][1] > before + 1_000_000, 30, "the next segments in the bucket")
    spans = segments()
    assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


def test_a_key_opens_what_it_may_and_a_wrong_one_nothing(backed_up: LabHandle) -> None:
    oncall, viewer = s3.client(backed_up), s3.client(backed_up, "viewer")
    here = {"Bucket": s3.BUCKET, "Key": "pg/alphapulse_prod/by-hand.dump"}
    upload = oncall.create_multipart_upload(**here)["UploadId"]
    oncall.abort_multipart_upload(**here, UploadId=upload)
    assert here["Key"] not in s3.objects(backed_up)
    assert refusal(oncall.delete_object, **here) == "AccessDenied"
    assert refusal(viewer.put_object, **here, Body=b"x") == "AccessDenied"
    assert viewer.list_objects_v2(Bucket=s3.BUCKET)["KeyCount"] > 5
    assert refusal(s3.client(backed_up, secret="wrong").list_buckets) == "SignatureDoesNotMatch"


def test_a_segments_name_says_where_it_begins() -> None:
    assert bounds("000000020000000100000003") == (2, "1/300000", "1/400000")
    assert bounds("00000001000000000000002E.00000028.backup") is None
    assert position("1/300028") == (1 << 32) + 0x300028
