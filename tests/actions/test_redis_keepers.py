"""Who is asked for keys before slots are given away: every master, whatever it is said to own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_keepers import find_keepers
from alphapulse_tui.actions.redis_node import Cluster, Link
from alphapulse_tui.model.redis_cluster import uncovered
from tests.actions.redis_cases import profile_of
from tests.model.rules.test_redis import WELL, member

LOST = member(WELL, range(6), 0, slots=()).nodes
"""The first master has lost all its slots in every view, its own too."""


def cluster_with(monkeypatch: pytest.MonkeyPatch, keys: dict[tuple[str, int], int]) -> Cluster:
    """A cluster whose nodes n0 to n5 have ``keys``: node and slot to how many."""

    class Recorded(Link):
        async def ask(self, *commands: Sequence[str | int]) -> list[Any]:
            if commands[0][1] == "GETKEYSINSLOT":
                return [[f"key of {commands[0][2]}"]]
            return [keys.get((self.name, int(words[2])), 0) for words in commands]

    cluster = Cluster(profile_of(range(6)))
    made = {f"n{place}": cluster.link(f"redis-{place}").address for place in range(6)}
    links = {
        name: Recorded(type(address)(name, address.host, address.port), cluster.target)
        for name, address in made.items()
    }
    monkeypatch.setattr(cluster, "link", links.__getitem__)
    return cluster


async def test_a_master_that_lost_all_its_slots_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = cluster_with(monkeypatch, {("n0", 7): 3})
    slots = uncovered(LOST)
    assert len(slots) == 5461
    found = {keeper.node.name: keeper for keeper in await find_keepers(cluster, LOST, slots)}
    assert (found["n0"].slots, found["n0"].keys, found["n0"].examples) == (((7, 7),), 3, ("key of 7",))
    assert found["n2"].slots == ((0, 6), (8, 5460)), "what is empty goes to the one that owns least, and owns some"


async def test_two_that_have_keys_are_seen_though_one_owns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = cluster_with(monkeypatch, {("n0", 7): 3, ("n1", 7): 1})
    with pytest.raises(ActionProblem, match="n0 and n1 both have keys of slot 7"):
        await find_keepers(cluster, LOST, [7])
