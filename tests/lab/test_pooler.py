"""pgbouncer in front of PostgreSQL: in use where this machine has one, said to be absent where it has none."""

from __future__ import annotations

import asyncpg
import pytest

from alphapulse_tui.lab import pooler
from tests.cli.program import alphapulse
from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab

CLIENTS = 12
"""Twice as many as the pool has sessions."""


async def test_many_clients_share_few_sessions_or_the_pooler_is_said_to_be_absent(whole_lab: LabHandle) -> None:
    listed = alphapulse("lab", "servers", "--no-build").out
    (line,) = (line for line in listed.splitlines() if line.startswith("pgbouncer "))
    if pooler.program() is None:
        assert line.endswith("not on the PATH: apt-get install pgbouncer")
        assert "pgbouncer" not in {one.name for one in whole_lab.status().processes}
        return
    assert line.endswith(str(pooler.program()))
    clients = [await connect(whole_lab) for _ in range(CLIENTS)]
    try:
        sessions = {await client.fetchval("SELECT pg_backend_pid()") for client in clients}
        assert {await client.fetchval("SELECT current_user::text") for client in clients} == {"pgbouncer"}
    finally:
        for client in clients:
            await client.close()
    assert len(sessions) <= pooler.POOL_SIZE


async def connect(lab: LabHandle) -> asyncpg.Connection:
    return await asyncpg.connect(
        host="127.0.0.1", port=lab.ports["pgbouncer"], user="alphapulse_app", database="alphapulse_prod",
        passfile=lab.secret("pgpass-alphapulse_app"), ssl=False, timeout=10, statement_cache_size=0,
    )  # fmt: skip
