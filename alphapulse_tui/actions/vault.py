"""Open sealed Vault nodes by key shares, and throw away a spoilt round (runbook 2.3, facts 2.3.1).

A seal is a property of a node: each is asked and opened at its own address, never through a load balancer. A share is accepted without
being looked at; only the last one of a round shows whether all were right, and a wrong one among them wipes everybody's. So the round's
nonce and progress travel with the plan. Never ``init``, never ``migrate``. Shares are no parameter of anything here: the helper
(``executor.share_prompt``) asks for one on the terminal and sends it itself. Planned and verified by the executor.
"""

from __future__ import annotations

import time
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from alphapulse_tui.actions.contract import Action, ActionProblem, Parameter, SentWithoutAnswer, TargetUnreachable
from alphapulse_tui.actions.vault_node import SealClient, addresses
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.text import clean

NEXT = "next"
"""As ``node``: the first sealed node, the one whose round has come furthest first."""

PROMPT_SECONDS = 300.0
"""A person may have to fetch the share from a safe."""

_NODE = Parameter("node", 'a node by name, "next" for the next one; without it every node that the action fits')


class _SealAction(Action):
    """What both have in common: they read every node, and touch those of one kind."""

    target = "vault"
    source = "runbook 2.3"
    parameters = (_NODE,)

    async def read(self) -> tuple[VaultNode, ...]:
        """Every node's own answer."""
        async with SealClient(self.profile) as client:
            return await client.read_all(addresses(self.profile))

    async def touched(self, params: Mapping[str, str]) -> tuple[tuple[VaultNode, ...], tuple[VaultNode, ...], str]:
        """All nodes, those that the action would touch, and why there is none.

        Raises:
            TargetUnreachable: no node answers.
            ActionProblem: there is no node of that name.
        """
        nodes = await self.read()
        if nodes and all(node.problem for node in nodes):
            raise TargetUnreachable(f"no Vault node answers: {'; '.join(node.problem for node in nodes)}")
        wanted = params.get("node", "")
        if wanted and wanted != NEXT:
            named = [node for node in nodes if node.name == wanted]
            if not named:
                known = ", ".join(node.name for node in nodes)
                raise ActionProblem(f'there is no Vault node "{clean(wanted, 64)}"; the profile has {known}')
            reason = self.reason_against(named[0])
            return nodes, () if reason else (named[0],), reason
        fitting = sorted((node for node in nodes if not self.reason_against(node)), key=lambda node: -node.progress)
        if fitting:
            return nodes, tuple(fitting[:1] if wanted else fitting), ""
        # The most telling reason is a node that cannot be judged or opened by us; that all are open comes last.
        reasons = [self.reason_against(node) for node in nodes]
        told = [reason for node, reason in zip(nodes, reasons, strict=True) if node.problem or node.sealed]
        return nodes, (), "; ".join(dict.fromkeys(told)) or self.nothing_to_do(nodes)

    @abstractmethod
    def reason_against(self, node: VaultNode) -> str:
        """Why the action does not fit ``node``; empty when it does."""

    @abstractmethod
    def nothing_to_do(self, nodes: Sequence[VaultNode]) -> str:
        """What is said when every node answers and none needs it."""

    def victims(self, nodes: Sequence[VaultNode]) -> tuple[Victim, ...]:
        """The nodes as a plan has them; a round's nonce is their identity."""
        return tuple(
            Victim(
                key=node.name,
                identity=node.nonce,
                label=f"{node.name}: sealed, {node.progress} of {node.threshold} shares given",
                facts={
                    "node": node.name,
                    "address": node.address,
                    "progress": str(node.progress),
                    "threshold": str(node.threshold),
                    "shares": str(node.shares),
                    "nonce": node.nonce,
                    "version": node.version,
                },
            )
            for node in nodes
        )

    def figures(self, nodes: Sequence[VaultNode]) -> dict[str, str]:
        """Named figures, one for each node."""
        return {node.name: _stand(node) for node in nodes}

    def lock(self, touched: Sequence[VaultNode]) -> str:
        """The object that is locked."""
        return f"vault/node/{touched[0].name}" if len(touched) == 1 else "vault/nodes"


