"""The sources against the lab's real servers: they say what psql, redis-cli, bao and kubectl say, and a frozen target is stale in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.model.reading import Link
from alphapulse_tui.sources.build import RECIPES, SourceLoop, make_sources, read_once
from tests.cli.program import alphapulse
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle
from tests.matrix import quick
from tests.waiting import until, wait_until

__all__ = ["kubectl"]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

FROZEN = {
    "postgres": "postgres",
    "redis": "redis",
    "vault": "vault",
    "kubernetes": "kubernetes",
    "prometheus": "platform",
    "alertmanager": "alerts",
}
"""The lab's target and the board's that must notice."""


def full_status(lab: LabHandle) -> dict[str, Any]:
    """``status --json`` of a run in which every target was read: on a machine that others use too, imports alone may take the deadline."""
    told: dict[str, Any] = {}

    def complete() -> bool:
        told.update(status(lab))
        return {target["link"] for target in told.values()} == {"live"}

    wait_until(complete, 60, "a status of every target")
    return told


def status(lab: LabHandle) -> dict[str, Any]:
    """``status --json`` by target."""
    result = alphapulse("--config", str(lab.profile), "status", "--json")
    report = json.loads(result.out)
    assert result.code == {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}[report["health"]]
    return {target["target"]: target for target in report["targets"]}


def leaving(kubectl: Kubectl) -> list[str]:
    """Pods that were told to go and are still there: the next look would not find them."""
    pods = (pod["metadata"] for pod in kubectl.get("pods")["items"])
    return [pod["name"] for pod in pods if "deletionTimestamp" in pod]


def test_status_agrees_with_every_independent_client(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    lab = whole_lab
    lab.wait()
    wait_until(lambda: not leaving(kubectl), 60, "the pods of the test before to be gone")
    told = full_status(lab)
    postgres = told["postgres"]["figures"]
    assert str(postgres["server_version"]) == lab.psql("SHOW server_version_num")
    reserve = "current_setting('superuser_reserved_connections')::int + current_setting('reserved_connections')::int"
    assert postgres["usable"] == int(lab.psql(f"SELECT current_setting('max_connections')::int - ({reserve})"))
    assert [replica["receiver"] for replica in postgres["replicas"]] == ["streaming"]

    for place, node in enumerate(told["redis"]["figures"]["nodes"]):
        assert f"role:{node['role']}" in lab.redis_cli(place, "info", "replication")
        assert f"cluster_state:{node['cluster_state']}" in lab.redis_cli(place, "cluster", "info")

    for place, node in enumerate(told["vault"]["figures"]["nodes"]):
        said = json.loads(lab.bao(place, "status", "-format=json").stdout)
        assert (node["sealed"], node["threshold"], node["progress"]) == (said["sealed"], said["t"], said["progress"])

    pods = {pod["metadata"]["name"] for pod in kubectl.get("pods")["items"]}
    assert told["kubernetes"]["figures"]["pods"] == len(pods)
    deployments = {
        one["metadata"]["name"]: one["status"].get("readyReplicas", 0) for one in kubectl.get("deployments")["items"]
    }
    assert {
        one["name"]: one["ready"] for one in told["kubernetes"]["figures"]["workloads"] if one["kind"] == "Deployment"
    } == deployments


@pytest.mark.long
def test_a_sealed_node_is_told_with_its_procedure(whole_lab: LabHandle) -> None:
    whole_lab.break_("vault-sealed-one")
    vault = full_status(whole_lab)["vault"]
    sealed = [node["name"] for node in vault["figures"]["nodes"] if node["sealed"]]
    assert len(sealed) == 1
    assert ("vault-sealed", sealed[0]) in {(found["procedure"], found["subject"]) for found in vault["findings"]}


@contextlib.asynccontextmanager
async def running(lab: LabHandle) -> AsyncIterator[tuple[Board, dict[str, SourceLoop[Any]]]]:
    """Every source's loop on the lab, as the cockpit runs them."""
    board = Board()
    profile = load_profile("lab", str(lab.profile)).profile
    loops = {source.target: SourceLoop(source, board) for source in make_sources(profile)}
    tasks = [asyncio.create_task(loop.run()) for loop in loops.values()]
    try:
        yield board, loops
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def live(board: Board, target: str) -> bool:
    reading = board.get(target)
    return reading is not None and reading.link_at(board.clock()) is Link.LIVE


def whole(board: Board, target: str) -> bool:
    """Live, and no part of it silent."""
    reading = board.get(target)
    return live(board, target) and reading is not None and not getattr(reading.snapshot, "problem", "") and not getattr(
        reading.snapshot, "unreachable", ()
    )  # fmt: skip


@pytest.mark.parametrize("frozen", quick(FROZEN, {"postgres"}))
async def test_a_frozen_target_is_noticed_in_two_intervals_and_delays_nobody(
    whole_lab: LabHandle, kubectl: Kubectl, frozen: str
) -> None:
    lab, noticing = whole_lab, FROZEN[frozen]
    interval = {recipe.target: recipe.interval for recipe in RECIPES}
    async with running(lab) as (board, loops):
        await until(lambda: all(whole(board, target) for target in loops), 60, "every target live")
        await asyncio.to_thread(lab.break_, "target-hung", frozen)
        started = time.monotonic()
        others = [target for target in loops if target not in (noticing, "platform", "alerts")]
        late: set[str] = set()

        def noticed() -> bool:
            late.update(target for target in others if not live(board, target))
            return not whole(board, noticing)

        # The last value may be as young as nothing: two intervals, the moment of looking, and a machine that others use too.
        await until(noticed, 2 * interval[noticing] + 3.0, f"{noticing} to be stale")
        assert time.monotonic() - started < 2 * interval[noticing] + 3.0
        # Pods of a frozen target may fail their probes; the *reading* of the other targets goes on.
        assert late == set()
        await asyncio.to_thread(lab.mend, "target-hung", frozen)
        loops[noticing].refresh()
        await until(lambda: whole(board, noticing), 40, f"{noticing} live again")


async def test_once_is_enough_for_every_target(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    whole_lab.wait()
    board = await read_once(load_profile("lab", str(whole_lab.profile)).profile, 10.0)
    assert {target: reading.link for target, reading in board.readings.items()} == dict.fromkeys(
        (recipe.target for recipe in RECIPES), Link.LIVE
    )
