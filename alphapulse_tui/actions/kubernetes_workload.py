"""What every change of a Deployment or StatefulSet shares: reading it, trying the patch, sending it guarded, watching the rollout.

Every change is one JSON patch that carries its preconditions: ``test`` on uid and generation. Generation and not resourceVersion, because in
a crash loop status changes every second. The same patch is first tried as a server dry run, so that admission, quota and rights speak at
planning, and what would change is shown. Stored is not done: the proof is kubectl's rollout rule. Used by ``actions.kubernetes`` (restart,
roll back) and ``actions.kubernetes_scale``.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alphapulse_tui.actions.api_traffic import TrafficReader
from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.actions.kubernetes_diff import differences
from alphapulse_tui.actions.kubernetes_link import OVERTAKEN, Object, Operations, Overtaken
from alphapulse_tui.actions.kubernetes_rollout import figures, standing, wanted
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

OWNERS = (
    ("annotations", "argocd.argoproj.io/", "Argo CD"),
    ("labels", "argocd.argoproj.io/", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/", "Flux"),
)
"""Beginnings of keys by which a workload says who deploys it (facts 0.3)."""

KINDS = {"deployment": ("Deployment", "deployments"), "statefulset": ("StatefulSet", "statefulsets")}
"""Any spelling of a kind to the right one and its resource."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