class Unseal(_SealAction):
    """Give one key share to one sealed node or to all of them."""

    id = "vault.unseal"
    title = "unseal"
    risk = Risk.SAFE

    def reason_against(self, node: VaultNode) -> str:
        """Only an initialised node, sealed by Shamir, that answers can be opened by shares."""
        if node.problem:
            return f"{node.problem}: its seal is not verified"
        if not node.initialized:
            return (
                f"{node.name} is not initialised: it has not joined its cluster yet, or its storage is lost; "
                "init would make a new, empty Vault and is not offered"
            )
        if not node.sealed:
            return f"{node.name} is not sealed"
        if node.auto_unseal:
            return (
                f"{node.name} is opened by {node.seal_type or 'a KMS'}, not by shares (recovery keys do not unseal): "
                "mend the KMS (network, IAM, state of the key), then restart the node"
            )
        return ""

    def nothing_to_do(self, nodes: Sequence[VaultNode]) -> str:
        """All are open."""
        return f"none of the {len(nodes)} nodes is sealed"

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which nodes get the share, and how far each round has come."""
        nodes, touched, reason = await self.touched(params)
        final = [node.name for node in touched if node.progress + 1 >= node.threshold]
        steps = ", ".join(f"{node.name} {node.progress}/{node.threshold} -> {_next(node)}" for node in touched)
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"unseal {touched[0].name}" if len(touched) == 1 else self.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=self.lock(touched),
            risk=self.risk,
            sentence=f"Asks you for one key share on the terminal, unseen, and gives it to each sealed node: {steps}."
            if touched
            else "Would give a key share to each sealed node; none can take one.",
            call="; ".join(f'PUT {node.address}/v1/sys/unseal {{"key": <your share>}}' for node in touched),
            shell="\n".join(
                f"VAULT_ADDR={node.address} vault operator unseal   # prompts; repeat per share" for node in touched
            ),
            params=_written_out(params, touched),
            victims=self.victims(touched),
            preconditions=_rounds(touched),
            checks=tuple(
                Check(node.name, "sealed: false on this very node, within seconds")
                if node.name in final
                else Check(node.name, f"progress {node.progress + 1} of {node.threshold} in the same round")
                for node in touched
            ),
            warnings=(
                "a wrong share is accepted like a right one; only at the threshold does it show, and then everybody's shares are lost: "
                "watch nonce and progress",
                "one person giving several shares defeats the split: it is not stopped, but recorded",
                *(f"{node.problem}: not touched" for node in nodes if node.problem and touched),
            ),
            undo="reset throws away the shares of a round that is not finished; an open node stays open",
            undo_action=ResetUnseal.id if touched and not final else "",
            undo_params=_written_out(params, touched) if touched and not final else {},
            refusal=reason,
            deadline=PROMPT_SECONDS,
            verify_seconds=30.0,
            needs_share=True,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """Not from here: a share enters no process but the helper's."""
        raise ActionProblem(f"{plan.title} needs a key share: it is asked for on the terminal, by the helper")

    async def verify(self, plan: Plan) -> Verification:
        """Each node: open, or one share further in the same round."""
        nodes = {node.name: node for node in await self.read()}
        verdicts = [_compare(victim, nodes.get(victim.key) or _forgotten(victim)) for victim in plan.victims]
        order = (Verdict.CONTRADICTED, Verdict.UNKNOWN, Verdict.PENDING, Verdict.VERIFIED)
        worst = min((verdict for verdict, _ in verdicts), key=order.index, default=Verdict.UNKNOWN)
        return Verification(worst, "; ".join(said for _, said in verdicts), self.figures(tuple(nodes.values())))


