"""The same change taken in four ways is the same plan: from the detail screen, a procedure, the palette, and without a screen.

The cockpit runs in this process, on real servers and with its real executor, so that each screen's own plan can be asked for its digest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from alphapulse_tui.app import Cockpit
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.plan import Plan
from alphapulse_tui.screens import action as action_screen
from alphapulse_tui.screens.action import ActionScreen
from alphapulse_tui.screens.base import CockpitScreen
from alphapulse_tui.screens.fixes import FixesScreen
from alphapulse_tui.screens.procedure import ProcedureScreen
from alphapulse_tui.session import Session
from tests.cli.program import alphapulse
from tests.e2e.api_walk import all_ready
from tests.e2e.cockpit import journal_of, state_folder
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.screens.stage import text_of
from tests.waiting import until, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(240)]

SECONDS = 30


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(action_screen, "DEAF_SECONDS", 0.0)
    with state_folder() as folder:
        monkeypatch.setenv("ALPHAPULSE_STATE", str(folder))
        yield folder


@asynccontextmanager
async def cockpit(lab: LabHandle, target: str) -> AsyncIterator[tuple[Cockpit, Pilot[None]]]:
    """The program, with a first reading of ``target``, its journal and its executor."""
    app = Cockpit(Session(load_profile("lab", str(lab.profile)).profile, config=str(lab.profile)))
    async with app.run_test(size=(120, 40)) as pilot:
        session = app.session
        await until(lambda: session.desk and session.executor, SECONDS, "journal and executor")
        await until(
            lambda: (reading := session.board.get(target)) and reading.snapshot is not None, SECONDS, "a reading"
        )
        yield app, pilot


async def planned(app: Cockpit, pilot: Pilot[None]) -> Plan:
    """The plan that the action's screen shows; the screen is left, and nothing was sent."""
    await until(lambda: isinstance(app.screen, ActionScreen) and app.screen._plan is not None, SECONDS, "the plan")
    assert isinstance(app.screen, ActionScreen)
    plan = app.screen._plan
    assert plan is not None and plan.refusal == "", plan
    await pilot.press("escape")
    await until(lambda: not isinstance(app.screen, ActionScreen), SECONDS, "the screen left")
    return plan


async def by_fix(app: Cockpit, pilot: Pilot[None], action: str) -> Plan:
    """``f`` and the fix's number, on the screen that is open."""
    await pilot.press("f")
    await until(lambda: isinstance(app.screen, FixesScreen) and app.screen._fixes, SECONDS, "the menu")
    assert isinstance(app.screen, FixesScreen)
    number = next(fix.number for fix in app.screen._fixes if fix.action_id == action)
    await pilot.press(str(number))
    return await planned(app, pilot)


async def by_palette(app: Cockpit, pilot: Pilot[None], words: str) -> Plan:
    await pilot.press("colon")
    await until(lambda: type(app.screen).__name__ == "CommandPalette", SECONDS, "the palette")
    await pilot.press(*("space" if letter == " " else letter for letter in words))
    await until(lambda: words in text_of(app).casefold(), SECONDS, "the entry")
    await pilot.press("enter")
    return await planned(app, pilot)


async def by_procedure(app: Cockpit, pilot: Pilot[None], procedure: str, step: str) -> Plan:
    """The step's own Enter, after the step that it needs, whatever else stands before it."""
    assert isinstance(app.screen, CockpitScreen)
    app.screen.open_procedure(procedure)
    await until(lambda: isinstance(app.screen, ProcedureScreen) and app.screen._engine, SECONDS, "the procedure")
    screen = app.screen
    assert isinstance(screen, ProcedureScreen)
    if needed := screen.procedure.step(step).needs:
        await walk_to(screen, pilot, needed)
        await pilot.press("enter")
        look = screen.procedure.step(needed)
        await until(lambda: screen.engine.step_record(look).state.settled, SECONDS, f"the step {needed}")
    await walk_to(screen, pilot, step)
    await pilot.press("enter")
    plan = await planned(app, pilot)
    await pilot.press("escape")
    return plan


