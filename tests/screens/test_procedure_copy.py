"""What ``c`` copies from a procedure: a command that runs as it stands, or comments that say what is missing."""

from __future__ import annotations

import msgspec

from alphapulse_tui.app import Cockpit
from tests.screens.hand import Hand
from tests.screens.stage import post, snapshots, text_of
from tests.screens.test_procedure import app, at_step, hand
from tests.waiting import until

__all__ = ["app", "hand"]


async def test_a_command_that_lacks_a_value_is_copied_as_comments(app: Cockpit) -> None:
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await at_step(app, pilot, "vault-latency", "lost-node")
        await pilot.press("c")
        await until(lambda: "Not to be run as it stands" in text_of(app), 10, "the warning")
        assert app.clipboard.startswith("# Not to be run as it stands: fill in {peer} first.\n# ")
        assert all(row.startswith("#") for row in app.clipboard.splitlines())
        await screen.engine.set_params({"peer": "vault-2"})
        await pilot.press("c")
        await until(lambda: "vault-2" in app.clipboard, 10, "the command")
        assert not app.clipboard.startswith("#")


async def test_a_form_is_copied_as_a_form(app: Cockpit) -> None:
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await at_step(app, pilot, "redis-split-brain", "new-nodes")
        await pilot.press("c")
        await until(lambda: "finished by hand" in text_of(app), 10, "the warning")
        assert app.clipboard.splitlines()[1].startswith("# redis-cli --cluster add-node NEW:6379")


async def test_the_command_of_an_action_that_is_refused_is_copied_as_comments(app: Cockpit, hand: Hand) -> None:
    hand.next_plan = msgspec.structs.replace(hand.next_plan, refusal="nobody idles", shell="psql -c 'SELECT 1'")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        post(app, "postgres", snapshots()["postgres"])
        await at_step(app, pilot, "pg-connections", "end-idle")
        await pilot.press("c")
        await until(lambda: "Copied as comments: nobody idles" in text_of(app), 10, "the warning")
        assert app.clipboard == "# Not to be run as it stands: nobody idles.\n# psql -c 'SELECT 1'"
