"""Scale a workload by its scale subresource: the least right that does it, and the old number tested in the request (runbook 3.3).

Up is safe, down is disruptive, to nothing is destructive and asks for the name. The StatefulSets of Redis, Vault and PostgreSQL are refused:
their data does not follow a number. An HPA that would put the number back is said before, and more pods than PostgreSQL has connections for
are refused (facts 2.4.2).
"""

from __future__ import annotations

import asyncio
import json
import shlex
import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.api_budget import budget_of, verdict_on
from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_link import NotThere, Object, Operations, WriteLink
from alphapulse_tui.actions.kubernetes_rollout import figures, standing, wanted
from alphapulse_tui.actions.kubernetes_workload import (
    KIND,
    NAME,
    Change,
    Workload,
    WorkloadAction,
    owner_warnings,
    status_command,
)
from alphapulse_tui.model.fixes.kubernetes import OWN_PROCEDURES
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

LARGEST = 1000
"""Replicas; more is a slip of the finger."""

VERIFY_SECONDS = 300.0
"""Until the pods must be ready (facts 3.3)."""


class Scale(WorkloadAction):
    """Set the number of replicas."""

    id = "kubernetes.scale"
    title = "scale"
    source = "runbook 3.3"
    parameters = (KIND, NAME, Parameter("replicas", f"how many, 0 to {LARGEST}", required=True))

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """From the number that is to the number that was asked for."""
        old, new = wanted(workload.raw), _replicas(params.get("replicas", ""))
        _, hpa = await autoscalers_of(self.link, workload, new)
        over, unknown = verdict_on(await budget_of(self.profile, workload.name), new) if new > old else ("", "")
        return Change(
            title=f"scale {workload.name} {old} -> {new}",
            sentence=f"Sets the replicas of {workload.short} from {old} to {new}{_means(old, new)}.",
            operations=_operations(workload.uid, old, new),
            what=f"test the old number {old}, set {new}",
            shell=_shell(workload, old, new),
            warnings=(*hpa, *((unknown,) if unknown else ()), *owner_warnings(workload)),
            undo=f"scale back to {old}",
            undo_action=self.id,
            undo_params={"kind": workload.kind, "name": workload.name, "replicas": str(old)},
            refusal=_refusal(workload, old, new) or over,
        )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Read it, and try the patch of the scale subresource without storing it."""
        workload, served = await asyncio.gather(self.read(params), self.served(params))
        change = await self.change(workload, params)
        refusal = change.refusal
        if not refusal:
            try:
                await self.link.patch(f"{workload.path}/scale", change.operations, _right(workload), dry_run=True)
            except ActionProblem as problem:
                refusal = str(problem)
        old, new = wanted(workload.raw), _replicas(params["replicas"])
        risk = Risk.DESTRUCTIVE if not new else Risk.DISRUPTIVE if new < old else Risk.SAFE
        facts = {"replicas": f"{old} -> {new}", **figures(workload.raw)}
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=change.title,
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/{workload.short}",
            risk=risk,
            sentence=change.sentence,
            call=f"PATCH {workload.path}/scale (JSON patch): {change.what}",
            shell=change.shell,
            params={**params, "kind": workload.kind, "name": workload.name},
            victims=(
                Victim(
                    workload.short,
                    workload.uid,
                    f"{workload.short}: {old} -> {new}",
                    served | facts | {"replicas": f"{old} -> {new}"},
                ),
            ),
            preconditions={"uid": workload.uid, "replicas": str(old)},
            checks=(
                Check("stored", f"the spec asks for {new}"),
                Check("ready", f"{new} pods are available, none is left over"),
            ),
            warnings=change.warnings,
            undo=change.undo,
            undo_action=change.undo_action,
            undo_params=change.undo_params,
            refusal=refusal,
            confirm_word=workload.name if risk is Risk.DESTRUCTIVE else "",
            verify_seconds=VERIFY_SECONDS,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """The patch, with the plan's uid and old number in it."""
        workload = await self.read(plan.params)
        old, new = int(plan.preconditions["replicas"]), _replicas(plan.params["replicas"])
        operations = _operations(plan.preconditions["uid"], old, new)
        await self.link.patch(f"{workload.path}/scale", operations, _right(workload), dry_run=False)
        return Result(Outcome.DONE, f"{workload.short} is to have {new} replicas instead of {old}")

    async def verify(self, plan: Plan) -> Verification:
        """Whether the number is in the spec, then whether the pods are there."""
        workload = await self.read(plan.params)
        reading, new = figures(workload.raw), _replicas(plan.params["replicas"])
        gone = self.missing(workload, plan)
        if gone or wanted(workload.raw) != new:
            said = (
                gone
                or f"{workload.short} is to have {wanted(workload.raw)} replicas, not {new}: an HPA or somebody else set it"
            )
            return Verification(Verdict.CONTRADICTED, said, reading)
        verdict, sentence = standing(workload.raw)
        if verdict is Verdict.VERIFIED and not new:
            left = int((workload.raw.get("status") or {}).get("replicas") or 0)
            verdict, sentence = (
                (Verdict.PENDING, f"{left} pods are still there")
                if left
                else (verdict, "no pod is left, but for those that are ending")
            )
        return Verification(verdict, f"{workload.short}: {sentence}", reading)


