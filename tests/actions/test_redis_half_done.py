"""What was half made is failed, never refused: nodes that answer as recorded, for they cannot be made to refuse at the right moment."""

from __future__ import annotations

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_cover_slots import CoverSlots
from alphapulse_tui.actions.redis_forget import forget_everywhere
from alphapulse_tui.actions.redis_node import Cluster, Link
from alphapulse_tui.model.plan import Outcome
from alphapulse_tui.sources.redis_link import Address
from tests.actions.redis_cases import name, profile_of
from tests.model.rules.test_redis import WELL
from tests.model.test_redis_cluster import flagged, silent


class Forgetful(Link):
    """Answers as recorded: the first change is taken, every later one refused."""

    sent = 0

    async def send(self, *words):
        Forgetful.sent += 1
        if Forgetful.sent > 1:
            raise ActionProblem("refused: not now")
        self.accepted += 1
        return "OK"


async def test_one_that_forgot_one_of_two_and_no_more_has_changed_something(monkeypatch):
    made = Cluster(profile_of([1]))
    link = Forgetful(made.link(name(0)).address, made.target)
    monkeypatch.setattr(made, "link", lambda _: link)
    monkeypatch.setitem(made._links, name(0), link)
    monkeypatch.setattr(Forgetful, "sent", 0)
    result = await forget_everywhere(made, WELL.nodes[:1], ["id4", "id5"])
    assert result.outcome is Outcome.FAILED
    assert (await forget_everywhere(made, WELL.nodes[:1], ["id4", "id5"])).outcome is Outcome.REFUSED


async def test_after_the_first_forget_nothing_is_called_refused(monkeypatch):
    """The slots of a master that is gone: the others forget it, and then refuse its slots."""
    nodes = flagged(silent(WELL.nodes, 0, 3), 0, "fail", (1, 2, 4, 5))
    action = CoverSlots(profile_of([1]))

    class Stubborn(Link):
        async def ask(self, *commands):
            return [0 for _ in commands]

        async def send(self, *words):
            if words[1] != "FORGET":
                raise ActionProblem("refused: not now")
            self.accepted += 1
            return "OK"

    for node in nodes:
        action.cluster._links[node.name] = Stubborn(Address(node.name, "h", 1), action.cluster.target)

    async def read():
        return nodes

    monkeypatch.setattr(action.cluster, "read", read)
    plan = await action.plan({"gone": "n0"})
    assert plan.refusal == ""
    result = await action.execute(plan)
    assert result.outcome is Outcome.FAILED and result.details["n1"] == "has forgotten it"
