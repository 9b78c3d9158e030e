"""Redis is full: of one giant key, of data that grew, or under a policy that refuses; mended by keys, and ``redis-cli`` confirms."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.e2e.test_redis_split_brain import confirm_by_name, look
from tests.lab.test_redis_vault_faults import has_room, info, masters, owner, said, used
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

MB = 1024 * 1024


def diagnose(cockpit: CockpitTerminal) -> None:
    """The four looks."""
    cockpit.wait_live("Redis")
    cockpit.choose_procedure("redis-memory")
    look(cockpit, "Which nodes are full")
    look(cockpit, "What it does to the platform")
    look(cockpit, "What may be evicted")
    cockpit.wait_step("The largest keys")
    cockpit.wait_text("the largest is", timeout=60)
    cockpit.press("enter")


def set_limit(cockpit: CockpitTerminal, size: str) -> None:
    """Twice as much instead of the runbook's 2gb: the second of the sizes that are offered; half as much again would be full again."""
    cockpit.wait_step("Raise the limit on every node")
    cockpit.press("t")
    cockpit.wait_text("Memory limit of each node")
    cockpit.press("2")
    cockpit.wait_text(f"F2 {size}")
    cockpit.press("f2")
    cockpit.wait_text(f"bytes {size}")


def confirm(cockpit: CockpitTerminal) -> None:
    cockpit.press(cockpit.confirmation())
    cockpit.wait_text("verified:", "Esc back")
    cockpit.press("escape")


def leave_out_the_watch(cockpit: CockpitTerminal) -> None:
    """The last step takes minutes, and is walked to its end in one of the tests."""
    cockpit.wait_step("It stays that way")
    cockpit.press("b")
    cockpit.answer("left out?", "watched elsewhere")
    cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=60)


def setting(lab: LabHandle, name: str) -> set[str]:
    return {lab.redis_cli(ordinal, "config", "get", name).splitlines()[1] for ordinal in range(6)}


@pytest.mark.long
def test_a_giant_key_is_found_and_unlinked(redis_lab: LabHandle, state: Path) -> None:
    redis_lab.break_("redis-giant-key")
    node = owner(redis_lab, "positions:all")
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        diagnose(cockpit)
        cockpit.run_step("What to do first", "suggests: Unlink the giant key")
        cockpit.wait_step("Unlink the giant key")
        cockpit.wait_text("key positions:all")
        cockpit.press("enter")
        cockpit.wait_text("Deletes positions:all, a hash of", "type positions:all and Enter")
        cockpit.leave("Deletes positions:all")
        assert said(redis_lab, node, "exists", "positions:all") == "1", "cancelled"
        cockpit.press("enter")
        confirm_by_name(cockpit, "positions:all")
        assert said(redis_lab, node, "exists", "positions:all") == "0"
        cockpit.run_step("Was that enough", "suggests: There is room")
        cockpit.run_step("There is room", "ok: ")
        leave_out_the_watch(cockpit)
        assert has_room(redis_lab)
        (proof,) = cockpit.journal(Kind.VERIFIED)
        assert proof.payload["before"]["key"].startswith("hash of") and proof.payload["after"]["key"] == "none"
        assert_recorded(cockpit, "redis-memory", "redis.unlink")


@pytest.mark.long
@pytest.mark.timeout(480)
def test_a_cache_that_grew_gets_more_memory_on_every_node(redis_lab: LabHandle, state: Path) -> None:
    redis_lab.break_("redis-memory-pressure")
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        diagnose(cockpit)
        cockpit.run_step("What to do first", "suggests: Raise the limit on every node")
        set_limit(cockpit, "128mb")
        cockpit.press("enter")
        cockpit.wait_text("Sets maxmemory from 64.0 MiB to 128.0 MiB on 6 of 6 nodes")
        confirm(cockpit)
        assert setting(redis_lab, "maxmemory") == {str(128 * MB)}
        wait_until(lambda: all(used(redis_lab, ordinal) < 0.8 for ordinal in masters(redis_lab)), 30, "room")
        cockpit.run_step("Was that enough", "suggests: There is room")
        cockpit.run_step("There is room", "ok: ")
        cockpit.wait_step("It stays that way")
        cockpit.press("enter")
        cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=280)
        before = {ordinal: info(redis_lab, ordinal, "stats")["evicted_keys"] for ordinal in masters(redis_lab)}
        (outcome,) = cockpit.journal(Kind.OUTCOME)
        assert all("written to its configuration file" in text for text in outcome.payload["details"].values())
        after = {ordinal: info(redis_lab, ordinal, "stats")["evicted_keys"] for ordinal in masters(redis_lab)}
        assert before == after
        assert_recorded(cockpit, "redis-memory", "redis.set-maxmemory")


@pytest.mark.long
def test_a_policy_that_refuses_is_changed_on_every_node_then_there_is_more_memory(
    redis_lab: LabHandle, state: Path
) -> None:
    redis_lab.break_("redis-wrong-policy")
    node = owner(redis_lab, "tenant:00002")
    # What the node's clients hold comes and goes: a write may just fit in.
    wait_until(
        lambda: "OOM command not allowed" in said(redis_lab, node, "set", "{tenant:00002}x", "1"), 10, "a refused write"
    )
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        diagnose(cockpit)
        cockpit.run_step("What to do first", "suggests: Set the policy on every node")
        cockpit.run_step("Set the policy on every node", "Enter plans it")
        cockpit.wait_text("from noeviction to allkeys-lru on 6 of 6 nodes")
        confirm_by_name(cockpit, "redis")
        assert setting(redis_lab, "maxmemory-policy") == {"allkeys-lru"}
        wait_until(lambda: said(redis_lab, node, "set", "{tenant:00002}x", "1", "ex", "5") == "OK", 10, "a write")
        cockpit.run_step("Is there still too little memory", "suggests: Raise the limit on every node")
        set_limit(cockpit, "128mb")
        cockpit.press("enter")
        confirm(cockpit)
        cockpit.run_step("Was that enough", "suggests: There is room")
        cockpit.run_step("There is room", "ok: ")
        leave_out_the_watch(cockpit)
        assert_recorded(cockpit, "redis-memory", "redis.set-policy", "redis.set-maxmemory")