class ResetUnseal(_SealAction):
    """Throw away the shares of an unfinished round: somebody gave a wrong one, or gave up."""

    id = "vault.reset-unseal"
    title = "reset unseal round"
    risk = Risk.DISRUPTIVE

    def reason_against(self, node: VaultNode) -> str:
        """Only a sealed node with shares in its round."""
        if node.problem:
            return f"{node.problem}: its round is not verified"
        if not node.sealed:
            return f"{node.name} is not sealed"
        if not node.progress:
            return f"{node.name} has no share in its round"
        return ""

    def nothing_to_do(self, nodes: Sequence[VaultNode]) -> str:
        """No round is under way."""
        return f"on none of the {len(nodes)} nodes is a round of shares under way"

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Whose shares are thrown away."""
        nodes, touched, reason = await self.touched(params)
        lost = sum(node.progress for node in touched)
        rounds = ", ".join(f"{node.name} {node.progress}/{node.threshold} -> 0/{node.threshold}" for node in touched)
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=self.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=self.lock(touched),
            risk=self.risk,
            sentence=f"Throws away {lost} {'share' if lost == 1 else 'shares'} that people have given: {rounds}."
            if touched
            else "Would throw away the shares of an unfinished round; there is none.",
            call="; ".join(f'PUT {node.address}/v1/sys/unseal {{"reset": true}}' for node in touched),
            shell="\n".join(f"VAULT_ADDR={node.address} vault operator unseal -reset" for node in touched),
            params=_written_out(params, touched),
            victims=self.victims(touched),
            preconditions=_rounds(touched),
            checks=tuple(Check(node.name, "no share of this nonce is left") for node in touched),
            warnings=(
                "everybody who gave a share has to give it again",
                *(f"{node.problem}: not touched" for node in nodes if node.problem and touched),
            ),
            undo="none: the server keeps no share; their holders give them again",
            refusal=reason,
            verify_seconds=10.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """Node after node; one whose round is another one by now, or has more shares than were shown, is left alone."""
        details: dict[str, str] = {}
        done = unknown = 0
        async with SealClient(self.profile) as client:
            for victim in plan.victims:
                node = await client.read(victim.key, victim.facts["address"])
                if node.problem or (moved := _moved_on(victim, node)):
                    details[victim.key] = node.problem or f"left alone: {moved}"
                    continue
                try:
                    await client.reset(victim.key, victim.facts["address"])
                except ActionProblem as problem:
                    details[victim.key] = str(problem)
                except SentWithoutAnswer as silence:
                    details[victim.key] = str(silence)
                    unknown += 1
                else:
                    details[victim.key] = "round reset"
                    done += 1
        total = len(plan.victims)
        outcome = Outcome.DONE if done == total else Outcome.FAILED if done else Outcome.REFUSED
        return Result(
            Outcome.UNKNOWN if unknown else outcome, f"the rounds of {done} of {total} nodes were reset", details
        )

    async def verify(self, plan: Plan) -> Verification:
        """No share of the planned round is left on any node."""
        nodes = {node.name: node for node in await self.read()}
        figures = self.figures(tuple(nodes.values()))
        asked = [(victim, nodes.get(victim.key) or _forgotten(victim)) for victim in plan.victims]
        silent = [node.problem for _, node in asked if node.problem]
        if silent:
            return Verification(Verdict.UNKNOWN, "; ".join(silent), figures)
        left = [node.name for victim, node in asked if node.progress and node.nonce == victim.identity]
        if left:
            return Verification(Verdict.CONTRADICTED, f"the round of {', '.join(left)} goes on as before", figures)
        return Verification(Verdict.VERIFIED, f"no share of {_plural(len(plan.victims), 'round')} is left", figures)


def _moved_on(victim: Victim, node: VaultNode) -> str:
    """How the node's round differs from the planned one, in words; empty where it is as it was shown."""
    if node.nonce != victim.identity:
        return "its round is another one by now"
    shown = victim.facts["progress"]
    return (
        ""
        if str(node.progress) == shown
        else f"{node.progress} shares are in its round by now, {shown} when it was planned"
    )


def _forgotten(victim: Victim) -> VaultNode:
    """An old plan may name a node that the profile has lost since."""
    return VaultNode(victim.key, "", problem=f"{victim.key} is not in the profile any more")


def _compare(victim: Victim, node: VaultNode) -> tuple[Verdict, str]:
    """What one node says now against what the plan expected of it."""
    if node.problem:
        return Verdict.UNKNOWN, node.problem
    if not node.sealed:
        return Verdict.VERIFIED, f"{node.name} is open"
    before, threshold = int(victim.facts["progress"]), int(victim.facts["threshold"])
    stand = f"{node.progress} of {node.threshold} shares"
    if before + 1 >= threshold:
        # A node that has just joined its raft opens 1 to 8 seconds after the last share, with progress 0 meanwhile (facts 2.3.1).
        hint = (
            "it opens within seconds, unless a wrong share has wiped the round"
            if not node.progress
            else "the share did not count"
        )
        return Verdict.PENDING, f"{node.name} is still sealed, {stand}: {hint}"
    same_round = victim.identity in ("", node.nonce)
    if same_round and node.progress > before:
        return Verdict.VERIFIED, f"{node.name} has {stand}"
    if not same_round:
        return Verdict.CONTRADICTED, f"{node.name} has {stand} in another round: somebody reset it"
    return Verdict.CONTRADICTED, f"{node.name} has {stand} as before: the share did not count (given twice?)"


def _written_out(params: Mapping[str, str], touched: Sequence[VaultNode]) -> dict[str, str]:
    """``params`` with the node's name for "next": by the time of an undo another one may be the next."""
    return {**params, "node": touched[0].name} if params.get("node") == NEXT and touched else dict(params)


def _rounds(nodes: Sequence[VaultNode]) -> dict[str, str]:
    return {node.name: f"nonce {node.nonce or 'none'}, progress {node.progress} of {node.threshold}" for node in nodes}


def _next(node: VaultNode) -> str:
    return "open" if node.progress + 1 >= node.threshold else f"{node.progress + 1}/{node.threshold}"


def _stand(node: VaultNode) -> str:
    if node.problem:
        return "no answer"
    return f"sealed {node.progress}/{node.threshold}" if node.sealed else "unsealed"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
