"""Where a roll back leads to, and which release the trouble is laid to, after somebody has gone back once already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alphapulse_tui.model.api_cause import came_at, suspect_release
from alphapulse_tui.model.kubernetes import Pod, Revision, Workload, release_before, ways_back

NOW = 1_000_000.0


def revision(number: int, image: str, age: float, restart: str = "", returned: bool = False) -> Revision:
    """One that came ``age`` seconds ago."""
    name = f"api-{number}-{age:.0f}"
    return Revision(number, f"api:{image}", "", NOW - age, 0, name, restart=restart, returned=returned)


def workload(*revisions: Revision, progressed: float | None = None) -> Workload:
    return Workload("Deployment", "api", "u", 1, 1, 3, 3, 3, 3, "api:x", revisions=revisions, progressed_at=progressed)


def pod(revision: Revision, age: float) -> Pod:
    name = f"{revision.replica_set}-x"
    return Pod(name, name, "Running", 1, 1, 0, NOW - age, "n", "Deployment", "api", ())


GOOD, BAD, OLD = revision(2, "good", 9000), revision(3, "bad", 300), revision(1, "old", 90_000)
RETURNED = revision(4, "good", 9000, returned=True)
BAD_RESTARTED = revision(4, "bad", 200, restart="once")

WAYS = {
    "an ordinary release": ((BAD, GOOD, OLD), [2, 1]),
    "the bad one was restarted": ((BAD_RESTARTED, BAD, GOOD, OLD), [2, 1, 3]),
    "somebody went back already": ((RETURNED, BAD, OLD), [1, 3]),
    "went back, and restarted that": ((revision(5, "good", 50, restart="x"), RETURNED, BAD, OLD), [1, 3, 4]),
    "went back, and a mended release came": ((revision(5, "mended", 50), RETURNED, BAD, OLD), [4, 3, 1]),
    "went back and forward again": ((revision(5, "bad", 300, returned=True), RETURNED, OLD), [4, 1]),
    "the bad one came again": (
        (revision(6, "bad", 300, returned=True), revision(5, "good", 9000, returned=True), revision(4, "worse", 100)),
        [5, 4],
    ),
    "the only one": ((OLD,), []),
    "without a number": ((revision(0, "x", 5),), []),
}


@pytest.mark.parametrize(("revisions", "numbers"), WAYS.values(), ids=WAYS)
def test_the_release_before_comes_first_and_what_was_gone_back_from_late(
    revisions: tuple[Revision, ...], numbers: list[int]
) -> None:
    assert [one.number for one in ways_back(revisions)] == numbers


def test_trouble_that_was_there_is_not_laid_to_the_roll_back() -> None:
    back = workload(RETURNED, BAD, OLD)
    pods = [pod(RETURNED, age) for age in (30, 25)]
    assert suspect_release(back, NOW - 60, NOW, pods) is None, "it began before somebody went back"
    assert suspect_release(back, None, NOW, pods) is None, "nobody knows since when"
    later = suspect_release(back, NOW - 10, NOW, pods)
    assert later is not None and later.previous is OLD, "what began after it may be its doing; BAD is no remedy"


def test_a_release_that_comes_again_is_as_suspect_as_a_new_one() -> None:
    again = workload(revision(6, "bad", 300, returned=True), revision(5, "good", 9000, returned=True))
    found = suspect_release(again, NOW - 60, NOW, [pod(again.revisions[0], 30)])
    assert found is not None and found.previous is again.revisions[1]


def test_an_old_release_whose_pods_are_all_new_did_not_just_come() -> None:
    """A node was drained, or somebody has deleted them."""
    pods = [pod(GOOD, age) for age in (40, 35)]
    assert came_at(GOOD, pods) == GOOD.created_at
    assert suspect_release(workload(GOOD, OLD), NOW - 30, NOW, pods) is None


def test_a_return_came_with_its_rollout_also_when_its_pods_are_newer() -> None:
    pods = [pod(RETURNED, 40)]
    assert came_at(RETURNED, pods) == NOW - 40
    assert came_at(RETURNED, pods, NOW - 5000) == NOW - 5000
    assert suspect_release(workload(RETURNED, BAD, progressed=NOW - 5000), NOW - 30, NOW, pods) is None


def test_a_new_release_may_come_up_to_a_minute_after_what_is_seen_too_early() -> None:
    fresh = workload(replace(BAD, created_at=NOW - 30), GOOD)
    found = suspect_release(fresh, NOW - 60, NOW)
    assert found is not None and found.previous is GOOD


def test_what_somebody_went_back_from_is_nobodys_default() -> None:
    assert release_before((RETURNED, BAD)) is None and [one.number for one in ways_back((RETURNED, BAD))] == [3]
    only = workload(RETURNED, BAD)
    found = suspect_release(only, NOW - 10, NOW, [pod(RETURNED, 30)])
    assert found is not None and found.previous is None