async def walk_to(screen: ProcedureScreen, pilot: Pilot[None], step: str) -> None:
    steps = [one.id for one in screen.procedure.steps]
    while screen.step.id != step:
        await pilot.press("right" if steps.index(screen.step.id) < steps.index(step) else "left")


def unattended(lab: LabHandle, *arguments: str) -> dict[str, Any]:
    """The JSON of a headless command that was not agreed to: planned, and nothing sent."""
    result = alphapulse("--config", str(lab.profile), *arguments, "--json")
    assert result.code == ExitCode.REFUSED, result
    found: dict[str, Any] = json.loads(result.out)
    return found["steps"][0] if "steps" in found else found


async def test_the_policy_of_redis(redis_lab: LabHandle, state: Path) -> None:
    before = redis_lab.redis_cli(0, "CONFIG", "GET", "maxmemory-policy").split()[-1]
    for ordinal in range(6):
        redis_lab.redis_cli(ordinal, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    try:
        async with cockpit(redis_lab, "redis") as (app, pilot):
            start = app.screen
            assert isinstance(start, CockpitScreen)
            await pilot.press("4")
            plans = {"panel": await by_fix(app, pilot, "redis.set-policy")}
            start.open_detail("redis")
            await until(lambda: app.screen is not start, SECONDS, "the detail screen")
            plans["detail"] = await by_fix(app, pilot, "redis.set-policy")
            await pilot.press("escape")
            plans["palette"] = await by_palette(app, pilot, "fix redis: set allkeys-lru")
            plans["procedure"] = await by_procedure(app, pilot, "redis-memory", "set-policy")
        digests = {way: plan.digest() for way, plan in plans.items()}
        run = ("runbook", "run", "redis-memory", "--step", "set-policy")
        digests["runbook run"] = unattended(redis_lab, *run)["digest"]
        digests["act"] = unattended(redis_lab, "act", "redis.set-policy")["digest"]
        digests["act, written out"] = unattended(
            redis_lab, "act", "redis.set-policy", "--param", "policy=allkeys-lru", "--param", "persist=yes"
        )["digest"]
        assert len(set(digests.values())) == 1, (digests, plans)
        assert not [event for event in journal_of(state) if event.kind.value in ("intent", "sent")]

        done = alphapulse("--config", str(redis_lab.profile), "act", "redis.set-policy", "--yes", "--json")
        assert done.code == ExitCode.OK, done
        report = json.loads(done.out)
        assert report["verdict"] == "verified" and report["digest"] == digests["act"]
        policies = {redis_lab.redis_cli(n, "CONFIG", "GET", "maxmemory-policy").split()[-1] for n in range(6)}
        assert policies == {"allkeys-lru"}
        (intent,) = (event for event in journal_of(state) if event.kind.value == "intent")
        assert intent.payload["digest"] == digests["act"], "what a person confirmed is what ran"
    finally:
        for ordinal in range(6):
            redis_lab.redis_cli(ordinal, "CONFIG", "SET", "maxmemory-policy", before)


def what(plan: Plan) -> tuple[object, ...]:
    """All of a plan of PostgreSQL but what its sentences and checks say of ages and slots: those change from one way to the other."""
    victims = sorted((victim.key, victim.identity) for victim in plan.victims)
    return plan.action, plan.object, plan.risk, plan.params, victims, plan.preconditions, plan.call


async def test_forgotten_transactions(postgres_lab: LabHandle, state: Path) -> None:
    forgotten = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report-exporter' AND state LIKE 'idle in tr%'"
    )
    postgres_lab.break_("idle-in-transaction")
    old = f"{forgotten} AND now() - state_change > interval '6 seconds'"
    wait_until(
        lambda: 0 < int(postgres_lab.psql(old)) == int(postgres_lab.psql(forgotten)), 30, "sessions that idle too long"
    )
    action, step = "pg.terminate-idle-in-transaction", "end-idle-in-transaction"
    async with cockpit(postgres_lab, "postgres") as (app, pilot):
        await pilot.press("3")
        plans = {"panel": await by_fix(app, pilot, action)}
        plans["palette"] = await by_palette(app, pilot, "fix postgresql: terminate idle in")
        plans["procedure"] = await by_procedure(app, pilot, "pg-connections", step)
        executor = app.session.executor
        assert executor is not None
        alone = await executor.plan(action, {})
    assert alone.params["min_seconds"] == "5", "the lab's own threshold, written out"
    for way, plan in plans.items():
        assert what(plan) == what(alone), (way, what(plan), what(alone))


