"""Fail a Redis shard over, at the right replica, in three grades (runbook 2.2, facts 2.2.1).

The runbook sends ``cluster failover`` to whatever node answers: on a master it is an error, on a random replica it moves a healthy shard for
nothing. Here it goes to one named replica. *Graceful* loses nothing and needs the master; *FORCE* needs no master but the votes of most
others; *TAKEOVER* asks nobody. The two that can lose acknowledged writes say how much as far as it can be known, are refused while the gentler
one would do, and want the shard's master named by hand. ``OK`` only schedules a failover, so the proof is read from every node.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.redis_action import RedisAction, figures, named
from alphapulse_tui.actions.redis_rights import forbidden
from alphapulse_tui.actions.redis_shell import cli
from alphapulse_tui.actions.redis_stakes import better, config_epoch, follows, loss, majority, master_of, owns, slots_of
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import (
    answering,
    counting,
    lost_masters,
    name_of,
    ranges,
    uncovered,
    unled,
    votes,
)
from alphapulse_tui.model.words import size
from alphapulse_tui.text import clean

VERIFY_MARGIN = 5.0
NODE_TIMEOUT_SECONDS = 15.0
"""The server's default ``cluster-node-timeout``, where it does not tell its own. Proof is due after two of them and a margin (facts 2.2.1)."""

_REPLICA = Parameter("replica", "the replica that is to become master, by name")
_AGREED = Parameter("agreed_with", "who else agreed to it", required=True)
"""Acknowledged writes may be lost: nobody decides that alone. A name that a person writes; it has no default."""


