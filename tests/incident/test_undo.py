"""What can be taken back is read from the journal: only what may have changed something, and only once."""

from __future__ import annotations

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.undo import undo_reason, ways_back

PLAN = {
    "title": "scale api",
    "undo": "scale back to 3",
    "undo_action": "kubernetes.scale",
    "undo_params": {"name": "api", "replicas": "3"},
}


def journal(*entries: tuple[Kind, dict[str, object]]) -> list[Event]:
    return [
        Event(str(number), number, "w", number, 0.0, 0.0, "ana", "", kind, payload, "", "")
        for number, (kind, payload) in enumerate(entries, 1)
    ]


def done(
    run: str, outcome: str = "done", reason: str = "procedure x: scale", plan: dict[str, object] = PLAN
) -> list[tuple[Kind, dict[str, object]]]:
    return [
        (Kind.INTENT, {"action_run": run, "plan": plan, "reason": reason}),
        (Kind.OUTCOME, {"action_run": run, "outcome": outcome}),
    ]


def test_what_was_done_or_may_have_been_done_has_a_way_back() -> None:
    ways = ways_back(journal(*done("a"), *done("b", "unknown"), *done("c", "failed"), *done("d", "refused")))
    assert list(ways) == ["a", "b"]
    way = ways["a"]
    assert (way.action, way.params) == ("kubernetes.scale", {"name": "api", "replicas": "3"})
    assert (way.said, way.reason) == ("scale back to 3", "procedure x: scale")


def test_what_has_no_way_back_and_what_is_not_sent_yet_is_left_out() -> None:
    without = {**PLAN, "undo_action": ""}
    assert ways_back(journal(*done("a", plan=without))) == {}
    assert ways_back(journal((Kind.INTENT, {"action_run": "a", "plan": PLAN, "reason": ""}))) == {}


def test_it_is_taken_back_once_and_taking_back_can_itself_be_taken_back() -> None:
    back = done("b", reason=undo_reason("scale api, quickly", "a"))
    assert list(ways_back(journal(*done("a"), *back))) == ["b"]
    again = done("c", "failed", reason=undo_reason("scale api", "a"))
    assert list(ways_back(journal(*done("a"), *again))) == ["a"], "a way back that failed is still open"
