"""The second wall by itself: whatever a widget was given, the painted lines obey nobody and keep their width."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.color import Color
from textual.content import Content
from textual.widgets import DataTable, Input, Log, OptionList, RichLog, Static, TextArea, Tree

from alphapulse_tui.terminal import TerminalApp
from alphapulse_tui.terminal.wall import OutputWall
from tests.test_terminal import foreign
from tests.waiting import until

BLACK = Color(0, 0, 0)


def painted(*segments: Segment) -> list[Segment]:
    return OutputWall().apply(list(segments), BLACK)


def test_honest_lines_pass_as_they_are() -> None:
    line = [Segment("│ 漢字 ñ ⚠ ", Style(bold=True)), Segment("pod-1")]
    assert OutputWall().apply(line, BLACK) is line


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\x9b31mb", "\u202eabc", "x\u200by", "\x00", "漢\x07字", "\ud800", "tab\t"]
)
def test_hidden_characters_are_shown_in_a_line_of_the_same_width(text: str) -> None:
    before = [Segment(text), Segment(" " * 30, Style(bgcolor="red"))]
    after = painted(*before)
    shown = "".join(segment.text for segment in after)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in shown)
    assert sum(segment.cell_length for segment in after) == sum(segment.cell_length for segment in before)


def test_links_and_actions_go_and_what_widgets_keep_stays() -> None:
    style = Style(bold=True, link="https://evil.example") + Style.from_meta({"@click": "app.quit", "row": 3})
    (segment,) = painted(Segment("live", style))
    assert segment.style is not None
    assert segment.style.bold
    assert segment.style.link is None
    assert segment.style.meta == {"row": 3}


def test_control_segments_do_not_pass() -> None:
    assert painted(Segment("\x1b[2J", None, [(1,)])) == []  # type: ignore[list-item]


class Gallery(TerminalApp[None]):
    """One of each widget that shows text."""

    CSS = "Static, RichLog, Log, TextArea, DataTable, OptionList, Tree { height: 5; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.struck = 0

    def compose(self) -> ComposeResult:
        yield Static(id="static")
        yield Static(id="live", markup=True)
        yield Input()
        yield OptionList()
        yield DataTable[Text]()
        yield Tree[None](Text("root"))
        yield RichLog()
        yield Log()
        yield TextArea()

    def action_strike(self) -> None:
        self.struck += 1

    def show(self, texts: list[str]) -> None:
        static = self.query_one("#static", Static)
        static.update(Content(texts[0]))
        static.border_title = Content(texts[1])
        self.query_one(Input).value = texts[2]
        self.query_one(OptionList).clear_options().add_option(Content(texts[3]))
        table = self.query_one(DataTable)
        table.clear(columns=True)
        table.add_column(Text(texts[4]))
        table.add_row(Text(texts[5]))
        self.query_one(Tree).root.set_label(Text(texts[6]))
        self.query_one(RichLog).clear().write(Text(texts[7]))
        self.query_one(Log).clear().write_line(texts[8])
        self.query_one(TextArea).text = texts[9]

    def stream(self) -> bytes:
        """What the terminal would get for the whole screen."""
        update = self.screen._compositor.render_full_update()
        return update.render_segments(self.console).encode("utf-8", "surrogatepass")

    def words(self) -> str:
        """What a person would read on it."""
        return re.sub(rb"\x1b\[[0-9;]*m", b"", self.stream()).decode()


def hostile_text(dice: random.Random) -> str:
    """Up to 40 characters, most of them bad."""
    bad = "\x1b\x00\x07\x08\x0b\x0c\r\n\t\x7f\x80\x90\x9b\x9d\xad\u061c\u200b\u200e\u202e\u2028\u2066\u2069\ufeff\ufffe\U000e0041[]/@;mHJ?0123"
    return "".join(
        dice.choice(bad) if dice.random() < 0.7 else chr(dice.randrange(0xD800)) for _ in range(dice.randrange(40))
    )


@pytest.mark.parametrize("rounds", [40, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
async def test_fuzz_over_every_widget(rounds: int) -> None:
    """Ten texts a round: 100,000 in the long run (design 7)."""
    dice = random.Random(20_000 + rounds)
    app = Gallery()
    async with app.run_test(size=(100, 60)) as pilot:
        for number in range(rounds):
            texts = [hostile_text(dice) for _ in range(10)]
            app.show(texts)
            await pilot.pause()
            assert foreign(app.stream()) == [], f"round {number}: {texts!r}"


async def test_an_action_in_a_text_is_dead() -> None:
    app = Gallery()
    async with app.run_test(size=(100, 60)) as pilot:
        app.query_one("#live", Static).update(
            "[@click=app.strike]strike me[/]"
        )  # as if markup had not been switched off
        await pilot.pause()
        await pilot.click("#live", offset=(3, 0))
        await pilot.pause()
        assert "strike me" in app.words()
        assert app.struck == 0


async def test_a_message_is_never_markup() -> None:
    app = Gallery()
    async with app.run_test(size=(100, 60), notifications=True):
        app.query_one(Input).notify("[/var/log] [ERROR] \x1b[2J", title="[/]")  # a widget of Textual says markup=True
        await until(lambda: "[/var/log] [ERROR] \\x1b[2J" in app.words(), 5, "the message")
        assert "[/]" in app.words()


async def test_repainting_everything_paints_everything() -> None:
    app = Gallery()
    async with app.run_test(size=(100, 60)) as pilot:
        app.repaint_everything()
        await pilot.pause()
        assert len(app.stream()) > 100 * 60
