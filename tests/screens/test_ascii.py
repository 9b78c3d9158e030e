"""``--ascii``: nothing outside ASCII is drawn, neither by us nor by Textual."""

from __future__ import annotations

from alphapulse_tui.widgets.panel import ASCII, BOX, Panel
from tests.screens.stage import post, quiet, snapshots, text_of


async def test_ascii_draws_nothing_else() -> None:
    Panel.frame = ASCII
    try:
        app, _ = quiet()
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            for target, snapshot in snapshots().items():
                post(app, target, snapshot)
            await pilot.pause()
            assert text_of(app).isascii()
            for keys in ("n", "colon", "2 enter slash", "r slash"):
                await pilot.press(*keys.split())
                app.notify("a message", title="Told", severity="error")
                await pilot.pause(0.3)
                shown = text_of(app)
                assert keys == "colon" or "a message" in shown
                assert shown.isascii(), (keys, {letter for letter in shown if not letter.isascii()})
                while len(app.screen_stack) > 1:
                    await pilot.press("escape")
                    await pilot.pause()
    finally:
        Panel.frame = BOX
