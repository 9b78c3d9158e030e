from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import asyncpg
import msgspec
import pytest

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.postgres_connection import told
from alphapulse_tui.actions.postgres_victims import TOOLS, identities
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.actions.sql import statement
from alphapulse_tui.config.settings import PostgresServer, PostgresTarget, Profile
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from tests.actions.conftest import Postgres, tool_path
from tests.waiting import until

IN_TRANSACTION = "BEGIN; SELECT count(*) FROM pg_class"
NOW = {"min_seconds": "0"}


@pytest.fixture
async def action(postgres: Postgres) -> AsyncIterator[Callable[..., Action]]:
    made: list[Action] = []

    def make(action_id: str, user: str = "oncall") -> Action:
        server = PostgresServer(
            name="primary", host="127.0.0.1", port=postgres.port, user=user, database="postgres", sslmode="disable"
        )
        made.append(
            make_action(action_id, Profile(name="test", environment="lab", postgres=PostgresTarget(primary=server)))
        )
        return made[-1]

    yield make
    for one in made:
        await one.close()


def pids(plan: Plan) -> set[int]:
    return {int(victim.facts["pid"]) for victim in plan.victims}


async def verified(action: Action, plan: Plan) -> str:
    async def gone() -> str:
        verification = await action.verify(plan)
        return verification.sentence if verification.verdict is Verdict.VERIFIED else ""

    return str(await until(gone, 5, "verified"))


async def test_terminates_idle_in_transaction_and_nobody_else(postgres, action):
    leaking = await postgres.sessions(3, "worker", "agent-worker", IN_TRANSACTION)
    leaking += await postgres.sessions(1, "app", "api", IN_TRANSACTION)
    idle = await postgres.sessions(2)
    terminate = action("pg.terminate-idle-in-transaction")

    plan = await terminate.plan(NOW)

    assert pids(plan) == set(leaking)
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE and plan.object == "postgres/backends"
    assert "agent-worker 3, api 1" in plan.sentence
    assert "frees 4 of 14 slots, usage 50 % -> 21 %" in plan.sentence  # 4 + 2 + our own connection of 14 usable
    assert plan.undo.startswith("none:")
    victim = plan.victims[0].facts
    assert victim["user"] == "worker" and victim["state"] == "idle in transaction" and int(victim["locks"]) > 0
    assert victim["last query"] == IN_TRANSACTION and victim["client"] == "127.0.0.1"

    before = (await terminate.reading(plan))["slots used"]
    result = await terminate.execute(plan)
    assert result.outcome is Outcome.DONE and result.sentence == "4 of 4 sessions signalled"
    assert set(result.details.values()) == {"signalled"}
    assert await verified(terminate, plan) == "4 of 4 sessions are gone"
    assert before == "50 %" and (await terminate.reading(plan))["slots used"] == "21 %"
    assert postgres.alive() & set(leaking) == set() and set(idle) <= postgres.alive()


async def test_defaults_are_the_runbooks_ages(postgres, action):
    await postgres.sessions(1, sql=IN_TRANSACTION)
    await postgres.sessions(1)
    in_transaction = await action("pg.terminate-idle-in-transaction").plan({})
    idle = await action("pg.terminate-idle").plan({})
    assert (
        in_transaction.refusal
        == "no session is idle in a transaction for longer than 5m (1m where it failed); 1 are younger than that"
    )
    assert idle.refusal == "no session is idle for longer than 10m; 1 are younger than that"


async def test_aborted_transactions_have_an_age_of_their_own(postgres, action):
    failed = await postgres.session()
    with pytest.raises(asyncpg.UndefinedTableError):
        await failed.execute("BEGIN; SELECT * FROM nowhere")
    healthy = await postgres.session(sql=IN_TRANSACTION)
    plan = await action("pg.terminate-idle-in-transaction").plan({"min_seconds": "900", "min_seconds_aborted": "0"})
    assert pids(plan) == {failed.get_server_pid()} != {healthy.get_server_pid()}