async def autoscalers_of(link: WriteLink, workload: Workload, new: int) -> tuple[bool, tuple[str, ...]]:
    """Whether an HPA scales the workload, and what it (or our not knowing) will make of the number."""
    path = f"/apis/autoscaling/v2/namespaces/{workload.namespace}/horizontalpodautoscalers"
    try:
        listed = await link.read(path, "autoscaling horizontalpodautoscalers [list]")
    except NotThere:
        return False, ()
    except ActionProblem as problem:
        return False, (f"whether an HPA will put the number back is not known: {problem}",)
    told = tuple(_hpa_warning(one, new) for one in listed.get("items") or [] if _scales(one, workload))
    return bool(told), told


def _scales(hpa: Object, workload: Workload) -> bool:
    aimed = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    return (aimed.get("kind"), aimed.get("name")) == (workload.kind, workload.name)


def _hpa_warning(hpa: Object, new: int) -> str:
    spec = hpa.get("spec") or {}
    least, most = int(spec.get("minReplicas") or 1), int(spec.get("maxReplicas") or 0)
    name = clean((hpa.get("metadata") or {}).get("name", ""), 128)
    if not new:
        return f"HPA {name} is switched off by 0 replicas, and stays so until somebody scales up by hand"
    if least <= new <= most:
        return f"HPA {name} keeps it between {least} and {most} and may set another number within 15 s: change the HPA instead"
    return f"HPA {name} will set it to {min(max(new, least), most)} within 15 s: change its bounds ({least} to {most}) instead"


def _operations(uid: str, old: int, new: int) -> Operations:
    """A scale of 0 has no ``replicas`` in its JSON, so an empty spec stands for it."""
    test: dict[str, Any] = {"op": "test", "path": "/spec/replicas", "value": old}
    if not old:
        test = {"op": "test", "path": "/spec", "value": {}}
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        test,
        {"op": "add", "path": "/spec/replicas", "value": new},
    ]


def _shell(workload: Workload, old: int, new: int) -> str:
    """The same patch by kubectl: ``kubectl scale --current-replicas`` wants the right to update, which scaling does not need."""
    patch = shlex.quote(json.dumps(_operations(workload.uid, old, new)))
    command = f"kubectl -n {workload.namespace} patch {workload.short} --subresource=scale --type=json -p {patch}"
    return f"{command} && {status_command(workload)}"


def _refusal(workload: Workload, old: int, new: int) -> str:
    return own_procedure(workload) or (f"{workload.short} is to have {old} replicas already" if old == new else "")


def own_procedure(workload: Workload) -> str:
    """Why the number of its pods is not changed from here; empty when it may be."""
    if workload.kind != "StatefulSet":
        return ""
    reason = next((why for start, why in OWN_PROCEDURES.items() if workload.name.startswith(start)), "")
    return f"{workload.short} is not scaled from here: {reason}" if reason else ""


def _means(old: int, new: int) -> str:
    if not new:
        return ": it stops serving"
    return f": {old - new} pods are stopped" if new < old else f": {new - old} pods are started"


def _replicas(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= LARGEST):
        raise ActionProblem(f'"replicas" must be a number from 0 to {LARGEST}, not "{clean(text, 40)}"')
    return int(text)


def _right(workload: Workload) -> str:
    return f"apps {workload.resource}/scale [patch]"
