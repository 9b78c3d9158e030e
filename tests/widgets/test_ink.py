"""Inks: what must be readable is, on both themes, and a cursor leaves a severity its colour."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual.color import Color

from alphapulse_tui.widgets.ink import INKS, write
from alphapulse_tui.widgets.panel import Panel
from tests.screens.stage import quiet


def contrast(style: Style) -> float:
    """WCAG 2.1's ratio of the text's luminance to the background's, from 1 to 21."""
    assert style.color is not None and style.bgcolor is not None
    lights = [luminance(Color.from_rich_color(colour)) for colour in (style.color, style.bgcolor)]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def luminance(colour: Color) -> float:
    parts = [part / 255 for part in colour.rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["alphapulse-night", "alphapulse-day"])
async def test_every_ink_can_be_read_also_under_the_cursor(theme: str) -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = theme
        await pilot.pause()
        panel = app.screen.query_one(Panel)
        for name in INKS:
            assert contrast(write(panel, name)) >= (1.3 if name == "frame" else 4.5), name
            if name != "frame":
                assert contrast(write(panel, f"{name}+cursor")) >= 3.0, f"{name} under the cursor"


async def test_the_cursor_leaves_a_severity_its_colour() -> None:
    app, _ = quiet()
    async with app.run_test(size=(80, 24)):
        panel = app.screen.query_one(Panel)
        plain, cursor = write(panel, "critical"), write(panel, "critical+cursor")
        assert (cursor.color, cursor.bold) == (plain.color, True)
        assert cursor.bgcolor != plain.bgcolor