async def test_protected_sessions_are_named_and_survive(postgres, action):
    spared = [
        *await postgres.sessions(1, "dba", "psql"),
        *await postgres.sessions(1, "copier", "replication-tool"),
        *await postgres.sessions(1, "app", "pg_dump"),
        *await postgres.sessions(2, "pgbouncer", "api"),
        *await postgres.sessions(1, "app", "PgBouncer 1.18"),
        *await postgres.sessions(1, "app", "alphapulse-tui"),
    ]
    victim = await postgres.sessions(1, "worker", "leaky")
    terminate = action("pg.terminate-idle")
    plan = await terminate.plan(NOW)
    assert pids(plan) == set(victim)
    warnings = " | ".join(plan.warnings)
    for words in (
        "of superusers is left",
        "of replication roles is left",
        "of pg_dump is",
        "3 sessions of pgbouncer, a pooler",
        "of alphapulse-tui",
    ):
        assert words in warnings
    await terminate.execute(plan)
    await verified(terminate, plan)
    assert postgres.alive() >= set(spared) and not postgres.alive() & set(victim)


async def test_poolers_only_when_a_person_says_so(postgres, action):
    pooled = await postgres.sessions(1, "pgbouncer", "api")
    plan = await action("pg.terminate-idle").plan({**NOW, "poolers": "yes"})
    assert pids(plan) == set(pooled)


async def test_protection_is_asked_again_at_the_moment_of_the_signal(postgres, action):
    turned = await postgres.session("worker", "leaky")
    terminate = action("pg.terminate-backend")
    plan = await terminate.plan({"pids": str(turned.get_server_pid())})
    await turned.execute("SET application_name = 'pg_dump'")
    result = await terminate.execute(plan)
    assert result.outcome is Outcome.REFUSED and turned.get_server_pid() in postgres.alive()


async def test_application_filter(postgres, action):
    await postgres.sessions(1, "app", "api")
    wanted = await postgres.sessions(2, "worker", "agent-worker")
    plan = await action("pg.terminate-idle").plan({**NOW, "application": "agent-worker"})
    assert pids(plan) == set(wanted)


async def test_a_changed_backend_is_not_touched(postgres, action):
    """The pid is the same, the session is another one: as if the pid had been reused."""
    innocent, victim = await postgres.sessions(2)
    terminate = action("pg.terminate-idle")
    plan = await terminate.plan(NOW)
    changed = tuple(
        msgspec.structs.replace(one, identity="2020-01-01T00:00:00.000000+00:00")
        if one.key == f"pid {innocent}"
        else one
        for one in plan.victims
    )
    result = await terminate.execute(msgspec.structs.replace(plan, victims=changed))
    assert result.details == {f"pid {innocent}": "gone before the signal", f"pid {victim}": "signalled"}
    await until(lambda: victim not in postgres.alive(), 5, "the victim gone")
    assert innocent in postgres.alive()


async def test_a_row_that_is_another_session_now_is_refused(postgres, action):
    pid = (await postgres.sessions(1))[0]
    plan = await action("pg.terminate-backend").plan({"pids": f"{pid}@2020-01-01T00:00:00.000000+00:00"})
    assert plan.victims == () and f"no session of pid {pid}" in plan.refusal
    assert "another session that took over a pid" in plan.refusal


async def test_a_vanished_session_is_told(postgres, action):
    going = await postgres.session()
    staying = await postgres.session()
    terminate = action("pg.terminate-idle")
    plan = await terminate.plan(NOW)
    pid = going.get_server_pid()
    await going.close()
    await until(lambda: pid not in postgres.alive(), 5, "the session gone")
    result = await terminate.execute(plan)
    assert result.sentence == "1 of 2 sessions signalled"
    assert result.details == {f"pid {pid}": "gone before the signal", f"pid {staying.get_server_pid()}": "signalled"}


async def test_a_session_that_woke_up_is_left_alone(postgres, action):
    session = await postgres.session(sql=IN_TRANSACTION)
    terminate = action("pg.terminate-idle-in-transaction")
    plan = await terminate.plan(NOW)
    await session.execute("COMMIT")
    result = await terminate.execute(plan)
    assert result.outcome is Outcome.REFUSED and result.details == {
        f"pid {session.get_server_pid()}": "left alone: idle now"
    }
    assert (await terminate.verify(plan)).verdict is Verdict.CONTRADICTED


