"""The board: a listener's mistake is logged, and ends neither the telling of the others nor the source that tells."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_tui.board import Board
from alphapulse_tui.model.reading import Link, Reading


def test_a_listener_that_fails_keeps_nobody_else_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    board, heard = Board(), []

    def fails(reading: Reading[Any], before: Reading[Any] | None) -> None:
        del reading, before
        raise KeyError("a widget that is gone")

    board.subscribe(fails)
    board.subscribe(lambda reading, before: heard.append((reading, before)))
    board.publish(Reading("vault", 5.0, Link.LIVE, 0.0, "first", 0.0))
    assert len(heard) == 1 and board.get("vault") is not None
    assert "a listener of the board failed" in caplog.text and "a widget that is gone" in caplog.text
