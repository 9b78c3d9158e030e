"""The database is at the migrations' head, though alembic did not run: held against alembic itself, on a scratch database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources

import pytest

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.migrations import FIRST, FOLDER, HEAD
from tests.lab_handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

SCRATCH = "migrations_scratch"


def alembic(lab: LabHandle, *words: str, database: str = SCRATCH) -> subprocess.CompletedProcess[str]:
    """alembic as administrator, in a database that has nothing to do with the platform's."""
    environment = {
        "PGHOST": "127.0.0.1", "PGPORT": str(lab.ports["postgres-primary"]), "PGUSER": "admin",
        "PGDATABASE": database, "PGPASSFILE": str(lab.secret("pgpass-admin")),
    }  # fmt: skip
    argv = [sys.executable, "-m", "alphapulse_tui.lab.migrations", *words]
    return subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def dump(lab: LabHandle, database: str, role: str) -> list[str]:
    """The schema as pg_dump tells it, without owners, rights, comments and what is random in it."""
    environment = {"PGPASSFILE": str(lab.secret(f"pgpass-{role}"))}
    where = ["-h", "127.0.0.1", "-p", str(lab.ports["postgres-primary"]), "-U", role, "-d", database]
    done = subprocess.run(
        [str(postgres.installed_programs() / "pg_dump"), *where, "--schema-only", "--schema=public", "-O", "-x"],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [
        line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\", "COMMENT ON EXTENSION"))
    ]


@pytest.fixture
def scratch(whole_lab: LabHandle) -> Iterator[LabHandle]:
    """The lab with an empty database beside the platform's, made by the administrator."""
    whole_lab.psql(f"CREATE DATABASE {SCRATCH}", role="admin")
    yield whole_lab
    whole_lab.psql(f"DROP DATABASE {SCRATCH} WITH (FORCE)", role="admin")


def test_the_stamped_schema_is_what_alembic_makes_and_a_downgrade_loses_the_fees(scratch: LabHandle) -> None:
    upgraded = alembic(scratch, "upgrade", "head")
    assert upgraded.returncode == 0, upgraded.stderr
    before = dump(scratch, SCRATCH, "admin")
    assert before == dump(scratch, "alphapulse_prod", "backup")
    assert scratch.psql("SELECT version_num FROM alembic_version") == HEAD
    assert alembic(scratch, "downgrade", "-1").returncode == 0
    after = dump(scratch, SCRATCH, "admin")
    lost = [line for line in before if line not in after]
    assert any("fee numeric(18,4)" in line for line in lost)
    assert any("CREATE TABLE public.trade_audit" in line for line in lost)
    refused = alembic(scratch, "downgrade", "-1")
    assert refused.returncode != 0
    assert "taking it back would drop every tenant" in refused.stderr
    assert FIRST in alembic(scratch, "current").stdout


def test_the_shipped_schema_is_what_alembic_prints() -> None:
    argv = [sys.executable, "-m", "alphapulse_tui.lab.migrations", "upgrade", "head", "--sql"]
    printed = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    shipped = (resources.files("alphapulse_tui.lab") / "sql" / "schema.sql").read_text(encoding="utf-8")
    comment, _, statements = shipped.partition("BEGIN;")
    assert ("BEGIN;" + statements).split() == printed.split()
    assert all(line.startswith("--") for line in comment.splitlines() if line)


def test_the_alembic_ini_for_people_names_the_same_history() -> None:
    argv = [sys.executable, "-m", "alembic", "-c", str(FOLDER / "alembic.ini"), "history"]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, cwd="/").stdout
    assert [line.split()[2].rstrip(",") for line in told.splitlines()] == [HEAD, FIRST]