async def test_a_session_that_worked_since_the_plan_is_left_alone_even_in_the_same_state(postgres, action):
    session = await postgres.session(sql=IN_TRANSACTION)
    terminate = action("pg.terminate-idle-in-transaction")
    plan = await terminate.plan(NOW)
    await session.execute("SELECT 2")
    result = await terminate.execute(plan)
    assert result.outcome is Outcome.REFUSED and session.get_server_pid() in postgres.alive()


async def test_terminates_one_active_session(postgres, action):
    session = await postgres.session()
    terminate = action("pg.terminate-backend")
    plan = await terminate.plan({"pids": str(session.get_server_pid())})
    assert plan.object == f"postgres/backend/{session.get_server_pid()}" and "chosen by hand" in plan.sentence
    assert (await terminate.execute(plan)).outcome is Outcome.DONE
    assert await verified(terminate, plan) == "1 of 1 sessions are gone"


@pytest.mark.parametrize(
    ("user", "missing"),
    [("watcher", "GRANT pg_signal_backend TO watcher"), ("blind", "GRANT pg_monitor TO blind")],
)
async def test_a_missing_grant_is_refused_by_name(postgres, action, user, missing):
    await postgres.sessions(1)
    plan = await action("pg.terminate-idle", user).plan(NOW)
    assert missing in plan.refusal


async def test_signals_before_an_error_are_told_truthfully(postgres, action):
    """A role that may signal some victims only: the server stops at the first other one (42501), what it signalled before is dead."""
    roles = {pid: role for role in ("app", "worker") for pid in await postgres.sessions(3, role)}
    first = await first_in_servers_order(postgres, await action("pg.terminate-idle").plan(NOW))
    terminate = action("pg.terminate-idle", f"of_{roles[first]}")
    plan = await terminate.plan(NOW)
    assert "may not terminate 3 of 6" in plan.refusal
    result = await terminate.execute(plan)
    assert result.outcome is Outcome.FAILED and "pg_signal_backend" in result.sentence
    alive = postgres.alive()
    assert first not in alive and {pid for pid, role in roles.items() if role != roles[first]} <= alive
    assert result.details == {f"pid {pid}": "still there" if pid in alive else "gone" for pid in roles}
    assert f"{len(roles) - len(alive & set(roles))} of 6 sessions are gone all the same" in result.sentence


async def first_in_servers_order(postgres: Postgres, plan: Plan) -> int:
    """Whom our own statement would signal first, asked without signalling."""
    admin = await asyncpg.connect(host="127.0.0.1", port=postgres.port, user="admin", database="postgres", ssl=False)
    harmless = statement("terminate").replace("pg_terminate_backend(a.pid)", "true")
    since = [datetime.fromisoformat(victim.facts["since"]) for victim in plan.victims]
    rows = await admin.fetch(harmless, *identities(plan.victims), ["idle"], [0.0], list(TOOLS), since)
    await admin.close()
    return int(rows[0]["pid"])


async def test_works_when_every_ordinary_slot_is_taken(postgres, action):
    taken = await postgres.sessions(14, "app", "storm")
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await postgres.session("worker", "one-more")
    terminate = action("pg.terminate-idle")
    plan = await terminate.plan(NOW)
    assert "usage 107 % -> 7 %" in plan.sentence
    await terminate.execute(plan)
    await verified(terminate, plan)
    assert not postgres.alive() & set(taken)
    await postgres.session("worker", "one-more")


async def test_no_slot_for_us_names_what_would_help(postgres, action):
    await postgres.sessions(14, "app", "storm")
    with pytest.raises(ActionProblem, match=r"no connection slot left for us .*pg_use_reserved_connections"):
        await action("pg.terminate-idle", "watcher").plan(NOW)


async def test_an_unreachable_or_unknown_server_is_one_sentence(postgres, action):
    with pytest.raises(ActionProblem, match='role "nobody_here" does not exist'):
        await action("pg.terminate-idle", "nobody_here").plan({})
    with pytest.raises(ActionProblem, match=r'profile "empty" has no PostgreSQL'):
        await make_action("pg.terminate-idle", Profile(name="empty")).plan({})