class _Failover(RedisAction):
    """What the three have in common."""

    parameters: tuple[Parameter, ...] = (_REPLICA,)
    option: ClassVar[str]
    """The word after CLUSTER FAILOVER, or none."""
    ask_for: ClassVar[str] = ""
    """What to be sure of, with a second person who is named in the plan; empty where one person is enough."""

    @abstractmethod
    def reason_against(self, nodes: Sequence[RedisNode], replica: RedisNode) -> str:
        """Why this grade does not fit; empty when it does."""

    @abstractmethod
    def consequences(self, nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
        """What will or may be lost, and who decides."""

    def chosen(self, nodes: Sequence[RedisNode], wanted: str) -> RedisNode | str:
        """The replica, or why there is none to choose."""
        return named(nodes, wanted) if wanted else self.choose(nodes)

    def choose(self, nodes: Sequence[RedisNode]) -> RedisNode | str:
        """The replica that nobody named: the best one of the one shard whose master has failed."""
        lost = [one for one in unled(nodes) if one.replicas]
        if len(lost) == 1:
            return lost[0].replicas[0]
        if not lost:
            return "no master with a replica that answers has failed: nothing needs a failover"
        names = "; ".join(f"{one.replicas[0].name} for {one.name}" for one in lost)
        return f"{len(lost)} masters have failed: name the replica ({names})"

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which shard moves where, what may be lost, and who is in the majority."""
        nodes = await self.cluster.read()
        replica = self.chosen(nodes, params.get("replica", ""))
        if isinstance(replica, str):
            return self._impossible(params, replica)
        agreed = clean(params.get("agreed_with", "").strip(), 80)
        refusal = _no_replica(nodes, replica) or self.reason_against(nodes, replica)
        if self.ask_for and not agreed:
            refusal = refusal or (
                f"nobody is named who agreed to it: {self.ask_for}, and name a second person in agreed_with "
                "(procedure redis-split-brain: t, agreed-with)"
            )
        words = ("CLUSTER", "FAILOVER", self.option) if self.option else ("CLUSTER", "FAILOVER")
        refusal = refusal or await forbidden(self.cluster, {replica.name: [words]})
        old = name_of(nodes, replica.master_id) if replica.master_id else replica.name
        slots, now = ranges(slots_of(nodes, replica.master_id)), config_epoch(nodes, replica.master_id)
        return self.draft(
            {**params, "replica": replica.name, **({"agreed_with": agreed} if self.ask_for else {})},
            title=f"{self.title}: {replica.name}",
            object=f"redis/shard/{replica.master_id[:12] or replica.name}",
            sentence=f"Would make {replica.name} the master of its shard."
            if refusal
            else f"Makes {replica.name} the master of slots {slots} instead of {old} ({replica.keys} keys).",
            call=f"{replica.name}: CLUSTER FAILOVER {self.option}".rstrip(),
            shell=cli(self.cluster.target, replica.address, "cluster failover", self.option.lower()),
            victims=(_victim(replica, old, slots, now),),
            preconditions={} if refusal else {f"epoch of {old}": str(now), "slots of the shard": slots},
            checks=(
                Check("role", f"{replica.name} itself says that it is a master"),
                Check("owner", f"every node that answers has it as the owner of {slots}"),
                Check("epoch", f"its own is newer than {old}'s, {now}"),
                Check("cluster_state", "ok on every node that answers, unless other slots have no owner"),
            ),
            warnings=()
            if refusal
            else (*self.consequences(nodes, replica), *([f"agreed with {agreed}"] if self.ask_for else [])),
            **_way_back(nodes, replica, old, possible=not refusal),
            refusal=refusal,
            confirm_word=old if self.risk is Risk.DESTRUCTIVE else "",
            verify_seconds=2 * await self._node_timeout(replica) + VERIFY_MARGIN,
        )

    def _impossible(self, params: Mapping[str, str], refusal: str) -> Plan:
        return self.draft(
            params,
            object="redis/shards",
            sentence="Would make a replica the master of its shard; none is chosen.",
            call=f"CLUSTER FAILOVER {self.option}".rstrip(),
            shell="",
            refusal=refusal,
        )

    async def _node_timeout(self, node: RedisNode) -> float:
        """``cluster-node-timeout`` in seconds; the server's default where it may not be read."""
        try:
            answer = await self.cluster.link(node.name).read("CONFIG", "GET", "cluster-node-timeout")
        except ActionProblem:
            return NODE_TIMEOUT_SECONDS
        value = str(answer[1]) if isinstance(answer, list) and len(answer) == 2 else ""
        return int(value) / 1000 if value.isdecimal() else NODE_TIMEOUT_SECONDS

    async def execute(self, plan: Plan) -> Result:
        """Ask the replica once more who it is, and send over the same connection."""
        if not plan.victims:
            return Result(Outcome.REFUSED, "no replica is left to fail over to")
        victim = plan.victims[0]
        link = self.cluster.link(victim.key)
        now = await link.state()
        if now.problem:
            raise ActionProblem(f"{now.problem}; nothing was sent")
        if _identity(now) != victim.identity:
            is_now = "a master" if now.role == "master" else f"node {now.node_id[:8]}, a replica of {now.master_id[:8]}"
            raise ActionProblem(f"{victim.key} is {is_now} by now, not what was shown; nothing was sent")
        await link.send("CLUSTER", "FAILOVER", *([self.option] if self.option else []))
        return Result(
            Outcome.DONE,
            f"{victim.key} has taken the order; that only schedules the failover",
            {victim.key: "failover scheduled"},
        )

    async def verify(self, plan: Plan) -> Verification:
        """Role on the node itself, owner and epoch as every other answering node has them."""
        nodes = await self.cluster.read()
        reading = figures(nodes)
        if not plan.victims:
            return Verification(Verdict.UNKNOWN, "the plan names no replica", reading)
        facts = plan.victims[0].facts
        name, node_id, old = facts["node"], facts["node id"], facts["master id"]
        node = next((one for one in nodes if one.node_id == node_id), None)
        if node is None:
            silent = next((one.problem for one in nodes if one.name == name and one.problem), "")
            return Verification(Verdict.UNKNOWN, silent or f"{name} is not the node that was shown any more", reading)
        if node.role != "master":
            return Verification(Verdict.PENDING, f"{name} is still a replica of {name_of(nodes, old)}", reading)
        views = counting(nodes)
        behind = [one.name for one in views if not owns(one, node_id) or owns(one, old)]
        if behind:
            return Verification(Verdict.PENDING, f"{name} is master; {', '.join(behind)} do not know it yet", reading)
        if node.me is None or node.me.epoch <= int(facts["epoch"]):
            return Verification(Verdict.CONTRADICTED, f"{name} is master without a newer epoch: not by this", reading)
        return _state(nodes, name, facts["slots"], reading)


def _victim(replica: RedisNode, old: str, slots: str, now: int) -> Victim:
    """The replica as it is now: the same node, still a replica of the same master."""
    return Victim(
        key=replica.name,
        identity=_identity(replica),
        label=f"{replica.name}: replica of {old} -> master of {slots}",
        facts={
            "node": replica.name,
            "node id": replica.node_id,
            "master": old,
            "master id": replica.master_id,
            "slots": slots,
            "keys": str(replica.keys),
            "epoch": str(now),
        },
    )


def _identity(node: RedisNode) -> str:
    return f"{node.node_id} {node.role} of {node.master_id}"


def _way_back(nodes: Sequence[RedisNode], replica: RedisNode, old: str, *, possible: bool) -> dict[str, Any]:
    """The plan's fields of going back: there is a way while the old master answers, for it becomes a replica."""
    if master_of(nodes, replica) is None:
        return {"undo": f"none now: {old} does not answer; when it is back as a replica, fail over to it gracefully"}
    undo = f"graceful failover back to {old}, once it is a replica that has caught up"
    return {"undo": undo} | ({"undo_action": Graceful.id, "undo_params": {"replica": old}} if possible else {})


def _state(nodes: Sequence[RedisNode], name: str, slots: str, reading: dict[str, str]) -> Verification:
    """The last part of the proof: the cluster serves again, or something else keeps it from it."""
    views = counting(nodes)
    failing = [one.name for one in views if one.cluster_state != "ok"]
    said = f"{name} is master of {slots} in {len(views)} of {len(views)} views"
    if not failing:
        return Verification(Verdict.VERIFIED, f"{said}, cluster_state ok", reading)
    others = [lost.name for lost in lost_masters(nodes)]
    missing = len(uncovered(nodes))
    if others or missing:
        why = f"{', '.join(others)} failed too" if others else f"{missing} slots have no owner"
        return Verification(Verdict.VERIFIED, f"{said}; cluster_state is still not ok: {why}", reading)
    return Verification(Verdict.PENDING, f"{said}; {', '.join(failing)} do not serve yet", reading)


class Graceful(_Failover):
    """Master and replica agree and change places: no write is lost."""

    id = "redis.failover"
    title = "fail over gracefully"
    risk = Risk.DISRUPTIVE
    option = ""

    def choose(self, nodes: Sequence[RedisNode]) -> RedisNode | str:
        """A healthy shard is moved only where somebody says so."""
        pairs = [
            f"{node.name} of {name_of(nodes, node.master_id)}"
            for node in answering(nodes)
            if node.role == "slave" and follows(node)
        ]
        return (
            f"say which replica is to become master: {', '.join(pairs)}" if pairs else "no replica follows its master"
        )

    def reason_against(self, nodes: Sequence[RedisNode], replica: RedisNode) -> str:
        """Needs a master that the replica can talk to."""
        if follows(replica):
            return ""
        old = name_of(nodes, replica.master_id)
        return (
            f"{replica.name} has lost the link to {old} or holds it for failed, so they cannot agree: "
            "mend the link, or use the forced failover if the master is dead"
        )

    def consequences(self, nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
        """A short pause for the shard's clients."""
        master = master_of(nodes, replica)
        behind = f", {size(max(0, master.offset - replica.offset))} behind now" if master is not None else ""
        return (f"writes to the shard wait until the replica has caught up{behind}; nothing is lost",)


class Force(_Failover):
    """The replica takes over from a dead master, with the votes of most other masters."""

    id = "redis.failover-force"
    title = "force a failover"
    risk = Risk.DESTRUCTIVE
    option = "FORCE"
    parameters = (_REPLICA, _AGREED)
    ask_for = "say what may be lost"

    def reason_against(self, nodes: Sequence[RedisNode], replica: RedisNode) -> str:  # noqa: ARG002 - the replica's own view decides
        """Only without a master to agree with, and with a majority to ask."""
        if follows(replica):
            return f"{replica.name} follows a living master: fail over gracefully, which loses nothing"
        count = votes(replica)
        if not count.majority:
            return (
                f"{replica.name} sees {count.alive} of {count.of} masters and needs {count.needed} votes: nobody can elect it. "
                "Bring a master back, or fence the other side and take over"
            )
        return ""

    def consequences(self, nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
        """Loss, other candidates, votes."""
        return (*loss(nodes, replica), *better(nodes, replica), majority(nodes, replica))


class Takeover(_Failover):
    """The replica makes itself master without asking anybody: the last resort when most masters are gone."""

    id = "redis.failover-takeover"
    title = "take over without votes"
    risk = Risk.DESTRUCTIVE
    option = "TAKEOVER"
    parameters = (_REPLICA, _AGREED)
    ask_for = "be sure that the other side is dead or fenced"

    def reason_against(self, nodes: Sequence[RedisNode], replica: RedisNode) -> str:
        """Never while others could be asked, or while the old master answers."""
        master = master_of(nodes, replica)
        if follows(replica):
            return f"{replica.name} follows a living master: fail over gracefully, which loses nothing"
        if votes(replica).majority:
            return "a majority of the masters can be asked: the forced failover is safer and does the same"
        if master is not None:
            return (
                f"{master.name} still answers: two masters would take writes for the same slots. Fence it first (stop its pod, or cut its "
                "clients off), then plan again"
            )
        return ""

    def consequences(self, nodes: Sequence[RedisNode], replica: RedisNode) -> tuple[str, ...]:
        """Loss, and the rule that is broken."""
        old = name_of(nodes, replica.master_id)
        return (
            f"that {old} does not answer here proves nothing: be sure that it is dead or fenced, for its own side may be a majority elsewhere",
            *loss(nodes, replica),
            *better(nodes, replica),
            f"{majority(nodes, replica)}; the epoch is raised without their agreement (last failover wins no longer holds)",
        )


def _no_replica(nodes: Sequence[RedisNode], node: RedisNode) -> str:
    """Why the node cannot be failed over to in any grade."""
    if node.problem:
        return f"{node.problem}: what it is cannot be verified"
    if not node.view or not node.node_id:
        return f"{node.name} is not in cluster mode: a single primary fails over by Sentinel or by its provider, not from here"
    if node.role == "master":
        mates = [one.name for one in answering(nodes) if one.master_id == node.node_id]
        return f"{node.name} is a master; a failover is sent to a replica of it: {', '.join(mates) or 'it has none that answers'}"
    if not slots_of(nodes, node.master_id):
        return f"the master of {node.name} owns no slots: there is nothing to take over"
    return ""
