"""What the views say when they are laid side by side: majority, two sides, dead masters, slots, ghosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alphapulse_tui.model.redis import ClusterMember, RedisNode
from alphapulse_tui.model.redis_cluster import (
    contested,
    counting,
    cut_off,
    forgetful,
    ghosts,
    gone_for_most,
    joined,
    leadership,
    lost_masters,
    maybe_masters,
    open_slots,
    uncovered,
    unheard,
    unled,
    votes,
)
from tests.model.rules.test_redis import WELL, member

NODES = WELL.nodes


def flagged(nodes: tuple[RedisNode, ...], who: int, flag: str, seen_by: tuple[int, ...]) -> tuple[RedisNode, ...]:
    """``who`` with one more flag in the views of ``seen_by``."""
    changed = list(nodes)
    for place in seen_by:
        view = tuple(
            replace(one, flags=(*one.flags, flag)) if one.node_id == f"id{who}" else one for one in changed[place].view
        )
        changed[place] = replace(changed[place], view=view)
    return tuple(changed)


def silent(nodes: tuple[RedisNode, ...], *places: int) -> tuple[RedisNode, ...]:
    """These nodes do not answer us."""
    return tuple(
        RedisNode(node.name, node.address, problem="no answer") if place in places else node
        for place, node in enumerate(nodes)
    )


def test_a_whole_cluster_has_nothing_to_tell():
    assert leadership(NODES) == "ok" and counting(NODES) == list(NODES)
    assert (contested(NODES), cut_off(NODES), lost_masters(NODES), open_slots(NODES), uncovered(NODES)) == (
        (),
        [],
        [],
        (),
        (),
    )
    assert (ghosts(NODES), unheard(NODES)) == ([], [])
    assert (votes(NODES[0]).alive, votes(NODES[0]).of, votes(NODES[0]).needed) == (3, 3, 2)


def test_a_dead_master_is_lost_with_its_best_replica_first():
    nodes = flagged(silent(NODES, 0), 0, "fail", (1, 2, 3, 4, 5))
    nodes = tuple(replace(one, master_id="id0", offset=7) if one.name in ("n3", "n4") else one for one in nodes)
    nodes = tuple(replace(one, offset=9) if one.name == "n4" else one for one in nodes)
    (lost,) = lost_masters(nodes)
    assert (lost.name, lost.slots, lost.answers) == ("n0", ((0, 5460),), False)
    assert [one.name for one in lost.replicas] == ["n4", "n3"]
    assert leadership(nodes) == "master-down"
    gone = flagged(silent(NODES, 0, 3), 0, "fail", (1, 2, 4, 5))
    assert leadership(gone) == "master-lost"


def test_without_a_majority_nobody_may_decide():
    nodes = silent(NODES, 0, 1)
    for who in (0, 1):
        nodes = flagged(nodes, who, "fail?", (2, 3, 4, 5))
    assert leadership(nodes) == "no-majority" and not votes(nodes[2]).majority
    assert lost_masters(nodes) == [], "a suspicion is no failure"
    assert [(one.name, one.replicas[0].name) for one in unled(nodes)] == [("n0", "n3"), ("n1", "n4")]
    alive = flagged(NODES, 0, "fail?", (1, 2, 3, 4, 5))
    assert unled(alive) == [], "a majority can say whether it has failed"
    apart = NODES
    for who in (0, 1):
        apart = flagged(apart, who, "fail?", (2, 3, 4, 5))
    apart = flagged(flagged(apart, 1, "fail?", (0,)), 2, "fail?", (0, 1))
    assert unled(flagged(apart, 0, "fail?", (1,))) == [], "both answer us"


def test_a_master_that_is_cut_off_answers_us_and_is_failed_for_the_others():
    nodes = flagged(NODES, 0, "fail", (1, 2, 3, 4, 5))
    for who in (1, 2):
        nodes = flagged(nodes, who, "fail?", (0,))
    assert [node.name for node in cut_off(nodes)] == ["n0"] and leadership(nodes) == "partition"


def test_two_owners_of_one_slot_are_two_sides():
    snapshot = member(WELL, range(3, 6), 0, slots=())
    snapshot = member(snapshot, range(3, 6), 3, slots=((0, 5460),), flags=("master",))
    assert len(contested(snapshot.nodes)) == 5461 and leadership(snapshot.nodes) == "partition"


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        ({0: "[7->-id1]", 1: "[7-<-id0]"}, (7, "id0", "id1")),
        ({0: "[7->-id1]"}, (7, "id0", "id1")),
        ({1: "[7-<-id0]"}, (7, "id0", "id1")),
        ({3: "[7->-id1]"}, None),
        ({0: "odd"}, None),
    ],
)
def test_open_slots_are_taken_from_the_masters_own_lines(marks, found):
    nodes = list(NODES)
    for place, mark in marks.items():
        view = tuple(replace(one, open_slots=(mark,)) if "myself" in one.flags else one for one in nodes[place].view)
        nodes[place] = replace(nodes[place], view=view)
    opened = open_slots(nodes)
    assert [(one.slot, one.owner_id, one.importer_id) for one in opened] == ([found] if found else [])


def test_a_slot_of_nobody_and_a_silent_living_node():
    nodes = member(WELL, range(6), 0, slots=((0, 99), (101, 5460))).nodes
    assert uncovered(nodes) == (100,)
    assert [one.node_id for one in unheard(silent(NODES, 4))] == ["id4"] and leadership(
        silent(NODES, 4)
    ) == "unreachable"
    assert unheard(flagged(silent(NODES, 4), 4, "fail", (0, 1, 2, 3, 5))) == []


def test_one_view_alone_makes_no_ghost():
    ghost = ClusterMember("idx", "10.0.0.9:6379", ("slave", "fail"), "", 0, "disconnected", ())
    alive = replace(ghost, flags=("slave",), link="connected")
    for few, found in ((3, []), (4, ["idx"])):
        nodes = [replace(node, view=(*node.view, ghost if place < few else alive)) for place, node in enumerate(NODES)]
        assert [one.node_id for one in ghosts(nodes)] == found
    # Those that have forgotten it do not vote for it.
    nodes = [replace(node, view=(*node.view, ghost)) if place == 5 else node for place, node in enumerate(NODES)]
    assert [one.node_id for one in ghosts(nodes)] == ["idx"]
    assert not gone_for_most(flagged(NODES, 4, "fail?", (0, 1, 2, 3, 5)), "id4"), "a suspicion is no failure"


def test_a_silent_node_may_be_a_master_unless_all_have_it_as_a_replica():
    assert maybe_masters(NODES) == [] and maybe_masters(silent(NODES, 4)) == []
    slotless = member(WELL, range(6), 0, slots=()).nodes
    assert [one.name for one in maybe_masters(silent(slotless, 0, 4))] == ["n0"]
    torn = member(WELL, range(2), 4, flags=("master",)).nodes
    assert [one.name for one in maybe_masters(silent(torn, 4))] == ["n4"], "one view has it as a master"
    # Announced under another address than the profile's: as many silent replicas as silent nodes, or it may be anything.
    elsewhere = tuple(replace(one, address="pod:6379") if one.problem else one for one in silent(NODES, 4))
    assert maybe_masters(elsewhere) == []
    elsewhere = tuple(replace(one, address="pod:6379") if one.problem else one for one in silent(slotless, 0))
    assert [one.name for one in maybe_masters(elsewhere)] == ["n0"]
    forgotten = (*NODES, RedisNode("n6", "h:6", problem="no answer"))
    assert [one.name for one in maybe_masters(forgotten)] == ["n6"], "it is in nobody's view: who knows what it is"


@pytest.mark.parametrize(
    ("flags", "address", "slots", "is_one"),
    [
        (("slave", "noaddr"), "", (), True),
        (("slave", "fail"), "10.0.0.9:6379", (), True),
        (("slave", "fail"), "h:4", (), False),
        (("master", "fail"), "10.0.0.9:6379", ((1, 2),), False),
        (("handshake", "noaddr"), "", (), False),
        (("slave",), "10.0.0.9:6379", (), False),
    ],
)
def test_a_ghost_is_gone_for_good_and_owns_nothing(flags, address, slots, is_one):
    ghost = ClusterMember("idx", address, flags, "", 0, "disconnected", slots)
    nodes = [replace(node, view=(*node.view, ghost)) for node in NODES]
    assert [one.node_id for one in ghosts(nodes)] == (["idx"] if is_one else [])


def test_a_node_that_forgot_a_living_master_is_named_with_the_slots():
    """All slots are owned in the views taken together, and yet ``n0`` serves nobody: cluster_state fail, and no fault of the master's."""
    forgot = replace(NODES[0], view=tuple(one for one in NODES[0].view if one.node_id != "id2"))
    nodes = (forgot, *NODES[1:])
    assert forgetful(NODES) == [] and uncovered(nodes) == ()
    assert [(name, joined(slots)) for name, slots in forgetful(nodes)] == [("n0", ((10923, 16383),))]
    assert leadership(nodes) == "forgotten"
