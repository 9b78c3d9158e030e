"""What the tests of wrong choices share: what is asked of the screen and of the journal when nothing may be sent, and when nobody knows."""

from __future__ import annotations

from alphapulse_tui.incident.events import Kind
from tests.e2e.cockpit import CockpitTerminal
from tests.e2e.record import OF_A_FIX


def assert_told_and_not_sent(cockpit: CockpitTerminal, *words: str) -> None:
    """The screen says that it was not sent; the journal says why, and ends there. ``words``: one of them is in the reason."""
    cockpit.wait_text("not sent:", "Esc back")
    intent, outcome = cockpit.journal(*OF_A_FIX)
    assert (intent.kind, outcome.kind) == (Kind.INTENT, Kind.OUTCOME)
    assert outcome.payload["outcome"] == "refused"
    assert any(word in outcome.payload["sentence"] for word in words), outcome.payload["sentence"]
    cockpit.leave("not sent:")
    assert_nothing_is_open(cockpit)


def assert_unknown(cockpit: CockpitTerminal, seconds: float) -> None:
    """Sent, no answer, and the target cannot be read: on the screen and in the journal, within ``seconds``."""
    cockpit.wait_text("sent, no answer: reading the target", timeout=60)
    cockpit.wait_text("unknown: ", "Esc back", timeout=seconds)
    _, sent, outcome, proof = cockpit.journal(*OF_A_FIX)
    assert sent.kind is Kind.SENT and outcome.payload["outcome"] == "unknown"
    assert proof.payload["verdict"] == "unknown", proof.payload
    cockpit.leave("unknown: ")


def settle(cockpit: CockpitTerminal, *words: str, verdict: str = "verified") -> None:
    """The far side goes on: the list of what is not known reads the target again, and one key settles it with ``verdict``."""
    cockpit.press("o")
    cockpit.wait_text("Outcome not known", f"the target now: {verdict}", *words, timeout=60)
    cockpit.press("v")
    (settled,) = cockpit.wait_journal(Kind.RECONCILED)
    assert settled.payload["verdict"] == verdict and settled.payload["how"] == "probed"
    cockpit.wait_text("Every action that was sent has an outcome that is known")
    cockpit.press("escape")


def assert_nothing_is_open(cockpit: CockpitTerminal) -> None:
    """The list of what is not known is empty."""
    cockpit.press("o")
    cockpit.wait_text("Every action that was sent has an outcome that is known")
    cockpit.leave("Every action that was sent")
