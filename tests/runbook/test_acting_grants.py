"""Every grant with which the on-call changes something, taken away by itself, on real servers: it is named before a procedure starts, what needs
it is refused in one sentence that names it, nothing is done, and nothing else is blamed.

Each scene breaks the platform so that its actions have something to do, and plans them. Then one grant after the other is gone: the rights are
asked, every action is planned anew, and the plans from before are executed, as if the grant had been lost between plan and confirmation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Outcome, Plan, Verdict
from alphapulse_tui.runbook.load import load_procedures
from alphapulse_tui.runbook.rights import lacking
from alphapulse_tui.runbook.schema import ActionStep
from alphapulse_tui.sources.build import read_once
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.runbook import acting
from tests.runbook.acting import Acting
from tests.runbook.grant import without
from tests.waiting import until, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

WORKERS = {"kind": "Deployment", "name": "agent-workers"}
ASK_SECONDS = 20.0
SEEN_SECONDS = 20.0
"""Until every node has seen what was broken."""

PROCEDURES = load_procedures()
READS = frozenset({"pg.explain", "kubernetes.test-inside", "kubernetes.previous-log"})
"""Actions that change nothing: there is nothing to prove."""


UNFORESEEN = frozenset({"pg.rollback-prepared"})
"""Whose a prepared transaction is shows only when there is one: its plan names the grant, and nothing before it does."""


@dataclass(frozen=True)
class Scene:
    """What is broken, and what is then planned: action id (and a word, where it is planned in two ways) to its parameters."""

    system: str
    faults: tuple[str, ...]
    actions: Mapping[str, Mapping[str, str]]


SCENES = {
    "postgres": Scene(
        "postgres",
        ("lock-chain",),
        {
            "pg.terminate-idle-in-transaction": {"min_seconds": "0"},
            "pg.cancel-query": {"min_seconds": "0", "pids": "waiting"},
            "pg.terminate-query": {"min_seconds": "0", "pids": "waiting"},
            "pg.terminate-backend": {"pids": "waiting"},
            "pg.terminate-root-blockers": {},
            "pg.create-index": {"table": "trades", "columns": "tenant_id, executed_at"},
            "pg.drop-index": {"index": "public.idx_trades_executed_at"},
            "pg.explain": {"pids": "waiting", "as_owner": "yes"},
            "pg.analyze": {"tables": "public.trades"},
            "pg.vacuum": {"tables": "public.trades"},
            "pg.reload": {},
            "pg.set-max-connections": {"value": "50"},
        },
    ),
    "postgres-prepared": Scene("postgres", ("lock-chain:prepared",), {"pg.rollback-prepared": {}}),
    "postgres-storm": Scene("postgres", ("connection-storm",), {"pg.terminate-idle": {"min_seconds": "0"}}),
    "redis": Scene(
        "redis",
        (),
        {
            "redis.failover": {"replica": "replica"},
            "redis.set-policy": {"policy": "allkeys-lfu"},
            "redis.set-maxmemory": {"bytes": "300mb"},
            "redis.unlink": {"key": "tenant:00002"},
        },
    ),
    "redis-slots": Scene("redis", ("redis-slots-uncovered",), {"redis.cover-slots": {}, "redis.close-slots": {}}),
    "redis-ghost": Scene("redis", ("redis-ghost",), {"redis.forget": {}}),
    "redis-dead": Scene("redis", ("redis-no-successor",), {"redis.failover-force": {"agreed_with": "bob"}}),
    "redis-gone": Scene("redis", ("redis-shard-lost",), {"redis.cover-slots gone": {"gone": "gone"}}),
    "redis-majority": Scene(
        "redis", ("redis-majority-lost",), {"redis.failover-takeover": {"replica": "orphan", "agreed_with": "bob"}}
    ),
    "vault": Scene("vault", (), {"vault.step-down": {}}),
    "vault-peer": Scene("vault", ("vault-peer-lost",), {"vault.remove-peer": {}}),
    "kubernetes": Scene(
        "kubernetes",
        ("api-crashloop-redis",),
        {
            "kubernetes.rollback": {"kind": "Deployment", "name": "api"},
            "kubernetes.previous-log": {"name": "api"},
            "kubernetes.test-inside": {"name": "api"},
            "kubernetes.hpa-maximum": {"name": "api", "most": "7"},
            "kubernetes.restart": WORKERS,
            "kubernetes.scale": {**WORKERS, "replicas": "3"},
            "kubernetes.set-memory": {**WORKERS, "memory": "512Mi"},
            "kubernetes.set-image": {**WORKERS, "image": "v1.4.3"},
            "kubernetes.apply": {"file": "manifest"},
            "kubernetes.delete-pod": {"pod": "pod"},
        },
    ),
}


def of_system(system: str, quick: str = "") -> list[Any]:
    """The scenes of a system; all but one take long."""
    return [
        pytest.param(name, marks=() if name == quick else pytest.mark.long)
        for name, scene in SCENES.items()
        if scene.system == system
    ]


@dataclass
class Stage:
    """A scene on a running lab."""

    profile: Profile
    scene: Scene
    params: dict[str, dict[str, str]]
    plans: dict[str, Plan] = field(default_factory=dict)

    async def plan(self, action_id: str) -> tuple[Plan | None, str]:
        """The plan now, and why it cannot be run."""
        action = make_action(action_id.split()[0], self.profile)
        try:
            plan = await action.planned(self.params[action_id])
        except ActionProblem as problem:
            return None, str(problem)
        finally:
            await action.close()
        return plan, plan.refusal

    async def execute(self, action_id: str) -> tuple[Outcome, str, Verdict | None]:
        """The plan from before, sent now; then its proof. What the executor makes of a problem stands in ``executor.run``."""
        action = make_action(action_id.split()[0], self.profile)
        plan = self.plans[action_id]
        try:
            outcome, said = await sent(action, plan)
            proof = None if action_id in READS else (await action.verify(plan)).verdict
        finally:
            await action.close()
        return outcome, said, proof


async def sent(action: Action, plan: Plan) -> tuple[Outcome, str]:
    try:
        result = await action.execute(plan)
    except ActionProblem as problem:
        return Outcome.FAILED, str(problem)
    except SentWithoutAnswer as problem:
        return Outcome.UNKNOWN, str(problem)
    return result.outcome, "; ".join([result.sentence, *result.details.values()])


def needing(grant: Acting) -> dict[str, set[str]]:
    """Procedure to the actions of it that need the grant."""
    found: dict[str, set[str]] = {}
    for procedure in PROCEDURES.values():
        found[procedure.id] = {
            step.action
            for step in procedure.steps
            if isinstance(step, ActionStep) and step.action in {one.split()[0] for one in grant.actions} - UNFORESEEN
        }
    return found


async def not_named(stage: Stage, grant: Acting) -> list[str]:
    """What is wrong with that which is said before a procedure starts."""
    system = stage.scene.system
    board = await read_once(stage.profile, ASK_SECONDS, [f"{system}-rights"])
    assert board.readings[f"{system}-rights"].snapshot is not None, board.readings[f"{system}-rights"].problem
    problems = []
    for name, actions in needing(grant).items():
        lacks = lacking(PROCEDURES[name], board.readings, board.clock())
        blamed = {text: set(whom) for text, whom in lacks.missing if re.search(grant.word, text)}
        others = [text for text, _ in lacks.missing if text not in blamed]
        if set().union(*blamed.values()) != actions:
            problems.append(f"without {grant.name} {name} says {lacks.missing}, and needs it for {sorted(actions)}")
        if others:
            problems.append(f"without {grant.name} {name} blames others: {others}")
    return problems


async def not_refused(stage: Stage, grant: Acting) -> list[str]:
    """What is wrong with plans made without the grant, and with plans from before that are sent without it."""
    problems = []
    for action_id in stage.plans:
        _, refusal = await stage.plan(action_id)
        if action_id not in grant.actions:
            if refusal:
                problems.append(f"without {grant.name} {action_id} is refused, and does not need it: {refusal}")
            continue
        if not refusal and action_id not in READS:
            problems.append(f"without {grant.name} {action_id} is planned as if it could be done")
        if refusal and not re.search(grant.word, refusal):
            problems.append(f"without {grant.name} the plan of {action_id} does not name it: {refusal}")
        if action_id in grant.late:
            continue
        outcome, said, proof = await stage.execute(action_id)
        if outcome not in (Outcome.FAILED, Outcome.REFUSED) or proof is Verdict.VERIFIED:
            problems.append(f"without {grant.name} {action_id} comes out as {outcome} and {proof}: {said}")
        if not re.search(grant.word, said):
            problems.append(f"without {grant.name} {action_id}, when it is sent, does not name it: {said}")
    return problems


async def planned(stage: Stage) -> None:
    """Every plan of the scene, with all rights."""

    async def possible() -> bool:
        made = await stage.plan(action_id)
        found.append(made)
        return not made[1]

    for action_id in stage.scene.actions:
        found: list[tuple[Plan | None, str]] = []
        try:
            await until(possible, SEEN_SECONDS, f"something to do for {action_id}", interval=0.5)
        except AssertionError:
            pytest.fail(f"{action_id} has nothing to do in this scene: {found[-1][1]}")
        plan, _ = found[-1]
        assert plan is not None
        stage.plans[action_id] = plan


async def walk(stage: Stage, grants: list[Acting]) -> None:
    """Take every grant away, one after the other."""
    await planned(stage)
    problems = []
    for grant in grants:
        with without(grant):
            problems += [*await not_named(stage, grant), *await not_refused(stage, grant)]
    for action_id in stage.plans:
        _, refusal = await stage.plan(action_id)
        if refusal:
            problems.append(f"something was done after all, {action_id} cannot be planned any more: {refusal}")
    assert not problems, "\n".join(problems)


REPLICA = {"pg.resume-replay": "replica-lag", "pg.cancel-conflicting": "replica-conflict"}
"""Actions on the replica, and what is broken then."""


@pytest.mark.long
@pytest.mark.parametrize("action_id", REPLICA)
async def test_replica(postgres_lab: LabHandle, action_id: str) -> None:
    """A replica that does not replay hears of no grant either: it is taken before the replica is broken, and its refused plan is what is sent."""
    scene = Scene("postgres", (), {action_id: {}})
    stage = Stage(load_profile("lab", str(postgres_lab.profile)).profile, scene, {action_id: {}})
    problems = []
    for grant in acting.postgres(postgres_lab):
        with without(grant):
            postgres_lab.break_(REPLICA[action_id])
            plan, refusal = await stage.plan(action_id)
            assert plan is not None, refusal
            stage.plans[action_id] = msgspec.structs.replace(plan, refusal="")
            problems += [*await not_named(stage, grant), *await not_refused(stage, grant)]
            postgres_lab.mend()
    assert not problems, "\n".join(problems)


async def test_what_is_missed_only_later_is_named_before_all_the_same(postgres_lab: LabHandle) -> None:
    stage = Stage(load_profile("lab", str(postgres_lab.profile)).profile, SCENES["postgres"], {})
    problems = []
    for grant in acting.postgres_later(postgres_lab):
        with without(grant):
            problems += await not_named(stage, grant)
    assert not problems, "\n".join(problems)


def staged(lab: LabHandle, name: str, values: Mapping[str, Callable[[], str]] | None = None) -> Stage:
    """The scene on the lab, broken; ``values`` are what its parameters stand for."""
    scene = SCENES[name]
    for fault in scene.faults:
        fault, _, parameter = fault.partition(":")
        lab.break_(fault, parameter)
    made = values or {}
    params = {
        action_id: {key: made[value]() if value in made else value for key, value in given.items()}
        for action_id, given in scene.actions.items()
    }
    return Stage(load_profile("lab", str(lab.profile)).profile, scene, params)


@pytest.mark.parametrize("name", of_system("postgres", "postgres-prepared"))
async def test_postgres(postgres_lab: LabHandle, name: str) -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'api-settings' AND state = 'active'"
    stage = staged(postgres_lab, name, {"waiting": lambda: postgres_lab.superuser(waiting)})
    await walk(stage, acting.postgres(postgres_lab))


def members(lab: LabHandle) -> dict[str, list[str]]:
    """Every member's line of CLUSTER NODES, as a node that lives has it, by name."""
    names = {str(lab.ports[f"redis-cluster-{ordinal}"]): f"redis-cluster-{ordinal}" for ordinal in range(6)}
    told = lab.redis_cli(acting.living(lab)[0], "CLUSTER", "NODES").splitlines()
    return {names[re.split("[:@]", row[1])[1]]: row for row in (line.split() for line in told)}


