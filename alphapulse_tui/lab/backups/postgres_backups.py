"""PostgreSQL's base backup and dump."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.backups.bucket import Bucket
from alphapulse_tui.lab.backups.manifest import described, now, stamp
from alphapulse_tui.lab.backups.tools import run
from alphapulse_tui.lab.platform import Lab


async def base(lab: Lab, bucket: Bucket, spool: Path) -> None:
    """A base backup without WAL: what it needs of that is in the archive.

    Raises:
        CommandFailedError: pg_basebackup failed.
    """
    begun, folder = now(), spool / "base"
    shutil.rmtree(folder, ignore_errors=True)
    version = await _ask(lab, "SHOW server_version")
    arguments = ("-D", str(folder), "-Ft", "-Z", "gzip:1", "-X", "none", "-c", "fast", "--no-sync", "-l", stamp(begun))
    await run(
        postgres.binary(lab, "pg_basebackup"), *arguments, "--no-password",
        environment=_environment(lab, "replicator", "pg_basebackup daily"),
    )  # fmt: skip
    ranges = msgspec.json.decode((folder / "backup_manifest").read_bytes())["WAL-Ranges"]
    prefix = f"pg/base/{stamp(begun)}"
    beside = {f"{prefix}/backup_manifest": folder / "backup_manifest"}
    manifest = described(
        folder / "base.tar.gz", "base", f"{prefix}/base.tar.gz", begun, postgres.PRIMARY, version,
        wal=(ranges[0]["Start-LSN"], ranges[-1]["End-LSN"]), timeline=ranges[-1]["Timeline"], beside=tuple(beside),
    )  # fmt: skip
    await bucket.keep(folder / "base.tar.gz", manifest, beside)
    shutil.rmtree(folder)


async def dump(lab: Lab, bucket: Bucket, spool: Path) -> None:
    """A dump of the platform's database in pg_restore's own format (runbook 3.4).

    Raises:
        CommandFailedError: pg_dump failed.
    """
    begun, file = now(), spool / "dump"
    version = await _ask(lab, "SHOW server_version")
    migration = await _ask(lab, "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version")
    # A dump that was made after a table was dropped does not bring it back: the manifest must show that without a download.
    tables = await _ask(lab, "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_stat_user_tables")
    arguments = ("-Fc", "-Z", "1", "--lock-wait-timeout=10s", "--no-password", "-f", str(file))
    environment = _environment(lab, "backup", "pg_dump daily")
    await run(postgres.binary(lab, "pg_dump"), *arguments, environment=environment)
    key = f"pg/{postgres.DATABASE}/{stamp(begun)}.dump"
    details = {"alembic_version": migration, "tables": tables}
    await bucket.keep(file, described(file, "dump", key, begun, postgres.PRIMARY, version, details=details))
    file.unlink()


def _environment(lab: Lab, role: str, application: str) -> dict[str, str]:
    return {**postgres.psql_environment(lab, role), "PGAPPNAME": application}


async def _ask(lab: Lab, sql: str) -> str:
    connection = await postgres.connect(lab, "backup", application="backup-agent")
    try:
        answer: Any = await connection.fetchval(sql)
    finally:
        await connection.close()
    return str(answer or "")
