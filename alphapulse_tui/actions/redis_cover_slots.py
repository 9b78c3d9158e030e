"""Give slots that nobody owns to the master that has their keys (runbook 2.2, facts 2.2.1).

Two cases, kept apart. A slot that fell out of everybody's table is given to whoever holds its keys: nothing is lost. The slots of a master that
is gone for good, without a replica, are given to the others *empty*: that is for the day when its volume is lost too, must be asked for by its
name, and is refused while it may only be unreachable. The runbook's ``cluster fix`` does not exist; ``redis-cli --cluster fix`` does not ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.redis_action import RedisAction, figures
from alphapulse_tui.actions.redis_forget import forget_everywhere
from alphapulse_tui.actions.redis_keepers import Keeper, find_keepers
from alphapulse_tui.actions.redis_rights import forbidden
from alphapulse_tui.actions.redis_shell import cli
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import (
    LostMaster,
    answering,
    counting,
    lost_masters,
    maybe_masters,
    name_of,
    owners,
    ranges,
    uncovered,
)
from alphapulse_tui.text import clean


class CoverSlots(RedisAction):
    """``CLUSTER ADDSLOTS`` at the keeper of the keys, with a newer epoch, so that the claim is believed."""

    id = "redis.cover-slots"
    title = "cover slots without an owner"
    risk = Risk.DESTRUCTIVE
    parameters = (
        Parameter(
            "gone",
            "a master that is gone for good, whose slots are given away without their keys; without it only slots of nobody",
        ),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which slots, whose keys, to whom."""
        nodes = await self.cluster.read()
        wanted = params.get("gone", "")
        lost = next((one for one in lost_masters(nodes) if wanted in (one.name, one.node_id)), None) if wanted else None
        slots = (
            tuple(slot for first, last in lost.slots for slot in range(first, last + 1)) if lost else uncovered(nodes)
        )
        refusal = _gone_refusal(nodes, wanted, lost) if wanted else _refusal(nodes, slots)
        keepers: list[Keeper] = []
        if slots and not refusal:
            try:
                keepers = await find_keepers(self.cluster, nodes, slots)
            except ActionProblem as problem:
                refusal = str(problem)
        refusal = refusal or await forbidden(self.cluster, _commands(keepers, nodes, lost))
        word = lost.name if lost is not None else "slots"
        return self.draft(
            params,
            title=f"give away the slots of {lost.name}" if lost else self.title,
            object="redis/slots",
            sentence=_sentence(keepers, lost)
            if keepers
            else "Would give slots without an owner to whoever has their keys.",
            call="; ".join(
                [
                    *([f"CLUSTER FORGET {lost.node_id} on every node"] if lost else []),
                    *(
                        f"{keeper.node.name}: CLUSTER ADDSLOTS {ranges(keeper.slots)}, then BUMPEPOCH"
                        for keeper in keepers
                    ),
                ]
            ),
            shell=_shell(self, keepers, nodes, lost),
            victims=tuple(_victim(keeper) for keeper in keepers),
            preconditions={"slot map": _digest(nodes)} if not refusal else {},
            checks=(
                Check("coverage", "every one of these slots has this owner in every view that counts"),
                Check("cluster_state", "ok on every node that answers, unless other slots have no owner"),
            ),
            warnings=() if refusal else _warnings(nodes, keepers, lost),
            undo=f"none: if {lost.name} comes back, it has to be reset and added as an empty node"
            if lost
            else "none from here, and none needed: the keys stay where they are",
            refusal=refusal,
            confirm_word=word,
            deadline=30.0,
            verify_seconds=30.0,
        )

    async def execute(self, plan: Plan) -> Result:
        """The map is hashed once more, then each keeper claims its slots."""
        nodes = await self.cluster.read()
        if _digest(nodes) != plan.preconditions.get("slot map"):
            raise ActionProblem("the slots have other owners than when this was planned; nothing was sent: plan again")
        forgotten: dict[str, str] = {}
        begun = self.cluster.accepted
        if plan.params.get("gone"):
            wanted = plan.params["gone"]
            lost = next((one for one in lost_masters(nodes) if wanted in (one.name, one.node_id)), None)
            if lost is None or lost.answers:
                raise ActionProblem(f"{clean(wanted, 64)} is not gone any more; nothing was sent")
            told = await forget_everywhere(self.cluster, nodes, [lost.node_id])
            if told.outcome is not Outcome.DONE:
                return Result(told.outcome, f"{told.sentence}; no slot was given away", told.details)
            forgotten = told.details

        async def claim(victim: Victim) -> str:
            link = self.cluster.link(victim.facts["node"])
            slots = [slot for part in victim.facts["slots"].split(", ") for slot in _spread(part)]
            await link.send("CLUSTER", "ADDSLOTS", *slots)
            # Others believe a claim only at a newer epoch than the one that the slot had (measured in the lab).
            epoch = await link.send("CLUSTER", "BUMPEPOCH")
            return f"owns {len(slots)} more slots, epoch {clean(epoch, 40)}"

        result = await self.each(plan, claim, "masters took their slots", begun)
        return Result(result.outcome, result.sentence, {**forgotten, **result.details})

    async def verify(self, plan: Plan) -> Verification:
        """Every slot with its new owner in every view that counts."""
        nodes = await self.cluster.read()
        reading = figures(nodes)
        views = counting(nodes)
        tables = {node.name: owners(node.view) for node in views}
        for victim in plan.victims:
            slots = [slot for part in victim.facts["slots"].split(", ") for slot in _spread(part)]
            behind = [
                name for name, table in tables.items() if any(table[slot] != victim.facts["node id"] for slot in slots)
            ]
            if behind:
                return Verification(
                    Verdict.PENDING, f"{', '.join(behind)} do not have {victim.facts['node']} as the owner yet", reading
                )
        failing = [node.name for node in views if node.cluster_state != "ok"]
        if failing and not uncovered(nodes) and not lost_masters(nodes):
            return Verification(Verdict.PENDING, f"covered; {', '.join(failing)} do not serve yet", reading)
        rest = "cluster_state ok" if not failing else "cluster_state is still not ok for another reason"
        return Verification(Verdict.VERIFIED, f"covered in {len(views)} of {len(views)} views; {rest}", reading)


