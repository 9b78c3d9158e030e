"""Let a sick leader step down, and take a dead peer out of raft's configuration (runbook 2.3, facts 2.3.2).

Both are one write to the leader that was planned for, and to no other: see ``vault_cluster``. Neither is done where it would leave raft
without a quorum. Planned and verified by the executor.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.vault_cluster import ClusterAction, ClusterClient, Standing, no_leader
from alphapulse_tui.actions.vault_rights import forbidden
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.vault_raft import Peer, SurveyedNode, VaultSurvey
from alphapulse_tui.text import clean

STEP_DOWN = "sys/step-down"
REMOVE_PEER = "sys/storage/raft/remove-peer"


class StepDown(ClusterAction):
    """Make the active node give up its office; raft elects another, or the same again."""

    id = "vault.step-down"
    title = "step down"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.3"

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Who leads, who could take over, and whether raft can bear it."""
        survey = await self.survey()
        async with ClusterClient(self.profile) as client:
            leader = next((one for one in await client.standings() if one.leads), None)
        refusal = no_leader(survey) or step_down_refusal(survey)
        if leader is None:
            refusal = refusal or "no node leads at the moment: an election may be under way"
        refusal = refusal or await forbidden(self.profile, self.id)
        name, address = (leader.name, leader.address) if leader else ("nobody", "")
        others = [node.name for node in survey.serving if node.name != name]
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"{name} steps down" if leader else self.title,
            target=self.target,
            environment=self.environment(),
            object="vault/leader",
            risk=self.risk,
            sentence=f"{name} gives up the lead; {' or '.join(others) or 'nobody'} takes over, or {name} is elected again."
            if leader
            else "Would make the leader give up its office; nobody leads.",
            call=f"PUT {address}/v1/{STEP_DOWN}, not to be forwarded",
            shell=f"VAULT_ADDR={address} vault operator step-down",
            params=dict(params),
            victims=(_office(leader, survey),) if leader else (),
            preconditions={"leader": name, "leads since": leader.active_since} if leader else {},
            checks=(Check("leader", "a node answers 200 and has taken the lead after this, within 30 s"),),
            warnings=(
                "for 1 to 10 s no node leads: requests wait or fail, and clients try again",
                "which node wins is raft's choice; if the same wins again, restart it as a standby or look at its host",
            ),
            undo="none: step the new leader down as well; who wins then is raft's choice again",
            refusal=refusal,
            verify_seconds=30.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """To the node that was planned for, while it still holds the same office."""
        if not plan.victims:
            raise ActionProblem("the plan has no leader: plan again")
        victim = plan.victims[0]
        async with ClusterClient(self.profile) as client:
            now = await client.standing(victim.key, victim.facts["address"])
            if now.problem:
                raise ActionProblem(now.problem)
            if now.active_since != victim.identity:
                raise ActionProblem(f"{victim.key} does not lead as it did any more: nothing was done, plan again")
            await client.write("PUT", STEP_DOWN, (victim.key, victim.facts["address"]), ("update", "sudo"))
        return Result(Outcome.DONE, f"{victim.key} was told to step down", {victim.key: "told to step down"})

    async def verify(self, plan: Plan) -> Verification:
        """Somebody leads, and has done so only since."""
        async with ClusterClient(self.profile) as client:
            standings = await client.standings()
        reading = {one.name: _word(one) for one in standings}
        before = plan.preconditions.get("leads since", "")
        leader = next((one for one in standings if one.leads), None)
        silent = [one.problem for one in standings if one.problem]
        if leader is None and silent:
            return Verification(Verdict.UNKNOWN, f"who leads is not known: {'; '.join(silent)}", reading)
        if leader is None:
            return Verification(Verdict.PENDING, "no node leads yet", reading)
        if leader.active_since == before:
            return Verification(Verdict.PENDING, f"{leader.name} leads as before: it has not stepped down yet", reading)
        again = (
            " again: look at its host if it is still slow" if leader.name == plan.preconditions.get("leader") else ""
        )
        return Verification(Verdict.VERIFIED, f"{leader.name} was elected{again}", reading)


