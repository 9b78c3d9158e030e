"""The table of keys: one meaning each, every one the user's to change, mistakes told."""

from __future__ import annotations

import re

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import ConfigError
from alphapulse_tui.screens.commands import COMMANDS, check_keymap, footer_text
from tests.screens.stage import quiet, text_of
from tests.waiting import until

OPENS = "enter"
"""Enter does what the cursor stands on, which each screen says in its own word."""


def test_a_key_means_the_same_on_every_screen() -> None:
    meanings: dict[str, set[str]] = {}
    for command in COMMANDS:
        for key in command.keys.split(","):
            meanings.setdefault(key, set()).add(command.title)
    del meanings[OPENS]
    assert not {key: words for key, words in meanings.items() if len(words) > 1}


def test_an_id_is_given_once() -> None:
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("command", [command.id for command in COMMANDS if command.action])
def test_every_command_can_be_given_another_key(command: str) -> None:
    check_keymap({command: "f9"})


@pytest.mark.parametrize(
    ("keymap", "sentence"),
    [
        ({"fixx": "f9"}, "keys: no command 'fixx'; did you mean 'fix'?"),
        ({"zzzzzz": "f9"}, "keys: no command 'zzzzzz'; there are: acknowledge, action.back"),
        ({"fix": "hyper"}, "keys.fix: 'hyper' is no key"),
        ({"cockpit.panel": "f9"}, "keys.cockpit.panel: Enter and the digits of panels and views cannot be changed"),
        ({"note": "a"}, "keys: 'a' is both 'acknowledge' and 'note'"),
        ({"incident.severity": "n"}, "keys: 'n' is both 'note' and 'incident.severity'"),
    ],
)
def test_a_mistake_in_the_keymap_is_told(keymap: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as told:
        check_keymap(keymap)
    assert sentence in str(told.value)


async def test_a_changed_key_is_heard_and_shown_and_the_old_one_is_not() -> None:
    keys = {"palette": "f2", "help": "f3", "list.sort": "f4"}
    app, _ = quiet(Profile(name="stage", keys=keys))
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("colon")
        assert type(app.screen).__name__ == "Cockpit"
        await pilot.press("f2")
        await pilot.pause()
        assert type(app.screen).__name__ == "CommandPalette"
        await pilot.press("escape", "f3")
        await pilot.pause()
        assert type(app.screen).__name__ == "HelpScreen"
        await until(lambda: re.search(r"F2 +command +Find", text_of(app)), 10, "the key as it is now")
        await pilot.press("end")
        await until(lambda: "palette F2" in text_of(app), 10, "its id, at the end")
        assert "F2 command" in text_of(app).split("\n")[-1]
    assert ("F3", "help") in footer_text("everywhere", keymap=keys)
