"""A new P0 rings the bell and flashes the top line, on every screen (design 4, rule 12).

What is already wrong when the cockpit starts is not new: it is on the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from alphapulse_tui.board import Board
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.screens.topline import TopLine

FLASH_SECONDS = 3.0
"""How long the top line stays reversed."""


class Alarm:
    """Listens to the board for findings of severity P0 that were not there before."""

    def __init__(self, app: App[Any], board: Board) -> None:
        self._app = app
        self._known: dict[str, frozenset[str]] = {}
        self.close: Callable[[], None] = board.subscribe(self.seen)
        """Stop listening."""

    def seen(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        """Ring for what is new; a target that was silent meanwhile keeps what was known of it."""
        if reading.link is not Link.LIVE:
            return
        now = frozenset(finding.subject for finding in reading.findings if finding.severity is Severity.P0)
        known = self._known.get(reading.target)
        self._known[reading.target] = now
        if known is not None and now - known:
            self.ring()

    def ring(self) -> None:
        """Bell and flash."""
        self._app.bell()
        # The one that is seen may be below a dialog.
        for line in [line for screen in self._app.screen_stack for line in screen.query(TopLine)]:
            line.add_class("-alarm")
            line.set_timer(FLASH_SECONDS, lambda line=line: line.remove_class("-alarm"))
