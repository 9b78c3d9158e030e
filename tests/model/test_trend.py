"""The past of a figure: a point each half minute, its highest; a gap where nothing was known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.trend import POINTS, Trends
from tests.screens.stage import snapshots

POSTGRES = snapshots()["postgres"]
REDIS = snapshots()["redis"]


def reading(target: str, snapshot: Any, taken_at: float, link: Link = Link.LIVE) -> Reading[Any]:
    return Reading(target, 5.0, link, 0.0, snapshot, taken_at)


def test_a_point_is_the_highest_of_its_half_minute_and_only_whole_ones_count() -> None:
    trends = Trends()
    for second, clients in enumerate((27, 54, 27, *(0,) * 27)):
        assert not trends.note(
            [reading("postgres", replace(POSTGRES, clients=clients), 100.0 + second)], 100.0 + second
        )
    assert trends.points()["slots"] == ()
    assert trends.note([reading("postgres", replace(POSTGRES, clients=27), 130.0)], 130.0), "a half minute is whole"
    assert trends.points()["slots"] == (100.0,) and trends.points()["memory"] == (None,)
    assert trends.note([reading("redis", REDIS, 160.0)], 160.0)
    assert trends.points()["slots"] == (100.0, 50.0)
    assert trends.note([], 190.0)
    assert trends.points()["memory"] == (None, None, 62.0) and trends.points()["evicted"][-1] == 0.0


def test_what_is_not_live_leaves_a_gap_and_a_long_sleep_leaves_nothing() -> None:
    trends = Trends()
    trends.note([reading("postgres", POSTGRES, 100.0)], 100.0)
    trends.note([reading("postgres", POSTGRES, 100.0)], 130.0)  # 30 s old: stale
    trends.note([reading("postgres", POSTGRES, 131.0, Link.DOWN)], 131.0)
    trends.note([], 160.0)
    assert [value is None for value in trends.points()["slots"]] == [False, True]
    trends.note([reading("postgres", POSTGRES, 90_000.0)], 90_000.0)
    assert set(trends.points()["slots"]) == {None} and len(trends.points()["slots"]) == POINTS
    assert not trends.note([], 90_029.0) and trends.note([], 90_030.0)
    assert trends.points()["slots"][-1] is not None
