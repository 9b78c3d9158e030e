"""The cluster is torn, headless or has holes; an engineer mends it by the procedure's keys, and ``redis-cli`` says that it is one again."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import assert_recorded
from tests.lab.test_redis_vault_faults import agrees_again, has_two_sides, masters, redis_is_well, serves_the_key_again
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

WHOLE = ("suggests: All views are one",)


def open_procedure(cockpit: CockpitTerminal, *verdict: str) -> None:
    """From the verdict to the third step: what the nodes say, and where they differ."""
    cockpit.wait_live("Redis")
    cockpit.wait_verdict(*verdict, "p: redis-split-brain")
    cockpit.press("p")
    cockpit.run_step("What each node says", "bad: ")
    cockpit.run_step("Where their views differ", "bad: ")


def look(cockpit: CockpitTerminal, title: str) -> None:
    """Record a diagnosis, whatever it says, once it says something."""
    cockpit.wait_step(title)
    cockpit.wait_until(lambda screen: "ok: " in screen or "bad: " in screen, 60, f"what {title!r} finds")
    cockpit.press("enter")


def confirm_by_name(cockpit: CockpitTerminal, name: str) -> None:
    """Type a destructive plan's word, and go back when the target has said that it is done."""
    cockpit.wait_text(f"type {name} and Enter")
    cockpit.let_it_hear()
    cockpit.send(name)
    cockpit.press("enter")
    cockpit.wait_text("verified:", "Esc back")
    cockpit.press("escape")


def set_value(cockpit: CockpitTerminal, place: int, question: str, value: str, shown: str) -> None:
    """Type a value that the steps use: the one in that ``place`` of the list."""
    cockpit.press("t")
    cockpit.wait_text("Which value")
    cockpit.press(str(place))
    cockpit.wait_text(question)
    cockpit.let_it_hear()
    cockpit.send(value)
    cockpit.press("enter")
    cockpit.wait_text(shown)


def say_who_agreed(cockpit: CockpitTerminal) -> None:
    """The second person of a failover that may lose something."""
    set_value(cockpit, 2, "Who else agreed", "bo", "agreed_with bo")


def finish(cockpit: CockpitTerminal) -> None:
    """The proof, and ten seconds of it."""
    cockpit.run_step("Are there ghosts", *WHOLE)
    cockpit.wait_step("All views are one")
    cockpit.wait_text("ok: all 6 views agree")
    cockpit.press("enter")
    cockpit.wait_step("They stay one")
    cockpit.press("enter")
    cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=90)


