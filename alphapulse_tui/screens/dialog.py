"""What every dialog has: the program, `?` for its keys, and the top line of the screen below left uncovered.

Base of the modal screens. Dialogs of one line of text (``prompt``) have no `?`, because there a question mark is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from alphapulse_tui.screens.leaving import Answer, LeftOnce
from alphapulse_tui.session import Session

if TYPE_CHECKING:
    from alphapulse_tui.app import Cockpit


class Dialog(ModalScreen[Answer], LeftOnce[Answer]):
    """A modal screen of ours."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", show=False, id="help", tooltip="This dialog's keys."),
    ]

    @property
    def cockpit(self) -> Cockpit:
        """The program."""
        return cast("Cockpit", self.app)

    @property
    def session(self) -> Session:
        """The sitting that the screens share."""
        return self.cockpit.session

    def action_help(self) -> None:
        """This dialog's keys."""
        from alphapulse_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))
