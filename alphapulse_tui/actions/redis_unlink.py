"""Delete one large key without blocking its server (runbook 2.2, facts 2.2.2).

``UNLINK`` frees the memory in the background; ``DEL`` of a hash with 500,000 fields blocks. What is deleted is gone, so the key's name is typed.
A name with bytes that cannot be shown cannot be typed either: such a key is refused, with the command for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.crc import key_slot

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.redis_action import RedisAction
from alphapulse_tui.actions.redis_node import told
from alphapulse_tui.actions.redis_rights import forbidden
from alphapulse_tui.actions.redis_settings import fullest
from alphapulse_tui.actions.redis_shell import cli, quoted
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import answering, counting, owners
from alphapulse_tui.model.words import age, size
from alphapulse_tui.text import clean

SAMPLES = 5
"""Elements that MEMORY USAGE looks at; 0 would be exact and block for 16 ms on 500,000 fields (facts 2.2.2)."""


class Unlink(RedisAction):
    """``UNLINK`` of one key at the master that has it."""

    id = "redis.unlink"
    title = "unlink one key"
    risk = Risk.DESTRUCTIVE
    parameters = (Parameter("key", "the key's name", required=True),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """What the key is, how large, and how long it would have lived."""
        key = params.get("key", "")
        if not key:
            raise ActionProblem("say which key is to be unlinked; the Redis screen's keys view finds the large ones")
        shown = clean(key, 512)
        nodes = await self.cluster.read()
        owner = _owner(nodes, key)
        kind, ttl, bytes_ = await self._facts(owner, key)
        refusal = (
            f"{owner.name}, which owns its slot, has no such key: it is gone, expired or was evicted"
            if kind == "none"
            else ""
        )
        if shown != key:
            refusal = "its name has bytes that cannot be shown, so nobody could confirm it: an administrator unlinks it by hand"
        refusal = refusal or await forbidden(self.cluster, {owner.name: [("UNLINK", key)]})
        lives = f"would live {age(ttl)} more" if ttl >= 0 else "has no TTL"
        what = f"{kind} of {size(bytes_)}" if bytes_ else kind
        return self.draft(
            params,
            title="unlink a key",
            object=f"redis/key/{shown}",
            sentence=f"Would delete {shown}."
            if refusal
            else f"Deletes {shown}, a {what} on {owner.name}, for good; its memory is freed in the background.",
            call=f"{owner.name}: UNLINK {shown}",
            shell=cli(self.cluster.target, owner.address, "unlink", quoted(shown)),
            victims=()
            if refusal
            else (
                Victim(
                    key=shown,
                    identity=f"{kind} on {owner.node_id}",
                    label=f"{shown}: {what}, {lives}, on {owner.name}",
                    facts={
                        "type": kind,
                        "bytes": str(bytes_),
                        "ttl": str(ttl),
                        "node": owner.name,
                        "node id": owner.node_id,
                    },
                ),
            ),
            preconditions={} if refusal else {"type": kind},
            checks=(
                Check("key", "the server says that there is none of this name"),
                Check("memory", f"used memory of {owner.name} falls"),
            ),
            warnings=()
            if refusal
            else (
                "what is in it is lost: be sure that it can be made again, or who needs it is asked",
                "whoever writes it may write it anew at once: find that job too (CLIENT LIST, the name's prefix)",
            ),
            undo="none: nothing keeps a copy; it comes back when it is written again",
            refusal=refusal,
            confirm_word=shown,
            verify_seconds=20.0,
        )

    async def _facts(self, owner: RedisNode, key: str) -> tuple[str, int, int]:
        """Type, TTL in seconds (-1: none), bytes (0: not known)."""
        commands: Sequence[Sequence[str | int]] = (
            ("TYPE", key),
            ("TTL", key),
            ("MEMORY", "USAGE", key, "SAMPLES", SAMPLES),
        )
        kind, ttl, used = await self.cluster.link(owner.name).ask(*commands)
        for answer in (kind, ttl):
            if isinstance(answer, Exception):
                raise ActionProblem(told(owner.name, answer, self.cluster.target.username))
        return clean(kind, 40), _number(ttl, -1), _number(used, 0)

    async def execute(self, plan: Plan) -> Result:
        """The type once more, then UNLINK, over the same connection."""
        if not plan.victims:
            return Result(Outcome.REFUSED, "no key is left to unlink")
        victim, key = plan.victims[0], plan.params["key"]
        link = self.cluster.link(victim.facts["node"])
        kind = clean(await link.read("TYPE", key), 40)
        if kind == "none":
            return Result(Outcome.REFUSED, f"{victim.key} is gone already; nothing was sent", {victim.key: "gone"})
        if kind != victim.facts["type"]:
            raise ActionProblem(f"{victim.key} is a {kind} by now, not a {victim.facts['type']}; nothing was sent")
        gone = await link.send("UNLINK", key)
        said = "unlinked" if gone == 1 else "had gone by itself"
        return Result(Outcome.DONE, f"{victim.key} {said}", {victim.key: said})

    async def verify(self, plan: Plan) -> Verification:
        """No key of this name, and the memory of its node."""
        nodes = await self.cluster.read()
        key = plan.params["key"]
        owner = _owner(nodes, key)
        kind, _, used = await self._facts(owner, key)
        reading = {
            "key": "none" if kind == "none" else f"{kind} of {size(used)}",
            f"used memory of {owner.name}": size(owner.used_memory),
            "fullest master": fullest(nodes),
        }
        if kind == "none":
            return Verification(
                Verdict.VERIFIED, f"{clean(key, 200)} is gone; {owner.name} uses {size(owner.used_memory)}", reading
            )
        return Verification(
            Verdict.CONTRADICTED, f"{clean(key, 200)} is there: {kind} of {size(used)}; was it written anew?", reading
        )


def _owner(nodes: Sequence[RedisNode], key: str) -> RedisNode:
    """The master that owns the key's slot in the views that count.

    Raises:
        ActionProblem: nobody does, or it does not answer.
    """
    slot = int(key_slot(key.encode()))
    claims = [owners(node.view)[slot] for node in counting(nodes)]
    if not claims:
        raise ActionProblem("no node tells who owns the key's slot: is this a cluster?")
    owner_id = max(set(claims), key=claims.count)
    owner = next((node for node in answering(nodes) if node.node_id == owner_id), None)
    if owner is None:
        raise ActionProblem(
            f"the owner of slot {slot} does not answer" if owner_id else f"nobody owns slot {slot}: cover it first"
        )
    return owner


def _number(answer: Any, default: int) -> int:
    return int(answer) if isinstance(answer, int) else default