@pytest.mark.parametrize(
    ("action_id", "params", "words"),
    [
        ("pg.terminate-idle", {"min_seconds": "soon"}, '"min_seconds" must be seconds'),
        ("pg.terminate-idle", {"min_seconds": "nan"}, '"min_seconds" must be seconds'),
        ("pg.terminate-idle-in-transaction", {"min_seconds_aborted": "-1"}, '"min_seconds_aborted" must be seconds'),
        ("pg.terminate-idle", {"pids": "12, x\x1b"}, r'"pids" holds "x\\x1b"'),
        ("pg.terminate-backend", {}, '"pids" must name the session'),
    ],
)
async def test_parameters_that_make_no_sense(action, action_id, params, words):
    with pytest.raises(ActionProblem, match=words):
        await action(action_id).plan(params)


async def test_hostile_names_reach_nobody_unclean(postgres, action):
    await postgres.sessions(1, "app", "evil\x1b[2J[/x]")
    plan = await action("pg.terminate-idle").plan(NOW)
    assert "\x1b" not in msgspec.json.encode(plan).decode().replace("\\u001b", "\x1b")


async def test_a_server_that_hangs_after_sending_leaves_the_outcome_unknown(postgres, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.postgres_connection.COMMAND_SECONDS", 0.5)
    await postgres.sessions(1)
    terminate = action("pg.terminate-idle")
    plan = await terminate.plan(NOW)
    backend = next(iter(postgres.alive() - pids(plan)))
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(SentWithoutAnswer, match="no answer in time"):
            await terminate.execute(plan)
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_connection_that_was_cut_since_is_opened_again(postgres, action):
    terminate = action("pg.terminate-idle")
    await terminate.plan(NOW)
    ours = next(iter(postgres.alive()))
    postgres.psql(f"SELECT pg_terminate_backend({ours})")
    await until(lambda: ours not in postgres.alive(), 5, "our own backend gone")
    victim = await postgres.sessions(1)
    assert pids(await terminate.plan(NOW)) == set(victim)


async def test_the_shell_form_does_the_same(postgres, action):
    victims = await postgres.sessions(2, "worker", "leaky")
    plan = await action("pg.terminate-idle").plan(NOW)
    words = shlex.split(plan.shell)
    assert words[0] == "psql"
    await asyncio.to_thread(subprocess.run, [tool_path("psql"), *words[1:]], check=True, capture_output=True)
    await until(lambda: not postgres.alive() & set(victims), 5, "the victims gone")


async def test_the_digest_says_what_a_plan_does_not_when(postgres, action):
    await postgres.sessions(1)
    terminate = action("pg.terminate-idle")
    one, two = await terminate.plan(NOW), await terminate.plan({**NOW, "poolers": "yes"})
    assert one.digest() != two.digest()
    assert one.digest() == msgspec.structs.replace(one, id="other", made_at=1.0).digest()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.ReadOnlySQLTransactionError("cannot execute"), "takes no writes"),
        (asyncpg.ObjectNotInPrerequisiteStateError("recovery is in progress"), "recovery is in progress"),
        (asyncpg.LockNotAvailableError("lock timeout"), "another session holds the lock"),
        (asyncpg.QueryCanceledError("statement timeout"), "took too long or was cancelled"),
        (asyncpg.ActiveSQLTransactionError("cannot run inside"), "must be sent by itself"),
        (asyncpg.TooManyConnectionsError('too many connections for role "app"'), "CONNECTION LIMIT of its own"),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), "no connection slot left for us"),
        (asyncpg.CannotConnectNowError("starting up"), "is not ready"),
        (asyncpg.ProtocolViolationError("unsupported startup parameter: lock_timeout"), "is a pooler"),
        (asyncpg.InvalidCatalogNameError("no database"), "check the database"),
        (asyncpg.InsufficientPrivilegeError("permission denied"), "refuses: permission denied"),
        (ConnectionRefusedError(), "is the server running?"),
        (TimeoutError(), "gave no answer in time"),
    ],
)
def test_each_way_to_fail_has_its_sentence(error, says):
    assert says in told("primary", error)