@pytest.mark.long
def test_a_dead_master_is_replaced_by_force_at_the_right_replica(redis_lab: LabHandle, state: Path) -> None:
    dead, replica = (word.strip(",") for word in redis_lab.break_("redis-no-successor").split()[1:6:4])
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        open_procedure(cockpit, "cluster_state is not ok")
        cockpit.run_step("Who leads, and who may decide", "suggests: Force a failover at the right replica")
        cockpit.wait_step("Force a failover at the right replica")
        cockpit.wait_text(f"replica {replica}")
        say_who_agreed(cockpit)
        cockpit.press("enter")
        cockpit.wait_text("MAY BE LOST", f"type {dead} and Enter")
        cockpit.leave("MAY BE LOST")
        assert cockpit.journal(Kind.INTENT) == [], "cancelled"
        cockpit.press("enter")
        confirm_by_name(cockpit, dead)
        ordinal = int(replica.rpartition("-")[2])
        assert redis_lab.redis_cli(ordinal, "role").startswith("master")
        assert "cluster_state:ok" in redis_lab.redis_cli(ordinal, "cluster", "info")
        cockpit.run_step("Does every shard lead again", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Are there ghosts")
        assert redis_lab.mend() == ["redis-no-successor"]  # The pod's trouble ends; it comes back as a replica.
        finish(cockpit)
        assert redis_is_well(redis_lab)
        (proof,) = cockpit.journal(Kind.VERIFIED)
        assert proof.payload["verdict"] == "verified"
        assert dead not in proof.payload["after"]["masters"] and replica in proof.payload["after"]["masters"]
        (intent,) = cockpit.journal(Kind.INTENT)
        assert intent.payload["plan"]["params"]["agreed_with"] == "bo"
        assert proof.payload["before"]["cluster_state"] == "fail" and proof.payload["after"]["cluster_state"] == "ok"
        assert_recorded(cockpit, "redis-split-brain", "redis.failover-force")


@pytest.mark.long
def test_a_partition_is_seen_from_both_sides_and_healed(redis_lab: LabHandle, state: Path) -> None:
    redis_lab.break_("redis-partition")
    wait_until(lambda: has_two_sides(redis_lab), 20, "two sides")
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        open_procedure(cockpit, "SPLIT BRAIN")
        cockpit.run_step("Who leads, and who may decide", "suggests: Heal the network")
        cockpit.wait_step("Heal the network, or bring the pod back")
        assert redis_lab.mend() == ["redis-partition"]
        cockpit.press("enter")
        cockpit.answer("What was done or found?", "a network policy was taken back")
        cockpit.run_step("Who leads now", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Are there ghosts")
        finish(cockpit)
        assert agrees_again(redis_lab)
        assert cockpit.journal(Kind.INTENT) == [], "nothing was sent: the newer epoch won by itself"
        assert_recorded(cockpit, "redis-split-brain")


@pytest.mark.long
def test_open_and_uncovered_slots_are_mended_without_losing_a_key(redis_lab: LabHandle, state: Path) -> None:
    redis_lab.break_("redis-slots-uncovered")
    with CockpitTerminal(redis_lab.profile, state) as cockpit:
        open_procedure(cockpit, "cluster_state is not ok")
        cockpit.run_step("Who leads, and who may decide", "suggests: Are all slots owned and settled")
        cockpit.run_step("Are all slots owned and settled", "suggests: Close open slots")
        cockpit.run_step("Close open slots", "Enter plans it")
        cockpit.wait_text("Closes slot 3300")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "Esc back")
        cockpit.press("escape")
        cockpit.run_step("Is a slot still without an owner", "suggests: Give slots back to who has their keys")
        cockpit.run_step("Give slots back to who has their keys", "Enter plans it")
        cockpit.wait_text("tenant:00002")
        confirm_by_name(cockpit, "slots")
        cockpit.run_step("Is a master gone with its slots", "suggests: Are there ghosts")
        finish(cockpit)
        assert serves_the_key_again(redis_lab)
        assert_recorded(cockpit, "redis-split-brain", "redis.close-slots", "redis.cover-slots")


@pytest.mark.long
def test_a_master_that_was_replaced_by_itself_needs_no_hand(redis_lab: LabHandle, state: Path) -> None:
    redis_lab.break_("redis-master-killed")
    with CockpitTerminal(redis_lab.profile, state, columns=160, lines=45) as cockpit:
        cockpit.wait_live("Redis")
        cockpit.wait_verdict("has failed")
        cockpit.choose_procedure("redis-split-brain")
        look(cockpit, "What each node says")
        look(cockpit, "Where their views differ")
        cockpit.run_step("Who leads, and who may decide", "ok: every shard has a master that the majority knows")
        cockpit.run_step("Are all slots owned and settled", "suggests: Are there ghosts")
        assert redis_lab.mend() == ["redis-master-killed"]
        finish(cockpit)
        assert len(masters(redis_lab)) == 3
        assert_recorded(cockpit, "redis-split-brain")


@pytest.mark.long
def test_from_the_row_of_a_replica_its_shard_changes_hands_and_back(redis_lab: LabHandle, state: Path) -> None:
    replica = next(ordinal for ordinal in range(6) if ordinal not in masters(redis_lab))
    with CockpitTerminal(redis_lab.profile, state, columns=160, lines=45) as cockpit:
        cockpit.wait_live("Redis")
        cockpit.press("4", "enter")
        cockpit.wait_text("[nodes]", f"redis-cluster-{replica}  replica")
        cockpit.press(*["down"] * replica, "f")
        cockpit.wait_text(f"fail over gracefully: redis-cluster-{replica} instead of")
        cockpit.press("1")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_text("verified:", "undoes it")
        assert redis_lab.redis_cli(replica, "role").startswith("master")
        wait_until(lambda: redis_is_well(redis_lab) and _all_follow(redis_lab), 30, "the old master as a replica")
        cockpit.press("z")
        cockpit.press(cockpit.confirmation())
        cockpit.wait_journal(Kind.VERIFIED, 2, timeout=60)
        cockpit.wait_text("undoes it")
        cockpit.press("escape")
        cockpit.wait_text("undone, and verified")
        assert redis_lab.redis_cli(replica, "role").startswith("slave")
        cockpit.leave("undone, and verified")
        assert_recorded(cockpit, "", "redis.failover", "redis.failover")


def _all_follow(lab: LabHandle) -> bool:
    """Whether every replica has its link."""
    return all("master_link_status:down" not in lab.redis_cli(ordinal, "info", "replication") for ordinal in range(6))