def _refusal(nodes: Sequence[RedisNode], slots: Sequence[int]) -> str:
    """Why slots of nobody cannot be given away now."""
    lost = lost_masters(nodes)
    if not slots:
        if lost:
            names = ", ".join(f"{one.name} ({ranges(one.slots)})" for one in lost)
            return (
                f"every slot has an owner, but {names} failed: bring it back or fail over; only if it is gone for good, with its volume, "
                "are its slots given away (name it)"
            )
        return "every slot has an owner"
    ids = {node.node_id for node in answering(nodes)}
    owning = {member.node_id for node in counting(nodes) for member in node.view if member.slots}
    silent = [name_of(nodes, node_id) for node_id in sorted(owning - ids)]
    silent += [node.name for node in maybe_masters(nodes) if node.name not in silent]
    if silent:
        return f"{', '.join(silent)} does not answer and may hold keys of these slots: bring it back first"
    return ""


def _gone_refusal(nodes: Sequence[RedisNode], wanted: str, lost: LostMaster | None) -> str:
    """Why the slots of a named master are not given away."""
    name = clean(wanted, 64)
    if lost is None:
        silent = next((node for node in nodes if node.name == wanted and node.problem), None)
        if silent is not None:
            return (
                f"{name} is only unreachable from here: the other nodes do not hold it for failed, so it may be serving"
            )
        return f"{name} has not failed in the views of most nodes, or owns no slots"
    if lost.answers:
        return f"{name} answers here: it is cut off from the others, not gone. Mend the network; its keys come back with it"
    if lost.replicas:
        return f"{lost.replicas[0].name} is a replica of {name} and has its keys: force a failover to it instead"
    return ""


