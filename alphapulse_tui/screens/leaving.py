"""How a screen is left: once, and never the last one.

Keys that are typed at one go (Enter Enter on a slow link) come before the screen has heard the first of them. Textual's ``dismiss`` takes away
whatever screen is on top by then: the one below, and with the last one the program ends.
"""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

Answer = TypeVar("Answer")


class LeftOnce(Screen[Answer]):
    """A screen whose second ``dismiss`` does nothing. A dialog names ``ModalScreen`` before it: Textual takes styles from the first base alone."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Leave with an answer, if this screen is the one on top and another one is below it."""
        if not self.is_active or len(self.app.screen_stack) < 2:
            return AwaitComplete()
        return super().dismiss(result)
