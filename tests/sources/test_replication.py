"""How far behind in seconds, by the history of the primary's position."""

from __future__ import annotations

import pytest

from alphapulse_tui.sources.replication import SEGMENT_BYTES, WalHistory


@pytest.mark.parametrize(
    ("replayed", "last_commit", "seconds"),
    [
        (1000, 600.0, 0.0),  # Nothing is missing, however long nobody commits.
        (900, 600.0, 2.0),  # A page is missing, and the last commit is old: that says nothing.
        (900, None, 2.0),
        (1000 - 2 * SEGMENT_BYTES, 600.0, 600.0),  # Far behind before we came: its own formula is all there is.
        (1000 - 2 * SEGMENT_BYTES, None, 2.0),
    ],
)
def test_of_what_is_older_than_the_history(replayed: int, last_commit: float | None, seconds: float) -> None:
    history = WalHistory()
    assert history.behind(10.0, replayed, last_commit) is None
    history.note(10.0, 1000)
    assert history.behind(12.0, replayed, last_commit) == seconds


def test_the_oldest_position_that_is_missing_tells() -> None:
    history = WalHistory()
    for second in range(10):
        history.note(float(second), 1000 + second)
    assert history.behind(10.0, 1006, 600.0) == 3.0
    assert history.behind(10.0, 1009, 600.0) == 0.0