def _warnings(nodes: Sequence[RedisNode], keepers: Sequence[Keeper], lost: LostMaster | None) -> tuple[str, ...]:
    if lost is not None:
        return (
            f"LOST FOR GOOD: every key in slots {ranges(lost.slots)}. {lost.name} and its volume must be gone: look first "
            "(kubectl get pod,pvc); a pod that restarts brings its keys back by itself",
            f"{lost.name} is forgotten; if it comes back later, it stands alone and must be reset before it is added",
            "caches warm up from the database again: watch its load",
        )
    silent = [node.name for node in nodes if node.problem]
    return (
        *(f"slots {ranges(keeper.slots)} are empty everywhere" for keeper in keepers if not keeper.keys),
        *(
            [f"{', '.join(silent)} does not answer; the others have it as a replica, so its master has its keys"]
            if silent
            else []
        ),
    )


def _sentence(keepers: Sequence[Keeper], lost: LostMaster | None) -> str:
    what = f"of {lost.name}, which is gone, " if lost else ""
    parts = [
        f"{ranges(keeper.slots)} to {keeper.node.name}"
        + (f", which has their {keeper.keys} keys ({', '.join(keeper.examples)})" if keeper.keys else ", empty")
        for keeper in keepers
    ]
    return f"Gives the slots {what}{'; '.join(parts)}."


def _commands(
    keepers: Sequence[Keeper], nodes: Sequence[RedisNode], lost: LostMaster | None
) -> dict[str, list[tuple[str, ...]]]:
    """What each node is sent; of the slots the first stands for all."""
    forget = [("CLUSTER", "FORGET", lost.node_id)] if lost is not None else []
    sent: dict[str, list[tuple[str, ...]]] = {node.name: list(forget) for node in answering(nodes)}
    for keeper in keepers:
        claim = [("CLUSTER", "ADDSLOTS", str(keeper.slots[0][0])), ("CLUSTER", "BUMPEPOCH")]
        sent[keeper.node.name] = [*sent.get(keeper.node.name, []), *claim]
    return sent


def _shell(action: CoverSlots, keepers: Sequence[Keeper], nodes: Sequence[RedisNode], lost: LostMaster | None) -> str:
    target = action.cluster.target
    lines = []
    if lost is not None:
        lines += [cli(target, node.address, "cluster forget", lost.node_id) for node in answering(nodes)]
    for keeper in keepers:
        one = " ".join(f"{first}" if first == last else f"$(seq {first} {last})" for first, last in keeper.slots)
        lines.append(
            f"{cli(target, keeper.node.address, 'cluster addslots', one)} && {cli(target, keeper.node.address, 'cluster bumpepoch')}"
        )
    return "\n".join(lines)


def _victim(keeper: Keeper) -> Victim:
    slots = ranges(keeper.slots)
    return Victim(
        key=f"slots {slots}",
        identity=keeper.node.node_id,
        label=f"slots {slots} -> {keeper.node.name}, {keeper.keys} keys",
        facts={
            "node": keeper.node.name,
            "node id": keeper.node.node_id,
            "slots": slots,
            "keys": str(keeper.keys),
            "such as": ", ".join(keeper.examples),
        },
    )


def _spread(part: str) -> list[int]:
    """A range as it is written, slot by slot.

    >>> _spread("3-5"), _spread("7")
    ([3, 4, 5], [7])
    """
    first, _, last = part.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _digest(nodes: Sequence[RedisNode]) -> str:
    """A fingerprint of who owns what in the views that count; another one means that somebody else mends too."""
    maps = {" ".join(owners(node.view)) for node in counting(nodes)}
    return hashlib.sha256("\n".join(sorted(maps)).encode()).hexdigest()[:16]