def a_replica(lab: LabHandle) -> str:
    """A replica whose master lives."""
    return next(name for name, row in members(lab).items() if row[2].endswith("slave"))


def an_orphan(lab: LabHandle) -> str:
    """A replica whose master has failed, as soon as a node says so."""

    def found() -> str:
        rows = members(lab)
        failed = {row[0] for row in rows.values() if "master,fail" in row[2]}
        return next((name for name, row in rows.items() if "slave" in row[2] and row[3] in failed), "")

    return str(wait_until(found, SEEN_SECONDS, "a master that has failed"))


def a_lost_master(lab: LabHandle) -> str:
    """A master that has failed with its slots."""
    return next(name for name, row in members(lab).items() if row[2] == "master,fail" and len(row) > 8)


@pytest.mark.parametrize("name", of_system("redis", "redis-slots"))
async def test_redis(redis_lab: LabHandle, name: str) -> None:
    picks = {"replica": a_replica, "orphan": an_orphan, "gone": a_lost_master}
    stage = staged(redis_lab, name, {word: partial(pick, redis_lab) for word, pick in picks.items()})
    await walk(stage, acting.redis(redis_lab))


@pytest.mark.long
@pytest.mark.parametrize("name", of_system("vault"))
async def test_vault(vault_lab: LabHandle, name: str) -> None:
    profile = load_profile("lab", str(vault_lab.profile)).profile
    step_down = Stage(profile, SCENES["vault"], {"vault.step-down": {}})

    async def whole() -> bool:
        return not (await step_down.plan("vault.step-down"))[1]

    await until(whole, 90, "a failure to spare in the eyes of autopilot", interval=0.5)
    await walk(staged(vault_lab, name), acting.vault(vault_lab))


@pytest.mark.long
async def test_kubernetes(whole_lab: LabHandle, kubectl: Kubectl, tmp_path: Path) -> None:
    stage = staged(
        whole_lab,
        "kubernetes",
        {
            "pod": lambda: str(kubectl.pods("agent-workers")[0]["metadata"]["name"]),
            "manifest": lambda: manifest(kubectl, tmp_path),
        },
    )
    await walk(stage, acting.kubernetes(kubectl))


def manifest(kubectl: Kubectl, folder: Path) -> str:
    """The workers as they are, with another variable in their template."""
    found = kubectl.get("deployment", "agent-workers")
    found["spec"]["template"]["spec"]["containers"][0].setdefault("env", []).append({"name": "TRIAL", "value": "1"})
    file = folder / "agent-workers.yaml"
    file.write_text(yaml.safe_dump({key: found[key] for key in ("apiVersion", "kind", "metadata", "spec")}))
    return str(file)
