"""The survey of rights against a real primary; psql is the independent witness."""

from __future__ import annotations

from alphapulse_tui.model.rights import SIGNAL
from alphapulse_tui.sources.postgres_rights import PostgresRightsSource
from tests.sources.servers import PostgresPair
from tests.sources.test_postgres import server
from tests.waiting import wait_until


async def test_it_names_what_is_missing_and_keeps_no_connection(postgres: PostgresPair) -> None:
    source = PostgresRightsSource(server("primary", postgres.primary_port))
    survey = await source.read()
    assert (SIGNAL, "GRANT pg_signal_backend TO watcher") in survey.missing
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'watcher'"
    wait_until(lambda: postgres.psql(mine) == "0", 5, "the slot given back")
    assert await source.read() == survey
