"""A password in somebody's SQL enters no model, no survey and no plan: every place where a text comes in, on rows that were made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alphapulse_tui.actions import postgres_query, postgres_replica, postgres_victims
from alphapulse_tui.model.plan import Victim
from alphapulse_tui.sources.postgres import _session
from alphapulse_tui.sources.postgres_link import Server
from alphapulse_tui.sources.postgres_locks import tree
from alphapulse_tui.sources.postgres_replication import in_the_way
from alphapulse_tui.sources.postgres_statements import StatementSource
from alphapulse_tui.sources.postgres_text import sql_text

SQL = "ALTER ROLE app PASSWORD 'hunter2'"
HIDDEN = "ALTER ROLE app PASSWORD (redacted)"
START = datetime(2026, 1, 1, tzinfo=UTC)
ROW: dict[str, Any] = {
    "pid": 7, "backend_start": START, "query_start": 1.0, "xact_start": 1.0, "state_change": 1.0, "usename": "app", "datname": "db",
    "application": "api", "client": "", "backend_type": "client backend", "state": "active", "wait": "", "wait_event_type": None,
    "wait_event": None, "leader_pid": None, "superuser": False, "replication": False, "query": SQL, "locks": 1, "waits_for": "", "tables": [],
    "wrote": False, "has_snapshot": True,
}  # fmt: skip
VICTIM = {
    **ROW,
    "query_start": START,
    "xact_start": START,
    "state_change": START,
    "seconds": 9.0,
    "transaction_seconds": 9.0,
    "workers": 0,
}


def test_a_session_a_lock_and_a_reader_of_a_replica_hide_it() -> None:
    assert _session(ROW, {}).query == HIDDEN
    edge = {"pid": 8, "blocked_by": [7], "server_time": 1.0}
    assert {node.query for node in tree([edge], [ROW, {**ROW, "pid": 8}], []).nodes} == {HIDDEN}
    (reader,) = in_the_way([ROW], {"blocked_by": [], "replay_wait": ""})
    assert reader.query == HIDDEN


async def test_a_statement_hides_it() -> None:
    class Connection:
        async def fetch(self, *_: Any) -> list[dict[str, Any]]:
            return [{"userid": 1, "dbid": 2, "queryid": 3, "query": SQL, "user": "app", "database": "db"}]

    source = StatementSource(Server("primary", dict))
    await source._fetch_texts(Connection(), "public", [(1, 2, 3, True)])
    assert source._texts[1, 2, 3, True][0] == HIDDEN


@pytest.mark.parametrize(
    ("victim", "fact"),
    [
        (postgres_victims._victim(VICTIM, "now"), "last query"),
        (postgres_query._victim(VICTIM), "query"),
        (postgres_replica._victim(VICTIM), "query"),
    ],
)
def test_a_plan_hides_it(victim: Victim, fact: str) -> None:
    assert victim.facts[fact] == HIDDEN


def test_it_is_hidden_before_the_text_is_cut() -> None:
    assert "hunter2" not in sql_text(SQL, 60) + sql_text("/* padding */ " * 3 + SQL, 64)
    assert sql_text("SELECT\x1b[31m 1", 300) == "SELECT\\x1b[31m 1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SQL[:-3], HIDDEN),
        ("SELECT 'it''s' FROM t WHERE name = 'cu", "SELECT 'it''s' FROM t WHERE name = 'cu"),
        ("SELECT 1 FROM keys WHERE token = $1 AND id = $2", "SELECT 1 FROM keys WHERE token = $1 AND id = $2"),
        ("SELECT 1 FROM keys WHERE token = 'hunter2'", "SELECT 1 FROM keys WHERE token = (redacted)"),
    ],
)
def test_a_cut_password_is_hidden_and_a_place_for_a_value_is_not(text: str, shown: str) -> None:
    assert sql_text(text, 300) == shown
