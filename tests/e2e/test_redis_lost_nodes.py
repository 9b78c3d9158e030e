"""Redis nodes are gone: most masters at once, a whole shard, or one whose name stays behind; mended by keys, and ``redis-cli`` confirms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.e2e.test_redis_split_brain import confirm_by_name, finish, look, open_procedure, say_who_agreed, set_value
from tests.lab.test_redis_vault_faults import has_six_members, masters, redis_is_well, said
from tests.lab_handle import LabHandle, running_lab

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(300)]


def chosen_replica(cockpit: CockpitTerminal) -> int:
    """The ordinal of the replica that the step offers."""
    found = re.search(r"replica redis-cluster-(\d)", cockpit.wait_text("replica redis-cluster-"))
    assert found is not None
    return int(found[1])


def test_without_a_majority_one_takes_over_and_the_next_is_put_to_the_vote(redis_lab: LabHandle, state: Path) -> None:
    first, second, *replicas = re.findall(r"redis-cluster-\d", redis_lab.break_("redis-majority-lost"))
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        open_procedure(cockpit, "cluster_state is not ok")
        cockpit.run_step("Who leads, and who may decide", "suggests: Fence the other side")
        cockpit.run_step("Fence the other side")
        cockpit.answer("What was done or found?", "both hosts are switched off")
        cockpit.wait_step("Take over without votes")
        replica = chosen_replica(cockpit)
        dead, other = (first, second) if f"redis-cluster-{replica}" == replicas[0] else (second, first)
        say_who_agreed(cockpit)
        cockpit.press("enter")
        cockpit.wait_text("proves nothing", f"type {dead} and Enter")
        assert "master" not in redis_lab.redis_cli(replica, "role").splitlines()[0]
        confirm_by_name(cockpit, dead)
        assert redis_lab.redis_cli(replica, "role").startswith("master")
        cockpit.run_step("Is there a majority again", "suggests: Force a failover at the right replica")
        cockpit.wait_step("Force a failover at the right replica")
        left = chosen_replica(cockpit)
        assert {f"redis-cluster-{one}" for one in (replica, left)} == set(replicas)
        cockpit.press("enter")
        cockpit.wait_text("agreed with bo", f"type {other} and Enter")
        confirm_by_name(cockpit, other)
        assert redis_lab.redis_cli(left, "role").startswith("master")
        cockpit.run_step("Does every shard lead again", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Are there ghosts")
        assert redis_lab.mend() == ["redis-majority-lost"]  # Their hosts are back; they come back as replicas.
        finish(cockpit)
        assert redis_is_well(redis_lab) and sorted(masters(redis_lab)) != sorted([int(first[-1]), int(second[-1])])
        assert_recorded(cockpit, "redis-split-brain", "redis.failover-takeover", "redis.failover-force")


def test_a_ghost_is_forgotten_by_every_node(redis_lab: LabHandle, state: Path) -> None:
    ghost = redis_lab.break_("redis-ghost").split()[-4]
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        cockpit.wait_live("Redis")
        cockpit.choose_procedure("redis-split-brain")
        look(cockpit, "What each node says")
        cockpit.run_step("Where their views differ", "bad: ", ghost)
        cockpit.run_step("Who leads, and who may decide", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Are there ghosts")
        cockpit.run_step("Are there ghosts", "suggests: Forget ghosts on every node")
        cockpit.run_step("Forget ghosts on every node", "Enter plans it")
        cockpit.wait_text("Has 5 nodes forget", ghost)  # The new one never heard of it.
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "Esc back")
        assert has_six_members(redis_lab)
        cockpit.press("escape")
        finish_from_agreement(cockpit)
        assert redis_is_well(redis_lab)
        assert_recorded(cockpit, "redis-split-brain", "redis.forget")


def finish_from_agreement(cockpit: CockpitTerminal) -> None:
    """The proof alone: whether there are ghosts was asked before."""
    cockpit.wait_step("All views are one")
    cockpit.wait_text("ok: all 6 views agree")
    cockpit.press("enter")
    cockpit.wait_step("They stay one")
    cockpit.press("enter")


def plan_once_all_agree(cockpit: CockpitTerminal, *words: str) -> None:
    """Plan, and again while it is refused: on a busy machine two masters may hold each other for silent for a moment."""
    for _ in range(5):
        cockpit.press("enter")
        if "not possible now" not in cockpit.wait_until(
            lambda screen: "not possible now" in screen or all(word in screen for word in words), 30, f"{words}"
        ):
            return
        cockpit.leave("not possible now")
    raise AssertionError(f"refused again and again:\n{cockpit.screen}")


@pytest.fixture
def own_lab() -> Iterator[LabHandle]:
    """A Redis of this test's own: afterwards it has another shape."""
    with running_lab("redis") as lab:
        yield lab


def test_the_slots_of_a_lost_shard_are_given_away(own_lab: LabHandle, state: Path) -> None:
    lost, replica = re.findall(r"redis-cluster-\d", own_lab.break_("redis-shard-lost"))
    left = [ordinal for ordinal in range(6) if ordinal not in (int(lost[-1]), int(replica[-1]))]
    with CockpitTerminal(own_lab.profile, state) as cockpit:
        open_procedure(cockpit, "cluster_state is not ok")
        cockpit.run_step("Who leads, and who may decide", "suggests: Heal the network, or bring the pod back")
        cockpit.run_step("Heal the network, or bring the pod back")
        cockpit.answer("What was done or found?", "both hosts burnt, volumes included")
        cockpit.run_step("Who leads now", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Give away the slots of a master that is gone")
        cockpit.wait_step("Give away the slots of a master that is gone")
        set_value(cockpit, 3, "Master that is gone", lost, f"gone {lost}")
        plan_once_all_agree(cockpit, "LOST FOR GOOD", f"type {lost} and Enter")
        cockpit.leave("LOST FOR GOOD")
        assert "CLUSTERDOWN" in said(own_lab, left[0], "get", "tenant:00002"), "cancelled"
        plan_once_all_agree(cockpit, "LOST FOR GOOD")
        confirm_by_name(cockpit, lost)
        assert all("cluster_state:ok" in own_lab.redis_cli(ordinal, "cluster", "info") for ordinal in left)
        cockpit.wait_step("Put new nodes in the lost ones' place")
        assert own_lab.mend() == ["redis-shard-lost"]  # The administrator's part.
        cockpit.press("enter")
        cockpit.answer("What was done or found?", "two empty nodes were added as replicas")
        finish(cockpit)
        assert has_six_members(own_lab) and len(masters(own_lab)) == 2
        assert_recorded(cockpit, "redis-split-brain", "redis.cover-slots")
