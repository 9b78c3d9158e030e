"""One line of text from the engineer: a note, a reason, an answer. Usual answers are numbered."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from alphapulse_tui.screens.leaving import LeftOnce
from alphapulse_tui.widgets.lines import line, wrap
from alphapulse_tui.widgets.panel import Panel


class PromptScreen(ModalScreen[str | None], LeftOnce[str | None]):
    """Answers the text, or none when it was cancelled. ``usual`` answers can be chosen by F1 to F9."""

    AUTO_FOCUS = "#answer"
    """Type at once. Not by a query when it is mounted: whoever quits in that moment would find no field, and a crash."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="prompt.cancel"),
        *(
            Binding(f"f{number}", f"usual({number})", f"answer {number}", show=False, id=f"prompt.{number}")
            for number in range(1, 10)
        ),
    ]

    DEFAULT_CSS = """
    PromptScreen { align: center middle; }
    PromptScreen Panel { width: 78; max-width: 100%; height: auto; max-height: 80%; background: $surface; }
    PromptScreen Input { width: 78; max-width: 100%; }
    """

    def __init__(
        self, title: str, question: str, *, usual: tuple[str, ...] = (), value: str = "", required: bool = True
    ) -> None:
        super().__init__()
        self._title = title
        self._question = question
        self._usual = usual
        self._value = value
        self._required = required

    def compose(self) -> ComposeResult:
        """The question over its answer."""
        panel = Panel(0, self._title, id="prompt")
        panel.body = [
            *wrap(self._question, 72),
            *(line((f"F{place} ", "focus"), text) for place, text in enumerate(self._usual, 1)),
        ]
        panel.badge = line(("Enter keeps, Esc cancels", "dim"))
        panel.styles.height = len(panel.body) + 2
        panel.can_focus = False
        yield panel
        yield Input(value=self._value, id="answer", select_on_focus=False)

    def action_usual(self, number: int) -> None:
        """Take a usual answer."""
        if number <= len(self._usual):
            self.dismiss(self._usual[number - 1])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: an empty answer is refused where one is needed."""
        text = event.value.strip()
        if text or not self._required:
            self.dismiss(text)
            return
        panel = self.query_one(Panel)
        panel.show(panel.body, line(("say something, or Esc", "warning")))