KIND = Parameter("kind", "Deployment or StatefulSet", default="Deployment", choices=("Deployment", "StatefulSet"))
NAME = Parameter("name", "its name", required=True)


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or StatefulSet as it was read."""

    kind: str
    resource: str
    name: str
    namespace: str
    raw: Object

    @property
    def path(self) -> str:
        """Its place in the API."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.resource}/{self.name}"

    @property
    def uid(self) -> str:
        """Changes when it is deleted and made anew."""
        return str(self.raw["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """Changes with its spec, not with its status."""
        return int(self.raw["metadata"].get("generation") or 0)

    @property
    def template(self) -> Object:
        """The pod template."""
        found: Object = self.raw["spec"]["template"]
        return found

    @property
    def short(self) -> str:
        """As kubectl takes it: ``deployment/api``."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """What one plan would do to a workload."""

    title: str
    sentence: str
    operations: Operations
    """Without the tests that guard them."""
    what: str
    """The operations in words, for the call."""
    shell: str
    preconditions: dict[str, str] = field(default_factory=dict)
    """Beside uid and generation."""
    written_out: dict[str, str] = field(default_factory=dict)
    """Parameters that were left open or said loosely (the revision before, twice the memory), as they were taken: see ``Plan.digest``."""
    facts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    undo: str = ""
    undo_action: str = ""
    undo_params: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    risk: Risk | None = None
    """Where it is another than the action's; a destructive change asks for the workload's name."""


class WorkloadAction(KubernetesAction):
    """Reads a workload, patches it, watches the rollout; a subclass says what is patched."""

    risk = Risk.DISRUPTIVE
    parameters: tuple[Parameter, ...] = (KIND, NAME)

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._traffic = TrafficReader(profile)

    @abstractmethod
    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """What would be done to ``workload`` now."""

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Read it, work out the patch, try it without storing it."""
        workload, served = await asyncio.gather(self.read(params), self.served(params))
        change = await self.change(workload, params)
        refusal, facts = change.refusal, {**served, **change.facts}
        if not refusal:
            try:
                operations = guarded(workload.uid, workload.generation, change.operations)
                tried = await self.link.patch(workload.path, operations, _right(workload), dry_run=True)
            except ActionProblem as problem:
                refusal = str(problem)
            else:
                facts |= differences(workload.raw, tried)
        return _plan(self, workload, params, change, facts, refusal)

    async def execute(self, plan: Plan) -> Result:
        """The patch, with the plan's uid and generation in it."""
        workload = await self.read(plan.params)
        change = await self.change(workload, plan.params)
        if change.refusal:
            raise ActionProblem(change.refusal)
        if any(plan.preconditions.get(name) != value for name, value in change.preconditions.items()):
            raise Overtaken(OVERTAKEN)
        uid, generation = plan.preconditions["uid"], int(plan.preconditions["generation"])
        operations = guarded(uid, generation, self.stamped(change.operations, plan))
        stored = await self.link.patch(workload.path, operations, _right(workload), dry_run=False)
        generation = int((stored.get("metadata") or {}).get("generation") or 0)
        return Result(Outcome.DONE, f"{workload.short} is stored as generation {generation}; the rollout begins")

    async def served(self, params: Mapping[str, str]) -> dict[str, str]:
        """Who is hurt, for the plan: what the workload serves now, or that it is not known."""
        traffic = await self._traffic.of(params.get("kind") or KIND.default, params.get("name", ""))
        return traffic.facts() if traffic is not None else {}

    def stamped(self, operations: Operations, plan: Plan) -> list[Mapping[str, Any]]:
        """The operations with the plan's id where it belongs."""
        del plan
        return list(operations)

    async def verify(self, plan: Plan) -> Verification:
        """Whether the change is in the spec, then how far the rollout is."""
        workload = await self.read(plan.params)
        reading = figures(workload.raw)
        missing = self.missing(workload, plan)
        if missing:
            return Verification(Verdict.CONTRADICTED, missing, reading)
        verdict, sentence = standing(workload.raw)
        return Verification(verdict, f"{workload.short}: {sentence}", reading)

    def missing(self, workload: Workload, plan: Plan) -> str:
        """Why the change is not in the workload's spec; empty when it is."""
        if workload.uid != plan.preconditions["uid"]:
            return f"{workload.short} was deleted and made anew since"
        return ""

    async def read(self, params: Mapping[str, str]) -> Workload:
        """The workload that the parameters name.

        Raises:
            ActionProblem: there is none, or it cannot be read.
        """
        kind, resource = KINDS.get((params.get("kind") or KIND.default).lower(), ("", ""))
        name = params.get("name", "")
        if not kind:
            raise ActionProblem(f'"kind" must be Deployment or StatefulSet, not "{clean(params["kind"], 64)}"')
        if not _NAME.fullmatch(name):
            raise ActionProblem(f'"name" must name the {kind}, not "{clean(name, 64)}"')
        namespace = self.link.namespace
        place = f"/apis/apps/v1/namespaces/{namespace}/{resource}/{name}"
        raw = await self.link.read(place, f"apps {resource} [get]")
        if not isinstance(raw.get("metadata"), dict) or not isinstance(raw.get("spec"), dict):
            raise ActionProblem("something that is no API server answers in its place")
        raw.setdefault("kind", kind)
        return Workload(kind, resource, name, namespace, raw)


def _plan(
    action: WorkloadAction,
    workload: Workload,
    params: Mapping[str, str],
    change: Change,
    facts: dict[str, str],
    refusal: str,
) -> Plan:
    seconds = int(workload.raw["spec"].get("progressDeadlineSeconds") or 600)
    risk = change.risk or action.risk
    return Plan(
        id=uuid.uuid4().hex,
        action=action.id,
        title=change.title,
        target=action.target,
        environment=action.profile.environment or action.profile.name,
        object=f"kubernetes/{workload.short}",
        risk=risk,
        sentence=change.sentence,
        call=f"PATCH {workload.path} (JSON patch): test uid and generation {workload.generation}, {change.what}",
        shell=change.shell,
        params={**params, "kind": workload.kind, "name": workload.name, **change.written_out},
        victims=(Victim(workload.short, workload.uid, f"{workload.short}: {wanted(workload.raw)} replicas", facts),),
        preconditions={"uid": workload.uid, "generation": str(workload.generation), **change.preconditions},
        checks=(
            Check("stored", "the change is in the spec"),
            Check(
                "rolled out", f"generation observed, all pods updated and available, none left over, within {seconds} s"
            ),
        ),
        warnings=change.warnings,
        undo=change.undo,
        undo_action=change.undo_action,
        undo_params=change.undo_params,
        refusal=refusal,
        confirm_word=workload.name if risk is Risk.DESTRUCTIVE else "",
        verify_seconds=float(min(seconds, 600) + 5),
        made_at=time.time(),
    )


def guarded(uid: str, generation: int, operations: Operations) -> list[Mapping[str, Any]]:
    """``operations`` after the tests that make them apply to this very object and nothing newer."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/generation", "value": generation},
        *operations,
    ]


def annotate(holder: Mapping[str, Any], path: str, annotations: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Operations that add annotations to the object at ``path``; a JSON patch can only add to a parent that is there."""
    metadata = holder.get("metadata")
    if not isinstance(metadata, dict):
        return [{"op": "add", "path": f"{path}/metadata", "value": {"annotations": dict(annotations)}}]
    if not isinstance(metadata.get("annotations"), dict):
        return [{"op": "add", "path": f"{path}/metadata/annotations", "value": dict(annotations)}]
    return [
        {
            "op": "add",
            "path": f"{path}/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}",
            "value": value,
        }
        for key, value in annotations.items()
    ]


def owner_warnings(workload: Workload) -> tuple[str, ...]:
    """Who deploys it and would put the change back (facts 0.3)."""
    metadata = workload.raw["metadata"]
    owners = {name for where, start, name in OWNERS if any(key.startswith(start) for key in metadata.get(where) or {})}
    if (metadata.get("labels") or {}).get("app.kubernetes.io/managed-by") == "Helm":
        owners.add("Helm")
    return tuple(f"{owner} deploys it: it may put this change back, so change it there too" for owner in sorted(owners))


def status_command(workload: Workload) -> str:
    """How one waits for the rollout with kubectl; without a limit it waits for ten minutes or for ever."""
    return f"kubectl -n {workload.namespace} rollout status {workload.short} --timeout=10m"


def _right(workload: Workload) -> str:
    return f"apps {workload.resource} [patch]"
