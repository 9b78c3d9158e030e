"""Close the open slots of a Redis cluster: moves that were begun and never finished (runbook 2.2, facts 2.2.1).

``redis-cli cluster fix`` does not exist, and ``redis-cli --cluster fix`` decides by itself. Here each slot is counted on both sides first. Nothing
has arrived at the importer: both sides forget the move (``SETSLOT STABLE``). Everything has: the importer becomes the owner (``SETSLOT NODE``). Keys
on both sides would have to be moved, which reads their values: an administrator's work, and its command is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.redis_action import RedisAction, figures
from alphapulse_tui.actions.redis_rights import forbidden
from alphapulse_tui.actions.redis_shell import admin, cli
from alphapulse_tui.model.plan import Check, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.redis_cluster import OpenSlot, answering, counting, name_of, open_slots, owners
from alphapulse_tui.text import clean

CLOSE, FINISH = "close", "finish"


@dataclass(frozen=True, slots=True)
class _Move:
    """One open slot with both of its ends."""

    open: OpenSlot
    owner: RedisNode
    importer: RedisNode
    owner_keys: int
    importer_keys: int

    @property
    def how(self) -> str:
        """``close``, ``finish``, or empty when neither is right."""
        if not self.importer_keys or self.owner is self.importer:
            return CLOSE
        return "" if self.owner_keys else FINISH

    @property
    def counts(self) -> str:
        """For a person."""
        return f"{self.owner.name} has {self.owner_keys} keys of it, {self.importer.name} {self.importer_keys}"


class CloseSlots(RedisAction):
    """Forget or finish the moves of slots that are stuck."""

    id = "redis.close-slots"
    title = "close open slots"
    risk = Risk.DISRUPTIVE
    parameters = (Parameter("slot", "only this slot; without it every open one"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """What is open, how many keys are on each side, and what that means."""
        wanted = params.get("slot", "")
        nodes = await self.cluster.read()
        found = [one for one in open_slots(nodes) if wanted in ("", str(one.slot))]
        moves: list[_Move] = []
        reasons: list[str] = []
        for one in found:
            try:
                moves.append(await self._counted(nodes, one))
            except ActionProblem as problem:
                reasons.append(f"slot {one.slot}: {problem}")
        mended = [move for move in moves if move.how]
        reasons += [
            f"slot {move.open.slot}: {move.counts}; the rest must be moved, which reads values, so an administrator does it: "
            f"{admin(move.owner.address, 'fix')}"
            for move in moves
            if not move.how
        ]
        missing = f"slot {clean(wanted, 16)} is not open" if wanted else "no slot is open"
        sent: dict[str, list[tuple[str, ...]]] = {}
        for name, words in (one for move in mended for one in _commands(move)):
            sent.setdefault(name, []).append(words)
        return self.draft(
            params,
            object="redis/slots",
            sentence="; ".join(_sentence(move) for move in mended) + "."
            if mended
            else "Would close the moves of slots that are stuck; there is none that it can close.",
            call="; ".join(f"{name}: {' '.join(words)}" for move in mended for name, words in _commands(move)),
            shell="\n".join(
                cli(self.cluster.target, self._address(nodes, name), " ".join(words).lower())
                for move in mended
                for name, words in _commands(move)
            ),
            victims=tuple(_victim(move) for move in mended),
            checks=(
                Check("open slots", "none of these is open on any master"),
                Check("owner", "every view that counts has the owner that is named here"),
            ),
            warnings=tuple(reasons) if mended else (),
            undo="none needed: no key moves; a move is begun anew by an administrator (redis-cli --cluster reshard)",
            refusal=await forbidden(self.cluster, sent) if mended else "; ".join(reasons) or missing,
            deadline=15.0 + 2.0 * len(mended),
            verify_seconds=20.0,
        )

    async def _counted(self, nodes: Sequence[RedisNode], one: OpenSlot) -> _Move:
        """The slot with the keys on both sides.

        Raises:
            ActionProblem: a side does not answer, so nobody knows what it holds; or another node imports the slot too and has keys of it.
        """
        for other in _importers(nodes, one.slot):
            if other.node_id != one.importer_id and (keys := await self._keys(other, one.slot)):
                raise ActionProblem(
                    f"{other.name} imports it too and has {keys} keys of it, which would be lost; an administrator moves them: "
                    f"{admin(other.address, 'fix')}"
                )
        importer = _by_id(nodes, one.importer_id)
        owner = _by_id(nodes, _owner(nodes, one.slot) or one.owner_id)
        return _Move(one, owner, importer, await self._keys(owner, one.slot), await self._keys(importer, one.slot))

    async def _keys(self, node: RedisNode, slot: int) -> int:
        return int(await self.cluster.link(node.name).read("CLUSTER", "COUNTKEYSINSLOT", slot))

    @staticmethod
    def _address(nodes: Sequence[RedisNode], name: str) -> str:
        return next(node.address for node in nodes if node.name == name)

    async def execute(self, plan: Plan) -> Result:
        """Slot after slot: read and count once more, then send to both sides."""
        nodes = await self.cluster.read()
        now = {one.slot: one for one in open_slots(nodes)}

        async def close(victim: Victim) -> str:
            one = now.get(int(victim.facts["slot"]))
            if one is None:
                raise ActionProblem("it was closed by somebody else")
            move = await self._counted(nodes, one)
            if _identity(move) != victim.identity:
                raise ActionProblem(f"it is not as it was shown: {move.counts}; plan again")
            for name, words in _commands(move):
                await self.cluster.link(name).send(*words)
            return "closed on both sides" if move.how == CLOSE else f"{move.importer.name} owns it now"

        return await self.each(plan, close, "slots were closed")

    async def verify(self, plan: Plan) -> Verification:
        """No mark is left, and the owner is whom the plan named."""
        nodes = await self.cluster.read()
        still = {one.slot for one in open_slots(nodes)}
        reading = {**figures(nodes), "open slots": ", ".join(map(str, sorted(still))) or "none"}
        left = [victim.key for victim in plan.victims if int(victim.facts["slot"]) in still]
        if left:
            return Verification(Verdict.PENDING, f"{', '.join(left)} still open", reading)
        wrong = [
            f"{victim.key} belongs to {name_of(nodes, owner) if owner else 'nobody'}"
            for victim in plan.victims
            if (owner := _owner(nodes, int(victim.facts["slot"]))) != victim.facts["owner after"]
        ]
        if wrong:
            return Verification(Verdict.PENDING, "; ".join(wrong), reading)
        # Each end has its own mark, and nobody else tells of it.
        known = {node.name for node in answering(nodes)}
        silent = sorted({victim.facts[end] for victim in plan.victims for end in ("owner", "importer")} - known)
        if silent:
            said = f"{', '.join(silent)} does not answer: whether its side is closed is not known"
            return Verification(Verdict.UNKNOWN, said, reading)
        many = len(plan.victims)
        return Verification(Verdict.VERIFIED, f"{many} of {many} slots are closed and have their owner", reading)


def _commands(move: _Move) -> list[tuple[str, tuple[str, ...]]]:
    """Who is told what, in this order: the new owner first, so that the slot is never nobody's."""
    slot = str(move.open.slot)
    if move.how == FINISH:
        words = ("CLUSTER", "SETSLOT", slot, "NODE", move.importer.node_id)
        return [(move.importer.name, words), (move.owner.name, words)]
    sides = dict.fromkeys((move.importer.name, move.owner.name))
    return [(name, ("CLUSTER", "SETSLOT", slot, "STABLE")) for name in sides]


