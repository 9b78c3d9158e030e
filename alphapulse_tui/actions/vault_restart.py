"""Restart one Vault node by evicting its pod: a standby, and only while the others keep the quorum (runbook 2.3, facts 2.3.2).

The runbook's ``rollout restart deployment/vault`` finds no such Deployment, and on a StatefulSet it restarts every pod, each of which comes
back sealed: a fix for latency becomes an outage. So one node at a time, the leader last and only after it has stepped down, and the next one
when this one is unsealed. By eviction and not by delete, so that a disruption budget has its say.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.actions.kubernetes_link import NotThere, Object
from alphapulse_tui.actions.vault_cluster import ClusterAction, no_leader
from alphapulse_tui.actions.vault_node import SealClient, addresses
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.model.vault_raft import SurveyedNode, VaultSurvey
from alphapulse_tui.text import clean

VERIFY_SECONDS = 120.0
"""Until the new pod must answer: an image that is on the node starts within seconds, a volume may take a minute to move."""


class RestartNode(KubernetesAction, ClusterAction):
    """Evict one node's pod; its StatefulSet makes it anew, and a Shamir node comes back sealed."""

    id = "vault.restart-node"
    title = "restart one node"
    target = "vault"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.3"
    parameters = (Parameter("node", "a node by name; without it the standby that answers slowest"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which node, whether the others can do without it, and what it takes to open it again."""
        survey = await self.survey()
        node = _chosen(survey, params.get("node", ""))
        name, address = (node.name, node.address) if node else ("", "")
        refusal = no_leader(survey) or (
            restart_refusal(survey, node) if node else "no standby answers, so none can be restarted"
        )
        pod = await self._pod(name) if node and not refusal else {}
        uid = str(pod.get("metadata", {}).get("uid", ""))
        refusal = refusal or (await self._no_eviction(name, uid) if node else "")
        seal = await self._seal(name, address) if node else None
        namespace = self.profile.kubernetes.namespace if self.profile.kubernetes else "alphapulse"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"restart {name}" if node else self.title,
            target=self.target,
            environment=self.environment(),
            object=f"vault/node/{name}" if node else "vault/nodes",
            risk=self.risk,
            sentence=f"Evicts the pod {name}, one standby; its StatefulSet starts it anew{_after(seal)}."
            if node
            else "Would restart one standby; none is chosen.",
            call=f"POST /api/v1/namespaces/{namespace}/pods/{name}/eviction, only if its uid is still {uid or 'known'}",
            shell=f"kubectl -n {namespace} delete pod {name}   # then: VAULT_ADDR={address} vault operator unseal, once per share",
            params={**params, "node": name},
            victims=(_victim(node, uid, seal),) if node else (),
            preconditions={"uid": uid, "role": "standby"},
            checks=(
                Check("pod", f"a pod {name} with another uid is running"),
                Check("node", f"{name} answers again, sealed or as a standby"),
            ),
            warnings=_warnings(name, seal),
            undo="none: a restarted node is opened by its key shares",
            refusal=refusal,
            verify_seconds=VERIFY_SECONDS,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """The others looked at once more, then the eviction of this very pod."""
        name = plan.params["node"]
        survey = await self.survey()
        node = next((one for one in survey.nodes if one.name == name), None)
        refusal = no_leader(survey) or (restart_refusal(survey, node) if node else f"{name} is not in the profile")
        if refusal:
            raise ActionProblem(refusal)
        await self.link.evict(name, plan.preconditions["uid"])
        return Result(Outcome.DONE, f"the pod {name} is being evicted", {name: "evicted"})

    async def verify(self, plan: Plan) -> Verification:
        """Another pod of the name runs, and the node in it answers."""
        name = plan.params["node"]
        address = dict(addresses(self.profile)).get(name, "")
        node = await self._seal(name, address)
        try:
            pod = await self._pod(name)
        except NotThere:
            return Verification(
                Verdict.PENDING, f"the pod {name} is gone, its StatefulSet has not made it anew yet", {}
            )
        uid = str(pod["metadata"].get("uid", ""))
        phase = clean((pod.get("status") or {}).get("phase", ""), 32)
        stand = _stand(node)
        reading = {"pod": uid[:8], "phase": phase, name: stand}
        if uid == plan.preconditions["uid"]:
            leaving = bool(pod["metadata"].get("deletionTimestamp"))
            said = f"the old pod {name} is {'still ending' if leaving else 'still there, and is not being ended'}"
            return Verification(Verdict.PENDING if leaving else Verdict.CONTRADICTED, said, reading)
        if phase != "Running" or node.problem:
            return Verification(Verdict.PENDING, f"the new pod {name} is {phase or 'being made'}: {stand}", reading)
        onward = ": give it its key shares now" if node.sealed and not node.auto_unseal else ""
        return Verification(Verdict.VERIFIED, f"{name} runs anew and is {stand}{onward}", reading)

    async def _pod(self, name: str) -> Object:
        path = f"/api/v1/namespaces/{self.link.namespace}/pods/{name}"
        pod = await self.link.read(path, "pods [get]")
        if not isinstance(pod.get("metadata"), dict):
            raise ActionProblem("something that is no API server answers in its place")
        owners: list[dict[str, Any]] = pod["metadata"].get("ownerReferences") or []
        if not any(owner.get("kind") == "StatefulSet" for owner in owners):
            raise ActionProblem(f"the pod {name} belongs to no StatefulSet: nobody would make it anew")
        return pod

    async def _no_eviction(self, name: str, uid: str) -> str:
        """Why the pod would not be evicted, as the server says it when it is tried without storing; empty when it would be."""
        try:
            await self.link.evict(name, uid, dry_run=True)
        except ActionProblem as problem:
            return str(problem)
        return ""

    async def _seal(self, name: str, address: str) -> VaultNode:
        async with SealClient(self.profile) as client:
            return await client.read(name, address)


def restart_refusal(survey: VaultSurvey, node: SurveyedNode) -> str:
    """Why ``node`` may not be restarted now; empty when the others keep the quorum."""
    if node.code == 200 and not node.problem:
        return f"{node.name} leads: let it step down first, then restart it as a standby"
    others = [peer for peer in survey.voters if peer.name != node.name]
    if not others or any(peer.healthy is None for peer in others):
        grants = "; ".join(survey.missing_grants)
        return f"whether the others can do without {node.name} is not known: {survey.problem or grants or 'autopilot says nothing'}"
    well = [peer.name for peer in others if peer.healthy and peer.says in ("leader", "standby")]
    if len(well) < survey.quorum:
        return (
            f"without {node.name} only {len(well)} of {len(survey.voters)} voters would be healthy and raft needs {survey.quorum}: "
            "bring the others back first"
        )
    return ""


def _chosen(survey: VaultSurvey, wanted: str) -> SurveyedNode | None:
    """The node that is meant; by default the standby that answers slowest."""
    if wanted:
        found = next((node for node in survey.nodes if node.name == wanted), None)
        if found is None:
            known = ", ".join(node.name for node in survey.nodes)
            raise ActionProblem(f'there is no Vault node "{clean(wanted, 64)}"; the profile has {known}')
        return found
    standbys = [node for node in survey.serving if node.code != 200]
    return max(standbys, key=lambda node: node.health.high if node.health else 0.0, default=None)


def _victim(node: SurveyedNode, uid: str, seal: VaultNode | None) -> Victim:
    took = f", answers in {node.health.high:.0f} ms" if node.health else ""
    facts = {"address": node.address, "pod uid": uid[:8], "seal": seal.seal_type if seal else ""}
    return Victim(node.name, uid, f"{node.name}: {node.problem or 'standby'}{took}", facts)


def _after(seal: VaultNode | None) -> str:
    if seal is None or seal.problem:
        return ""
    if seal.auto_unseal:
        return f" and {seal.seal_type} opens it"
    return f", sealed: it takes {seal.threshold} of {seal.shares} key shares to open it"


def _warnings(name: str, seal: VaultNode | None) -> tuple[str, ...]:
    if seal is not None and seal.auto_unseal:
        return ("if its KMS cannot be reached it stays sealed: see that the other nodes were not sealed by that",)
    threshold = seal.threshold if seal is not None and seal.threshold else "enough"
    return (
        f"{name} comes back sealed: have {threshold} holders of key shares at hand before you start",
        "until it is open raft has one node less to lose; do not restart the next one before",
    )


def _stand(node: VaultNode) -> str:
    if node.problem:
        return "no answer"
    return f"sealed {node.progress}/{node.threshold}" if node.sealed else "unsealed"