async def test_a_release_that_is_taken_back(platform: LabHandle, kubectl: Kubectl, state: Path) -> None:
    platform.break_("bad-release-errors")
    wait_until(lambda: all_ready(kubectl), 90, "the release rolled out, as a plan says how far it is")
    async with cockpit(platform, "kubernetes") as (app, pilot):
        start = app.screen
        assert isinstance(start, CockpitScreen)
        await pilot.press("6")
        plans = {"panel": await by_fix(app, pilot, "kubernetes.rollback")}
        start.open_detail("kubernetes")
        await until(lambda: app.screen is not start and "api-" in text_of(app), SECONDS, "the detail screen")
        await pilot.press("slash", *"api-", "enter")
        await until(lambda: "agent-workers-" not in text_of(app), SECONDS, "the API's pods alone")
        plans["detail"] = await by_fix(app, pilot, "kubernetes.rollback")
        await pilot.press("escape", "escape")
        await until(lambda: app.screen is start, SECONDS, "the cockpit")
        plans["palette"] = await by_palette(app, pilot, "fix pods: roll back api")
        plans["procedure"] = await by_procedure(app, pilot, "rollback-deployment", "roll-back")
    digests = {way: plan.digest() for way, plan in plans.items()}
    run = ("runbook", "run", "rollback-deployment", "--step", "roll-back")
    digests["runbook run"] = unattended(platform, *run)["digest"]
    digests["act"] = unattended(platform, "act", "kubernetes.rollback", "--param", "name=api")["digest"]
    assert len(set(digests.values())) == 1, (digests, plans)
    assert not [event for event in journal_of(state) if event.kind.value in ("intent", "sent")]


async def test_sealed_nodes(vault_lab: LabHandle, state: Path) -> None:
    vault_lab.break_("vault-sealed-all")
    async with cockpit(vault_lab, "vault") as (app, pilot):
        start = app.screen
        assert isinstance(start, CockpitScreen)
        await pilot.press("5")
        await until(lambda: "no quorum" in text_of(app), SECONDS, "the panel to see it")
        plans = {"panel": await by_fix(app, pilot, "vault.unseal")}
        start.open_detail("vault")
        await until(lambda: app.screen is not start, SECONDS, "the detail screen")
        plans["detail"] = await by_fix(app, pilot, "vault.unseal")
        await pilot.press("escape")
        plans["palette"] = await by_palette(app, pilot, "fix vault: unseal next node")
        every = {
            "palette": await by_palette(app, pilot, "fix vault: give one share to all"),
            "procedure": await by_procedure(app, pilot, "vault-sealed", "unseal"),
        }
        executor = app.session.executor
        assert executor is not None
        one, all_of_them = (
            await executor.plan("vault.unseal", {"node": "next"}),
            await executor.plan("vault.unseal", {}),
        )
    assert {way: plan.digest() for way, plan in plans.items()} == dict.fromkeys(plans, one.digest()), plans
    assert {way: plan.digest() for way, plan in every.items()} == dict.fromkeys(every, all_of_them.digest()), every
    assert not [event for event in journal_of(state) if event.kind.value in ("intent", "sent")]