def _sentence(move: _Move) -> str:
    slot, owner, importer = move.open.slot, move.owner.name, move.importer.name
    if move.how == FINISH:
        return (
            f"Finishes the move of slot {slot}: {importer} has all its {move.importer_keys} keys and becomes its owner"
        )
    return f"Closes slot {slot}: {owner} keeps it with its {move.owner_keys} keys, {importer} has none"


def _victim(move: _Move) -> Victim:
    after = move.importer if move.how == FINISH else move.owner
    return Victim(
        key=f"slot {move.open.slot}",
        identity=_identity(move),
        label=f"slot {move.open.slot}: {move.owner.name} -> {move.importer.name}, {move.counts}: {move.how}",
        facts={
            "slot": str(move.open.slot),
            "how": move.how,
            "owner": move.owner.name,
            "importer": move.importer.name,
            "owner after": after.node_id,
            "keys": move.counts,
        },
    )


def _identity(move: _Move) -> str:
    """What must not change: the two ends and what is right for them. Counts at the owner change with every write."""
    return f"{move.owner.node_id} > {move.importer.node_id} {move.how}"


def _importers(nodes: Sequence[RedisNode], slot: int) -> list[RedisNode]:
    """Masters that have a mark that they import the slot: one, unless a move was begun anew to another node."""
    mark = f"[{slot}-<-"
    return [
        node
        for node in answering(nodes)
        if node.role == "master" and node.me is not None and any(word.startswith(mark) for word in node.me.open_slots)
    ]


def _by_id(nodes: Sequence[RedisNode], node_id: str) -> RedisNode:
    found = next((node for node in answering(nodes) if node.node_id == node_id), None)
    if found is None:
        raise ActionProblem(f"{name_of(nodes, node_id)} does not answer, so nobody knows what it holds")
    return found


def _owner(nodes: Sequence[RedisNode], slot: int) -> str:
    """The node that most views that count have as the owner."""
    claims = [owners(node.view)[slot] for node in counting(nodes)]
    return max(set(claims), key=claims.count, default="")
