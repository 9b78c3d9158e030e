"""The panel of PostgreSQL: who is slow, who waits, and for whom."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.screens.panels import postgres
from tests.screens.stage import snapshots


def test_a_walsender_is_never_the_slowest_statement() -> None:
    snapshot = snapshots()["postgres"]
    lines = postgres.body(snapshot, Profile(name="x").thresholds, 2e9, 60)
    assert any("slowest" in one.text for one in lines)
    walsender = replace(snapshot.sessions[0], backend_type="walsender")
    lines = postgres.body(replace(snapshot, sessions=(walsender,)), Profile(name="x").thresholds, 2e9, 60)
    assert not any("slowest" in one.text for one in lines)


def test_the_root_of_every_wait_is_named_and_a_waiter_is_not_slow() -> None:
    """In the middle of a chain somebody blocks others and waits himself: to end him helps nobody."""
    snapshot = snapshots()["postgres"]
    root = replace(snapshot.sessions[0], pid=3, state="idle in transaction", query_start=2e9 - 400)
    middle = replace(root, pid=2, state="active", query_start=2e9 - 321, blocked_by=(3, 4))
    last = replace(middle, pid=1, query_start=2e9 - 100, blocked_by=(2,))
    told = replace(snapshot, sessions=(last, middle, root, replace(root, pid=4)))
    lines = postgres.body(told, Profile(name="x").thresholds, 2e9, 36)
    assert "blocked 2 by pid 3, 4  05:21" in [one.text for one in lines]
    assert not any("slowest" in one.text for one in lines)
    many = replace(last, blocked_by=(0, 7, 8))
    lines = postgres.body(replace(snapshot, sessions=(many,)), Profile(name="x").thresholds, 2e9, 60)
    assert "blocked 1 by a prepared transaction, pid 7 +1  01:40" in [one.text for one in lines]


def test_the_panel_chooses_no_statement() -> None:
    """Where the cursor stood on the slowest, its cancelling was the panel's first fix, whatever the verdict said."""
    lines = postgres.body(snapshots()["postgres"], Profile(name="x").thresholds, 2e9, 60)
    assert any("slowest" in one.text for one in lines) and not any(one.key for one in lines)
