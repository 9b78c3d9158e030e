"""The real actions through the one door: intent, planned again, sent, proven, journaled. On real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alphapulse_tui.config.settings import PostgresServer, PostgresTarget, Profile, VaultNode, VaultTarget
from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import ExecutorProblem, Progress, Stage
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Result, Verdict
from tests.sources.servers import Vaults, stop

NOW = {"min_seconds": "0"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    yield made
    made.close()


def profile_of(postgres) -> Profile:
    server = PostgresServer(
        name="primary", host="127.0.0.1", port=postgres.port, user="oncall", database="postgres", sslmode="disable"
    )
    return Profile(name="lab", environment="lab", postgres=PostgresTarget(primary=server))


async def run(executor: Executor, plan: Plan) -> list[Progress]:
    return [step async for step in executor.execute(plan.id, plan.digest(), required_confirmation(plan))]


async def test_sessions_are_terminated_and_the_slots_are_proven_free(postgres, journal):
    executor = Executor(profile_of(postgres), journal)
    victims = await postgres.sessions(3, "worker", "leaky")
    going = await postgres.session("worker", "leaky")
    plan = await executor.plan("pg.terminate-idle", NOW)
    assert len(plan.victims) == 4
    newcomer = await postgres.sessions(1, "worker", "leaky")
    await going.close()
    steps = await run(executor, plan)
    assert [step.stage for step in steps if step.stage is not Stage.VERIFYING] == [
        Stage.CHECKING, Stage.INTENT, Stage.SENT, Stage.OUTCOME, Stage.VERIFIED,
    ]  # fmt: skip
    outcome, proof = next(step.result for step in steps if step.result), steps[-1].verification
    assert outcome is not None and outcome.outcome is Outcome.DONE and outcome.sentence == "3 of 3 sessions signalled"
    assert proof is not None and proof.verdict is Verdict.VERIFIED
    assert steps[-1].before["slots used"] != proof.reading["slots used"]
    assert not postgres.alive() & set(victims) and set(newcomer) <= postgres.alive(), "a new victim is never added"
    await executor.close()


async def test_when_every_victim_woke_up_nothing_is_sent(postgres, journal):
    executor = Executor(profile_of(postgres), journal)
    session = await postgres.session(sql="BEGIN; SELECT 1")
    plan = await executor.plan("pg.terminate-idle-in-transaction", NOW)
    await session.execute("COMMIT")
    steps = await run(executor, plan)
    refused = steps[-1].result
    assert refused is not None and refused.outcome is Outcome.REFUSED and "nothing is left to do" in refused.sentence
    assert session.get_server_pid() in postgres.alive()
    await executor.close()


async def test_a_share_is_journaled_before_it_is_asked_for_and_proven_after(bao: Vaults, journal):
    stop(bao.processes[2])
    bao.restart(2)
    nodes = tuple(VaultNode(name=f"vault-{number}", address=address) for number, address in enumerate(bao.addresses))
    executor = Executor(Profile(name="lab", environment="lab", vault=VaultTarget(nodes=nodes)), journal)
    plan = await executor.plan("vault.unseal", {})
    begun = await executor.begin(plan.id, plan.digest(), required_confirmation(plan))
    assert [event.kind for event in journal.events()] == [Kind.INTENT, Kind.SENT]
    bao.call(2, "PUT", "sys/unseal", {"key": bao.shares[0]})
    taken = Result(Outcome.DONE, "the share was taken by 1 of 1 nodes")
    steps = [step async for step in executor.finish(begun.run, taken)]
    proof = steps[-1].verification
    assert proof is not None and (proof.verdict, proof.sentence) == (Verdict.VERIFIED, "vault-2 has 1 of 3 shares")
    assert steps[-1].before["vault-2"] == "sealed 0/3" and proof.reading["vault-2"] == "sealed 1/3"

    plan = await executor.plan("vault.unseal", {})
    bao.call(2, "PUT", "sys/unseal", {"reset": True})
    bao.call(2, "PUT", "sys/unseal", {"key": bao.shares[1]})
    with pytest.raises(ExecutorProblem, match="not the one that was shown"):
        await executor.begin(plan.id, plan.digest(), required_confirmation(plan))
    assert not any(share in str(event.payload) for event in journal.events() for share in bao.shares)
    await executor.close()
