"""What must be left of a procedure that was walked by keys: a finished run, every fix from intent to proof, and a postmortem that shows them."""

from __future__ import annotations

import re
from pathlib import Path

from alphapulse_tui.incident.events import Event, Kind
from tests.e2e.cockpit import CockpitTerminal

OF_A_FIX = (Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED)
"""What the journal holds of every fix that was sent, in this order."""


def fixes(cockpit: CockpitTerminal) -> list[tuple[str, Event, Event]]:
    """Every fix of the journal: its action, its intent and its proof; each must be there from intent to ``verified``."""
    events = cockpit.journal(*OF_A_FIX)
    made = []
    for intent in (event for event in events if event.kind is Kind.INTENT):
        own = [event for event in events if event.payload["action_run"] == intent.payload["action_run"]]
        assert tuple(event.kind for event in own) == OF_A_FIX, [event.kind for event in own]
        _, _, outcome, verified = own
        assert outcome.payload["outcome"] == "done", outcome.payload
        assert verified.payload["verdict"] == "verified", verified.payload
        assert verified.payload["before"] and verified.payload["after"]
        made.append((str(intent.payload["plan"]["action"]), intent, verified))
    return made


def assert_recorded(cockpit: CockpitTerminal, procedure: str, *actions: str) -> None:
    """The procedure's run is finished, exactly ``actions`` were done in it, and the postmortem of its incident shows each.

    To be called on the procedure's screen. The incident is declared afterwards, as it is when the fix came first: it takes in the last
    fifteen minutes by itself.
    """
    finished = cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=90)
    assert procedure in {event.payload["procedure"] for event in finished}
    done = fixes(cockpit)
    assert [action for action, _, _ in done] == list(actions)
    page = postmortem(cockpit)
    changes = page.partition("## Changes, Before and After")[2].partition("## Procedures")[0]
    for _, intent, verified in done:
        assert f"### {intent.payload['plan']['title']}" in changes.replace("\\", "")
        before, after = verified.payload["before"], verified.payload["after"]
        shown = {
            tuple(cell.strip() for cell in row.strip("|").split("|")) for row in changes.replace("\\", "").split("\n")
        }
        for name in before.keys() & after.keys():
            assert (name, before[name], after[name]) in shown, f"{name} is not in the postmortem:\n{changes}"
    assert "No procedure was run" not in page


def postmortem(cockpit: CockpitTerminal) -> str:
    """Declare, resolve and export by keys; the text of the file."""
    cockpit.press("!")
    cockpit.wait_text("Suggested: P", "Enter: then the title")
    cockpit.press("enter")
    cockpit.wait_until(lambda screen: re.search(r"P\d: Enter declares", screen), 20, "the title")
    cockpit.send(" a walk")
    cockpit.wait_text(" a walk")
    cockpit.press("enter")
    cockpit.wait_journal(Kind.DECLARED)
    cockpit.wait_until(lambda screen: "INC-" in screen.split("\n")[0], 20, "the incident in the top line")
    cockpit.press("i")
    cockpit.wait_text("Timeline (UTC)")
    cockpit.press("R")
    cockpit.answer("Why is it over?", "the procedure is done")
    cockpit.wait_journal(Kind.RESOLVED)
    cockpit.press("x")
    (exported,) = cockpit.wait_journal(Kind.EXPORTED)
    return Path(exported.payload["path"]).read_text(encoding="utf-8")
