"""What every Redis action starts from: the nodes of the profile, and a plan with the parts that are always the same filled in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from alphapulse_tui.actions.contract import Action, ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.redis_node import Cluster
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Outcome, Plan, Result, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import answering, counting, uncovered
from alphapulse_tui.text import clean


class RedisAction(Action):
    """One change to the cluster, or the same one to each of its nodes."""

    target = "redis"
    source = "runbook 2.2"

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.cluster = Cluster(profile)

    async def close(self) -> None:
        """Cut every connection."""
        await self.cluster.close()

    def draft(self, params: Mapping[str, str], **parts: Any) -> Plan:
        """A plan of this action; ``parts`` are fields of :class:`Plan` beside those that follow from the action itself."""
        return Plan(
            **{
                "id": uuid.uuid4().hex,
                "action": self.id,
                "title": self.title,
                "target": self.target,
                "environment": self.profile.environment or self.profile.name,
                "risk": self.risk,
                "params": dict(params),
                "made_at": time.time(),
                **parts,
            }
        )

    async def each(
        self, plan: Plan, work: Callable[[Victim], Awaitable[str]], what: str, since: int | None = None
    ) -> Result:
        """Do ``work`` for one victim after the other; each says what became of it, and one that refuses does not stop the others.

        ``what`` ends the sentence *2 of 3 ...*: ``nodes were set``. Refused only while no node has
        taken any change ``since`` then (:attr:`Cluster.accepted`; without it since now).
        """
        begun = self.cluster.accepted if since is None else since
        details: dict[str, str] = {}
        done = unknown = 0
        for victim in plan.victims:
            taken = self.cluster.accepted
            try:
                details[victim.key] = await work(victim)
                done += 1
            except SentWithoutAnswer as silence:
                details[victim.key] = str(silence)
                unknown += 1
            except ActionProblem as problem:
                how = "left half done" if self.cluster.accepted > taken else "left alone"
                details[victim.key] = f"{how}: {problem}"
        total = len(plan.victims)
        changed = done or self.cluster.accepted > begun
        outcome = Outcome.DONE if done == total else Outcome.FAILED if changed else Outcome.REFUSED
        reasons = "; ".join(dict.fromkeys(text for text in details.values() if text.startswith("left ")))
        sentence = f"{done} of {total} {what}{'; ' + reasons if reasons and not done else ''}"
        return Result(Outcome.UNKNOWN if unknown else outcome if total else Outcome.REFUSED, sentence, details)


def named(nodes: Sequence[RedisNode], wanted: str) -> RedisNode:
    """The node of that name or node id.

    Raises:
        ActionProblem: there is none.
    """
    found = next((node for node in nodes if wanted in (node.name, node.node_id)), None)
    if found is None:
        known = ", ".join(node.name for node in nodes)
        raise ActionProblem(f'there is no Redis node "{clean(wanted, 64)}"; there are {known}')
    return found


def epoch(nodes: Sequence[RedisNode]) -> int:
    """The newest epoch in the views that count."""
    return max((node.current_epoch for node in counting(nodes)), default=0)


def figures(nodes: Sequence[RedisNode]) -> dict[str, str]:
    """Named figures of the cluster: who leads, the epoch, the state as each node says it."""
    known = answering(nodes)
    states = {node.cluster_state for node in known}
    together = states.pop() if len(states) == 1 else "; ".join(f"{node.name} {node.cluster_state}" for node in known)
    return {
        "masters": ", ".join(node.name for node in known if node.role == "master" and node.me and node.me.slots),
        "epoch": str(epoch(nodes)),
        "cluster_state": together,
        "slots without an owner": str(len(uncovered(nodes))),
        "silent nodes": ", ".join(node.name for node in nodes if node.problem) or "none",
    }
