"""The checks of exhausted connections: who may be ended, whose own limit it is, and when room must be planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.model.postgres import ConnectionLimit
from alphapulse_tui.model.postgres_surveys import Setting, SettingSurvey
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import Passed, Scene
from alphapulse_tui.runbook.engine import Engine
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.schema import BranchStep, CheckStep
from tests.model.test_fixes import SESSION, postgres
from tests.runbook.test_postgres_checks import NOW, look

BUSY = replace(SESSION, state="active", state_change=NOW - 1)


def connected(clients: int, *sessions: Any, **fields: Any) -> Any:
    """So many clients: the sessions, others that are at work, and ourselves."""
    busy = [BUSY] * (clients - 1 - len(sessions))
    return replace(postgres(*sessions, *busy), clients=clients, **fields)


IDLE = replace(SESSION, state="idle", state_change=NOW - 5000)


@pytest.mark.parametrize(
    ("taken", "value"),
    [
        (connected(10), "enough"),
        (connected(95), "full"),
        (connected(95, IDLE), "idle"),
        (connected(10, limits=(ConnectionLimit("role app", 5, 5),)), "limit"),
    ],
)
def test_room(taken: Any, value: str) -> None:
    assert look("pg.room", postgres=taken).value == value


LIMITED = (ConnectionLimit("role app", 5, 5),)


@pytest.mark.parametrize(
    ("taken", "value"),
    [
        (connected(10, limits=LIMITED), "limit"),
        (connected(10, replace(IDLE, user="other"), limits=LIMITED), "limit"),
        (connected(10, replace(IDLE, user="app"), limits=LIMITED), "idle"),
        (connected(95, replace(IDLE, user="other"), limits=LIMITED), "idle"),
        (connected(95, limits=LIMITED), "none"),
        (connected(10, replace(IDLE, database="db"), limits=(ConnectionLimit("database db", 5, 5),)), "idle"),
    ],
)
def test_others_are_not_ended_for_a_roles_own_limit(taken: Any, value: str) -> None:
    assert look("pg.victims", postgres=taken).value == value


@pytest.mark.parametrize(("clients", "says"), [(10, "the server has room (10 of"), (95, "the server is full besides")])
def test_a_limit_says_whether_the_server_has_room(clients: int, says: str) -> None:
    found = look("pg.limits", postgres=connected(clients, limits=LIMITED))
    assert found.passed is Passed.NO and says in found.sentence and "max_connections does nothing" in found.sentence


def test_what_waits_for_a_restart_and_who_was_not_asked() -> None:
    waiting = Setting("primary", "max_connections", "60", "postmaster", True, "")
    assert look("pg.pending", postgres_settings=SettingSurvey((waiting,))).value == "pending"
    assert (
        look("pg.pending", postgres_settings=SettingSurvey((replace(waiting, pending_restart=False),))).passed
        is Passed.YES
    )
    silent = SettingSurvey((waiting,), ("replica-0 gave no answer",))
    assert look("pg.pending", postgres_settings=silent).passed is Passed.UNKNOWN


POOLED = replace(IDLE, application="pgbouncer", user="pgbouncer")
DUMP = replace(SESSION, state="idle in transaction", state_change=NOW - 5000, application="pg_dump", user="backup")


@pytest.mark.parametrize("sessions", [(POOLED,), (DUMP,), (POOLED, DUMP)])
def test_a_server_full_of_poolers_and_tools_is_not_drained(sessions: Any) -> None:
    full = connected(95, *sessions)
    assert look("pg.victims", postgres=full).value == "none"
    assert look("pg.room", postgres=full).value == "full"
    mixed = connected(95, *sessions, IDLE)
    assert look("pg.victims", postgres=mixed).value == "idle"


async def test_a_server_where_everybody_works_comes_to_the_step_that_plans_room() -> None:
    async def record(kind: Kind, payload: dict[str, Any]) -> None:
        """The journal is no part of this."""

    reading = Reading("postgres", 5.0, Link.LIVE, 0.0, connected(95), NOW)
    engine = Engine(
        load_procedures()["pg-connections"], lambda: Scene({"postgres": reading}, NOW, NOW, Thresholds()), record
    )
    fell, room = engine.procedure.step("usage-fell"), engine.procedure.step("room")
    assert isinstance(fell, CheckStep) and isinstance(room, BranchStep)
    assert (await engine.run_check(fell)).passed is Passed.NO
    assert engine.step_record(fell).state.settled
    found = engine.look(room)
    assert found is not None and (engine.suggestion(room, found) or ("",))[0] == "max-connections"


ABORTED = replace(SESSION, state="idle in transaction (aborted)", state_change=NOW - 90)


@pytest.mark.parametrize(
    ("session", "params", "value"),
    [
        (ABORTED, {}, "idle-in-transaction"),
        (replace(ABORTED, state_change=NOW - 50), {}, "none"),
        (replace(ABORTED, state_change=NOW - 50), {"transaction-seconds": "40"}, "idle-in-transaction"),
        (replace(ABORTED, state="idle in transaction"), {}, "none"),
        (replace(ABORTED, state="idle in transaction", state_change=NOW - 301), {}, "idle-in-transaction"),
    ],
)
def test_a_failed_transaction_is_ended_after_a_minute_as_the_action_does(
    session: Any, params: dict[str, str], value: str
) -> None:
    assert look("pg.victims", params, postgres=connected(95, session)).value == value


def test_ages_are_told_by_the_servers_clock() -> None:
    ahead = replace(IDLE, state_change=NOW + 600 - 5000)
    found = look("pg.victims", postgres=connected(95, ahead, clock_offset=600.0))
    assert found.value == "idle" and found.rows == (("pid 4121 api", "idle for 1h"),)
    young = replace(IDLE, state_change=NOW - 600 - 10)
    assert look("pg.victims", postgres=connected(95, young, clock_offset=-600.0)).value == "none"


@pytest.mark.parametrize("clients", [95, 10])
def test_nobody_idles_is_not_concluded_from_a_part_of_the_sessions(clients: int) -> None:
    part = replace(connected(clients, limits=LIMITED), sessions=(BUSY,) * 3)
    found = look("pg.victims", postgres=part)
    assert (found.passed, found.value) == (
        Passed.UNKNOWN,
        "unknown",
    ) and f"{clients - 4} of {clients}" in found.sentence
    assert look("pg.victims", postgres=replace(part, sessions=(BUSY, replace(IDLE, user="app")))).value == "idle"


def test_a_larger_server_is_not_planned_while_some_sessions_are_not_seen() -> None:
    part = replace(connected(95), sessions=(BUSY,) * 3)
    assert look("pg.room", postgres=part).passed is Passed.UNKNOWN
