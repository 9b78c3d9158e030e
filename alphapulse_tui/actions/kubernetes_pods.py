"""Take one pod away, so that its workload makes a new one (design 4; runbook 2.1 restarts a replica so).

By eviction and not by deletion: an eviction is refused (429) when a disruption budget would be broken. The pod's uid travels in the request, so a
pod of the same name that has come since is never hit.
"""

from __future__ import annotations

import json
import re
import shlex
import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.actions.kubernetes_link import NotThere, Object
from alphapulse_tui.actions.postgres_connection import Connection, replica_names
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

VERIFY_SECONDS = 120.0
"""Until the pod must be gone and as many as before be ready: a grace period, then a start."""

VAULT = "vault"
"""Beginning of the names of Vault's pods, which have an action of their own (``vault.restart-node``)."""

DANGERS = {
    "redis": "if it is a master, its slots are down until a replica has taken over: fail over gracefully first",
    "postgres": "a database that restarts drops every connection",
}
"""Beginning of the name of a stateful server's pod to what its end means: such a pod is asked for by its name."""

STANDBY = "its connections are dropped and its cache is cold afterwards; it replays from its last checkpoint on"
"""What the end of a replica means; the primary goes on."""


class DeletePod(KubernetesAction):
    """Evict one pod."""

    id = "kubernetes.delete-pod"
    title = "delete pod"
    risk = Risk.DISRUPTIVE
    source = "runbook 2.1, design 4"
    parameters = (Parameter("pod", "the pod's name", required=True),)

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._standbys: dict[str, Connection] = {}

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Read the pod, and try the eviction without doing it: budgets and rights speak now."""
        name = params.get("pod", "")
        if not _NAME.fullmatch(name):
            raise ActionProblem(f'"pod" must name a pod, not "{clean(name, 64)}"')
        pod = await self.link.read(self._path(name), "pods [get]")
        metadata = pod.get("metadata")
        if not isinstance(metadata, dict) or not metadata.get("uid"):
            raise ActionProblem("something that is no API server answers in its place")
        uid, owner = clean(metadata["uid"], 64), _owner(metadata)
        refusal = f"{name} is being deleted already" if metadata.get("deletionTimestamp") else ""
        if not refusal and not owner:
            refusal = f"{name} belongs to no workload: nobody would start it again"
        if not refusal and name.startswith(VAULT):
            refusal = f"{name} is not ended from here, it would come back sealed: vault.restart-node does it while the others keep the quorum"
        if not refusal:
            try:
                await self.link.create(f"{self._path(name)}/eviction", self._eviction(name, uid), _RIGHT, dry_run=True)
            except ActionProblem as problem:
                refusal = str(problem)
        grace = int((pod.get("spec") or {}).get("terminationGracePeriodSeconds") or 30)
        danger = next((words for start, words in DANGERS.items() if name.startswith(start)), "")
        standby = ""
        if danger and not refusal and name in replica_names(self.profile):
            standby = await self._no_standby(name)
            if not standby:
                return self._plan(name, uid, owner, grace, refusal, _state(pod), STANDBY, risk=Risk.DISRUPTIVE)
        warnings = (danger, standby) if danger else ()
        risk = Risk.DESTRUCTIVE if danger else Risk.DISRUPTIVE
        return self._plan(name, uid, owner, grace, refusal, _state(pod), *warnings, risk=risk)

    async def execute(self, plan: Plan) -> Result:
        """Evict it, if it is still the same pod."""
        name, uid = plan.params["pod"], plan.preconditions["uid"]
        if plan.preconditions.get("standby"):
            problem = await self._no_standby(name)
            if problem:
                raise ActionProblem(f"nothing was done: {problem}; plan it again")
        try:
            await self.link.create(f"{self._path(name)}/eviction", self._eviction(name, uid), _RIGHT, dry_run=False)
        except NotThere:
            return Result(Outcome.DONE, f"{name} was gone already: nothing was done", {name: "gone"})
        return Result(Outcome.DONE, f"{name} is told to end; its workload starts another", {name: "evicted"})

    async def verify(self, plan: Plan) -> Verification:
        """The pod of that uid is gone, and its workload has as many ready pods as it wants."""
        name = plan.params["pod"]
        try:
            pod = await self.link.read(self._path(name), "pods [get]")
        except NotThere:
            pod = {}
        there = (pod.get("metadata") or {}).get("uid") == plan.preconditions["uid"]
        if there:
            ending = bool(pod["metadata"].get("deletionTimestamp"))
            said = f"{name} is ending" if ending else f"{name} is still there"
            return Verification(Verdict.PENDING, said, {name: _state(pod)})
        wanted, ready = await self._standing(plan)
        reading = {name: _state(pod) if pod else "gone", "ready": f"{ready} of {wanted}"}
        if ready < wanted:
            return Verification(Verdict.PENDING, f"{name} is gone; {ready} of {wanted} pods are ready", reading)
        return Verification(Verdict.VERIFIED, f"{name} is gone, {ready} of {wanted} pods are ready", reading)

    async def close(self) -> None:
        """Close connections."""
        for connection in self._standbys.values():
            connection.drop()
        await super().close()

    async def _no_standby(self, name: str) -> str:
        """Why the profile's replica ``name`` is not known to be one now; empty when it says so itself."""
        connection = self._standbys.setdefault(name, Connection(self.profile, name))
        try:
            rows = await connection.rows("SELECT pg_is_in_recovery() AS standby")
        except ActionProblem as problem:
            return f"whether {name} is a replica still is not known: {problem}"
        return "" if rows and rows[0]["standby"] else f"{name} is no replica any more: it takes writes"

    async def _standing(self, plan: Plan) -> tuple[int, int]:
        """Wanted and ready pods of the owner."""
        kind, _, owner = plan.preconditions["owner"].partition("/")
        plural = {"ReplicaSet": "replicasets", "StatefulSet": "statefulsets"}.get(kind, "")
        if not plural:
            return 0, 0
        path = f"/apis/apps/v1/namespaces/{self.link.namespace}/{plural}/{owner}"
        try:
            found = await self.link.read(path, f"apps {plural} [get]")
        except NotThere:
            return 0, 0
        replicas = (found.get("spec") or {}).get("replicas")
        return 1 if replicas is None else int(replicas), int((found.get("status") or {}).get("readyReplicas") or 0)

    def _path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self.link.namespace}/pods/{name}"

    def _eviction(self, name: str, uid: str) -> Object:
        return {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": self.link.namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }

    def _shell(self, name: str) -> str:
        """kubectl has no verb for the eviction of one pod; a raw POST is one, and asks the budgets as ours does."""
        body = json.dumps({key: value for key, value in self._eviction(name, "").items() if key != "deleteOptions"})
        return f"echo {shlex.quote(body)} | kubectl create --raw {self._path(name)}/eviction -f -"

    def _plan(
        self, name: str, uid: str, owner: str, grace: int, refusal: str, state: str, *warnings: str, risk: Risk
    ) -> Plan:
        standby = {"standby": "yes"} if STANDBY in warnings else {}
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"delete pod {name}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/pod/{name}",
            risk=risk,
            confirm_word=name if risk is Risk.DESTRUCTIVE else "",
            sentence=f"Ends pod {name} (it has {grace} s to finish); {owner or 'nobody'} starts another one.",
            call=f"POST {self._path(name)}/eviction with the precondition uid {uid}",
            shell=self._shell(name),
            params={"pod": name},
            victims=(Victim(name, uid, f"{name}: {state}", {"owner": owner}),),
            preconditions={"uid": uid, "owner": owner, **standby},
            checks=(Check("gone", "no pod with this uid"), Check("replaced", "as many pods ready as are wanted")),
            warnings=tuple(filter(None, warnings)),
            undo="none is needed: its workload makes a new pod of the same template",
            refusal=refusal,
            verify_seconds=grace + VERIFY_SECONDS,
            made_at=time.time(),
        )


_RIGHT = "pods/eviction [create]"


def _owner(metadata: Mapping[str, Any]) -> str:
    """``ReplicaSet/api-7d9f``: who makes a new one; empty when nobody does."""
    owner = next((one for one in metadata.get("ownerReferences") or [] if one.get("controller")), None)
    return f"{clean(owner.get('kind', ''), 64)}/{clean(owner.get('name', ''), 256)}" if owner else ""


def _state(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    every = status.get("containerStatuses") or []
    waiting = next(
        (one["state"]["waiting"].get("reason") for one in every if (one.get("state") or {}).get("waiting")), ""
    )
    return clean(waiting or status.get("phase") or "unknown", 64)
