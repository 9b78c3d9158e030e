"""What must be left of a procedure that was walked by keys: a finished run, every fix from intent to proof, and a postmortem that shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from alphapulse_tui.incident.events import Event, Kind
from tests.e2e.cockpit import CockpitTerminal

OF_A_FIX = (Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED)
"""What the journal holds of every fix that was sent, in this order."""


def fixes(cockpit: CockpitTerminal) -> tuple[list[tuple[str, Event, Event]], list[str]]:
    """Every fix of the journal that was done, as its action, its intent and its proof, and the actions of those that failed.

    Each must be there from intent to proof; what was done must be ``verified``, and what failed must not.
    """
    events = cockpit.journal(*OF_A_FIX)
    done, failed = [], []
    for intent in (event for event in events if event.kind is Kind.INTENT):
        own = [event for event in events if event.payload["action_run"] == intent.payload["action_run"]]
        assert tuple(event.kind for event in own) == OF_A_FIX, [event.kind for event in own]
        _, _, outcome, verified = own
        action = str(intent.payload["plan"]["action"])
        if outcome.payload["outcome"] == "failed":
            assert verified.payload["verdict"] != "verified", verified.payload
            failed.append(action)
            continue
        assert outcome.payload["outcome"] == "done", outcome.payload
        assert verified.payload["verdict"] == "verified", verified.payload
        assert verified.payload["before"] and verified.payload["after"]
        done.append((action, intent, verified))
    return done, failed


def assert_recorded(cockpit: CockpitTerminal, procedure: str, *actions: str, failed: Sequence[str] = ()) -> None:
    """The procedure's run is finished, exactly ``actions`` were done in it, and the postmortem of its incident shows each.

    To be called on the procedure's screen, or on any other one after fixes without a procedure (then ``procedure`` is empty). ``failed``:
    the actions that were sent and did not do it. The incident is declared afterwards, as it is when the fix came first: it takes in the
    last fifteen minutes by itself.
    """
    if procedure:
        finished = cockpit.wait_journal(Kind.PROCEDURE_FINISHED, timeout=90)
        assert procedure in {event.payload["procedure"] for event in finished}
    done, undone = fixes(cockpit)
    assert [action for action, _, _ in done] == list(actions)
    assert undone == list(failed)
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
    assert changes.count("Outcome: failed") == len(failed)
    assert ("No procedure was run" in page) == (not procedure)


def postmortem(cockpit: CockpitTerminal) -> str:
    """Declare, resolve and export by keys; the text of the file."""
    cockpit.press("!")
    cockpit.wait_text("Suggested: P", "Enter: then the title")
    cockpit.press("enter")
    cockpit.wait_until(lambda screen: re.search(r"P\d: Enter declares", screen), 20, "the title")
    # Not waited for on the screen: on a small one the word that the procedure is over covers the title for five seconds.
    cockpit.send(" a walk")
    cockpit.press("enter")
    (declared,) = cockpit.wait_journal(Kind.DECLARED)
    assert "a walk" in declared.payload["title"]
    cockpit.wait_until(lambda screen: "INC-" in screen.split("\n")[0], 20, "the incident in the top line")
    cockpit.press("i")
    cockpit.wait_text("Timeline (UTC)")
    cockpit.press("R")
    cockpit.answer("Why is it over?", "the procedure is done")
    cockpit.wait_journal(Kind.RESOLVED)
    cockpit.press("x")
    (exported,) = cockpit.wait_journal(Kind.EXPORTED)
    return Path(exported.payload["path"]).read_text(encoding="utf-8")