class RemovePeer(ClusterAction):
    """Take a server that is gone for good out of raft's configuration, so that it counts no more for the quorum."""

    id = "vault.remove-peer"
    title = "remove dead peer"
    risk = Risk.DESTRUCTIVE
    source = "runbook 2.3"
    parameters = (Parameter("peer", "the server's name in raft; without it the only dead one"),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Which peer, and what is left of the quorum without it."""
        survey = await self.survey()
        peer, refusal = chosen_peer(survey, params.get("peer", ""))
        refusal = no_leader(survey) or refusal or (removal_refusal(survey, peer) if peer else "")
        refusal = refusal or await forbidden(self.profile, self.id)
        leader = survey.leader
        address = leader.address if leader else ""
        name = peer.name if peer else ""
        left = [one for one in survey.voters if one is not peer]
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"remove {name} from raft" if peer else self.title,
            target=self.target,
            environment=self.environment(),
            object=f"vault/peer/{name}" if peer else "vault/peers",
            risk=self.risk,
            sentence=f"Takes {name} out of raft's configuration: {len(left)} voters are left, {len(left) // 2 + 1} must agree."
            if peer
            else "Would take a dead server out of raft's configuration; none is chosen.",
            call=f'POST {address}/v1/{REMOVE_PEER} {{"server_id": "{name}"}}, not to be forwarded',
            shell=f"VAULT_ADDR={address} vault operator raft remove-peer {name}",
            params={**params, "peer": name},
            victims=(_seat(peer),) if peer else (),
            preconditions={"peer": f"{name} at {peer.cluster_address}", "leader": leader.name if leader else ""}
            if peer
            else {},
            checks=(Check("configuration", f"the leader's raft configuration has no {name}"),),
            warnings=(
                f"{name} cannot come back with its old disk: empty it first, then the node joins anew and is unsealed",
                f"until a new node has joined, raft bears the loss of {max(0, (len(left) - 1) // 2)} more",
            ),
            undo="none: the node joins anew with an empty disk (retry_join does it at its start) and is unsealed",
            refusal=refusal,
            confirm_word=name,
            verify_seconds=30.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """Looked at again, then one write to the leader."""
        if not plan.victims:
            raise ActionProblem("the plan has no peer: plan again")
        victim = plan.victims[0]
        survey = await self.survey()
        peer = next((one for one in survey.peers if one.name == victim.key), None)
        refusal = no_leader(survey)
        if not refusal and peer is None:
            refusal = f"{victim.key} is not in raft's configuration any more: nothing was done"
        if not refusal and peer is not None:
            moved = peer.cluster_address != victim.identity
            refusal = f"{victim.key} has another address by now: plan again" if moved else removal_refusal(survey, peer)
        if refusal:
            raise ActionProblem(refusal)
        assert survey.leader is not None
        place = (survey.leader.name, survey.leader.address)
        async with ClusterClient(self.profile) as client:
            await client.write("POST", REMOVE_PEER, place, ("update",), {"server_id": victim.key})
        return Result(Outcome.DONE, f"{victim.key} was taken out of raft", {victim.key: "removed"})

    async def verify(self, plan: Plan) -> Verification:
        """The leader's configuration without the peer, or with a new node of its name."""
        peer = plan.params.get("peer", "")
        async with ClusterClient(self.profile) as client:
            standings = await client.standings()
            leader = next((one for one in standings if one.leads), None)
            if leader is None:
                return Verification(Verdict.UNKNOWN, "no node leads: raft's configuration is not known", {})
            servers = await client.servers(leader.name, leader.address)
        names = [clean(server.get("node_id", ""), 128) for server in servers]
        voters = sum(1 for server in servers if server.get("voter"))
        reading = {"servers": ", ".join(sorted(names)), "voters": str(voters)}
        if peer not in names:
            return Verification(Verdict.VERIFIED, f"{peer} is out of raft; {voters} voters are left", reading)
        there = next((one for one in standings if one.name == peer), None)
        if there is not None and there.code in (200, 429, 503):
            server = next(one for one in servers if clean(one.get("node_id", ""), 128) == peer)
            if not _another(plan, server):
                said = f"{peer} answers, {_word(there)}, with the seat that it had: nothing shows that it was taken out"
                return Verification(Verdict.PENDING, said, reading)
            return Verification(Verdict.VERIFIED, f"{peer} has joined anew and answers: {_word(there)}", reading)
        return Verification(Verdict.CONTRADICTED, f"{peer} is still in raft's configuration", reading)


def _another(plan: Plan, server: Mapping[str, Any]) -> bool:
    """Whether the seat is not the one that was planned for: at another address, or no voter any more, as who has just joined.

    Not autopilot's ``stable_since``: that changes as well when a peer that was never removed comes back to health.
    """
    if not plan.victims:
        return False
    victim = plan.victims[0]
    moved = clean(server.get("address", ""), 128) != victim.identity
    return moved or (victim.facts.get("voter", "") == "yes" and not server.get("voter"))


def step_down_refusal(survey: VaultSurvey) -> str:
    """Why the leader may not step down now; empty when it may (facts 2.3.2: two healthy voters, a failure to spare)."""
    if survey.failure_tolerance is None:
        grants = "; ".join(survey.missing_grants)
        return f"how many nodes raft may lose is not known: {survey.problem or grants or 'autopilot says nothing'}"
    leader = survey.leader
    heirs = [
        peer
        for peer in survey.voters
        if peer.healthy and peer.says == "standby" and (leader is None or peer.name != leader.name)
    ]
    if not heirs:
        return "no healthy standby could take over: bring one back or unseal one first"
    if survey.failure_tolerance < 1:
        return "raft has no node to spare: if the election fails, Vault is down; bring the missing node back first"
    return ""


def chosen_peer(survey: VaultSurvey, wanted: str) -> tuple[Peer | None, str]:
    """The peer that is meant, and why there is none."""
    if not survey.peers:
        grants = "; ".join(survey.missing_grants)
        return None, f"raft's configuration is not known: {survey.problem or grants or 'no node tells it'}"
    if wanted:
        found = next((peer for peer in survey.peers if peer.name == wanted), None)
        known = ", ".join(peer.name for peer in survey.peers)
        return found, "" if found else f'raft has no server "{clean(wanted, 64)}"; it has {known}'
    dead = [peer for peer in survey.peers if peer.dead or (peer.healthy is False and peer.says == "uninitialised")]
    if len(dead) == 1:
        return dead[0], ""
    names = ", ".join(peer.name for peer in dead)
    return None, f"{names} are dead: choose one by name" if dead else "no server of raft's configuration is dead"


def removal_refusal(survey: VaultSurvey, peer: Peer) -> str:
    """Why ``peer`` may not be removed now; empty when it may."""
    if peer.leader:
        return f"{peer.name} leads: a leader is never removed from here"
    if peer.healthy is None:
        return f"whether {peer.name} is dead is not verified: autopilot's state could not be read"
    if peer.healthy:
        return f"{peer.name} is alive: autopilot calls it healthy"
    if peer.says == "SEALED":
        return f"{peer.name} answers and is sealed: unseal it, its data is there"
    if peer.says not in ("no answer", "", "uninitialised"):
        return f"{peer.name} answers as {peer.says}: it is not dead"
    if not peer.voter:
        return ""
    left = [one for one in survey.voters if one is not peer]
    well = sum(1 for one in left if one.healthy)
    if well < len(left) // 2 + 1:
        return f"without {peer.name} only {well} of {len(left)} voters would be healthy: raft would lose its quorum"
    return ""


def _office(leader: Standing, survey: VaultSurvey) -> Victim:
    node: SurveyedNode | None = next((one for one in survey.nodes if one.name == leader.name), None)
    facts = {"address": leader.address, "leads since": leader.active_since}
    if node is not None and node.telemetry is not None and node.telemetry.in_flight is not None:
        facts["requests under way"] = f"{node.telemetry.in_flight:.0f}"
    return Victim(leader.name, leader.active_since, f"{leader.name}: leads since {leader.active_since[:19]}Z", facts)


def _seat(peer: Peer) -> Victim:
    silent = "" if peer.last_contact is None else f", not heard of for {peer.last_contact / 1000:.0f} s"
    says = peer.says or "not a node of the profile"
    return Victim(
        peer.name,
        peer.cluster_address,
        f"{peer.name}: {'voter' if peer.voter else 'non-voter'}, {says}{silent}",
        {"cluster address": peer.cluster_address, "answers": says, "voter": "yes" if peer.voter else "no"},
    )


def _word(one: Standing) -> str:
    if one.problem:
        return "no answer"
    return {200: "leader", 429: "standby", 501: "uninitialised", 503: "sealed"}.get(one.code, f"code {one.code}")
