"""What a panel says while its target is silent."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.reading import Link
from tests.screens.stage import post, quiet, snapshots, text_of
from tests.screens.test_cockpit import tick


async def test_why_a_panel_is_silent_fits_on_80_columns() -> None:
    app, clock = quiet()
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "redis", snapshots()["redis"], link=Link.DOWN, problem="no node can be read")
        clock.now += 40
        app.session.board.publish(replace(app.session.board.readings["redis"], attempts=17))
        tick(app)
        await pilot.pause()
        shown = text_of(app)
        assert "last answer 40s ago: not verified " in shown and "17 attempts, tried again by itself " in shown
