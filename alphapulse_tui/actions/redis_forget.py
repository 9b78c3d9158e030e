"""Make every node forget a member that is gone for good (runbook 2.2, facts 2.2.1).

A node that forgets refuses to hear of the member for 60 s; a node that was not told gossips it back after that. So all are told within seconds,
and the plan is refused while a living node cannot be told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from alphapulse_tui.actions.contract import ActionProblem, Parameter, SentWithoutAnswer
from alphapulse_tui.actions.redis_action import RedisAction, figures
from alphapulse_tui.actions.redis_node import Cluster
from alphapulse_tui.actions.redis_rights import forbidden
from alphapulse_tui.actions.redis_shell import cli
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import ClusterMember, RedisNode
from alphapulse_tui.model.redis_cluster import answering, ghosts, gone_for_most, name_of, ranges, unheard
from alphapulse_tui.text import clean

BAN_SECONDS = 60.0
"""How long a node that forgot refuses to be told of the member again (the server's own constant)."""


class Forget(RedisAction):
    """``CLUSTER FORGET`` on every remaining node."""

    id = "redis.forget"
    title = "forget a ghost"
    risk = Risk.DISRUPTIVE
    parameters = (Parameter("member", "the member's node id or name; without it every ghost"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Who is forgotten, and by whom."""
        nodes = await self.cluster.read()
        wanted = params.get("member", "")
        gone = [self._wanted(nodes, wanted)] if wanted else ghosts(nodes)
        refusal = next((reason for member in gone if (reason := _refusal(nodes, member))), "")
        tellers = [node for node in answering(nodes) if any(_knows(node, member.node_id) for member in gone)]
        if not gone:
            refusal = (
                "no member is a ghost: each one has an address, and none that has failed is missing from the profile"
            )
        asked = [("CLUSTER", "FORGET", member.node_id) for member in gone]
        refusal = refusal or await forbidden(self.cluster, {node.name: asked for node in tellers})
        names = ", ".join(f"{name_of(nodes, member.node_id)} ({member.node_id[:8]})" for member in gone)
        return self.draft(
            params,
            object="redis/members",
            sentence=f"Has {len(tellers)} nodes forget {names}."
            if gone
            else "Would have every node forget members that are gone for good; there is none.",
            call="; ".join(f"CLUSTER FORGET {member.node_id} on {len(tellers)} nodes" for member in gone),
            shell="\n".join(
                cli(self.cluster.target, node.address, "cluster forget", member.node_id)
                for member in gone
                for node in tellers
                if _knows(node, member.node_id)
            ),
            victims=tuple(_victim(nodes, member, tellers) for member in gone),
            checks=(Check("members", "no node that answers has it in its view"),),
            warnings=(
                f"a node that is not told within {BAN_SECONDS:.0f} s gossips it back to all",
                "if its process lives on, it goes on alone with what it knows: stop it, or an administrator resets it and has it meet again",
            )
            if gone
            else (),
            undo="none from here: an administrator has it meet again (redis-cli --cluster add-node)",
            refusal=refusal,
            deadline=15.0,
            verify_seconds=15.0,
        )

    @staticmethod
    def _wanted(nodes: Sequence[RedisNode], wanted: str) -> ClusterMember:
        for node in answering(nodes):
            for member in node.view:
                if wanted in (member.node_id, member.address, name_of(nodes, member.node_id)):
                    return member
        raise ActionProblem(f'no node knows a member "{clean(wanted, 64)}"')

    async def execute(self, plan: Plan) -> Result:
        """Every node that knows it, at the same moment."""
        nodes = await self.cluster.read()
        for victim in plan.victims:
            known = (one for node in answering(nodes) for one in node.view if one.node_id == victim.facts["id"])
            member = next(known, None)
            reason = _refusal(nodes, member) if member is not None else ""
            if reason:
                raise ActionProblem(f"{reason}; nothing was sent")
        return await forget_everywhere(self.cluster, nodes, [victim.facts["id"] for victim in plan.victims])

    async def verify(self, plan: Plan) -> Verification:
        """Nobody knows it any more."""
        nodes = await self.cluster.read()
        reading = {**figures(nodes), "members": str(max((len(node.view) for node in answering(nodes)), default=0))}
        gone = [victim.facts["id"] for victim in plan.victims]
        still = [node.name for node in answering(nodes) if any(_knows(node, node_id) for node_id in gone)]
        if still:
            return Verification(Verdict.PENDING, f"{', '.join(still)} still know it, or were told of it again", reading)
        known = {node.name for node in answering(nodes)}
        silent = sorted({name for victim in plan.victims for name in victim.facts["told"].split(", ") if name} - known)
        if silent:
            said = f"{', '.join(silent)} does not answer: whether it has forgotten it is not known"
            return Verification(Verdict.UNKNOWN, said, reading)
        return Verification(Verdict.VERIFIED, f"none of {len(answering(nodes))} nodes knows it any more", reading)


async def forget_everywhere(cluster: Cluster, nodes: Sequence[RedisNode], gone: Sequence[str]) -> Result:
    """Tell every answering node that knows one of ``gone`` (node ids) to forget it; a node that has forgotten it already is done."""

    async def told(node: RedisNode) -> tuple[str, str, str]:
        try:
            for node_id in gone:
                if _knows(node, node_id):
                    await cluster.link(node.name).send("CLUSTER", "FORGET", node_id)
        except SentWithoutAnswer as silence:
            return node.name, str(silence), "unknown"
        except ActionProblem as problem:
            if "Unknown node" in str(problem):
                return node.name, "had forgotten it already", "done"
            return node.name, f"left alone: {problem}", "refused"
        return node.name, "has forgotten it", "done"

    taken = cluster.accepted
    tellers = [node for node in answering(nodes) if any(_knows(node, node_id) for node_id in gone)]
    answers = await asyncio.gather(*(told(node) for node in tellers))
    outcomes = [outcome for _, _, outcome in answers]
    done = outcomes.count("done")
    changed = done or cluster.accepted > taken  # Of two, one may be forgotten by a node that refuses the other.
    outcome = Outcome.DONE if done == len(answers) else Outcome.FAILED if changed else Outcome.REFUSED
    if "unknown" in outcomes:
        outcome = Outcome.UNKNOWN
    return Result(
        outcome, f"{done} of {len(answers)} nodes have forgotten it", {name: said for name, said, _ in answers}
    )


def _refusal(nodes: Sequence[RedisNode], member: ClusterMember) -> str:
    """Why the member cannot be forgotten now."""
    name = name_of(nodes, member.node_id)
    living = next((node for node in answering(nodes) if node.node_id == member.node_id), None)
    if living is not None:
        return f"{name} answers: it is a member that lives, not a ghost"
    if not gone_for_most(nodes, member.node_id):
        return (
            f"{name} does not answer here, but most of the others do not hold it for failed: it lives, and only we cannot reach it. "
            "Mend the way to it; a node that is stopped is failed for them after cluster-node-timeout"
        )
    owned = next(
        (one.slots for node in answering(nodes) for one in node.view if one.node_id == member.node_id and one.slots), ()
    )
    if owned:
        return f"{name} owns slots {ranges(owned)}: fail over to its replica, or cover its slots if it is gone for good"
    silent = [name_of(nodes, one.node_id) for one in unheard(nodes) if one.node_id != member.node_id]
    if silent:
        return f"{', '.join(silent)} cannot be told, and would gossip it back after {BAN_SECONDS:.0f} s: reach it first"
    followers = [node.name for node in answering(nodes) if node.master_id == member.node_id]
    if followers:
        return f"{', '.join(followers)} still count as its replica: an administrator gives them another master first"
    return ""


def _knows(node: RedisNode, node_id: str) -> bool:
    return any(member.node_id == node_id for member in node.view)


def _victim(nodes: Sequence[RedisNode], member: ClusterMember, tellers: Sequence[RedisNode]) -> Victim:
    name = name_of(nodes, member.node_id)
    return Victim(
        key=name,
        identity=member.node_id,
        label=f"{name} {member.address} {','.join(member.flags)}",
        facts={
            "id": member.node_id,
            "address": member.address,
            "flags": ",".join(member.flags),
            "told": ", ".join(node.name for node in tellers),
        },
    )
