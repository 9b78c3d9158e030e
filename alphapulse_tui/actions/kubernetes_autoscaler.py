"""Give an autoscaler more room: ``maxReplicas``, guarded by its old value (runbook 3.3, and 2.4 where scaling by hand would be undone).

The number of replicas is the autoscaler's, so more pods are had by its bounds. What the database has room for is read before.
"""

from __future__ import annotations

import json
import re
import shlex
import time
import uuid
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.api_budget import Budget, budget_of, verdict_on
from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.actions.kubernetes_link import Object
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.text import clean

LARGEST = 1000
"""Replicas; more is a slip of the finger."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_RIGHT = "autoscaling horizontalpodautoscalers [patch]"


class SetMaximum(KubernetesAction):
    """Change ``maxReplicas`` of a HorizontalPodAutoscaler: up is safe, down may stop pods."""

    id = "kubernetes.hpa-maximum"
    title = "raise the autoscaler's maximum"
    risk = Risk.DISRUPTIVE
    source = "runbook 3.3"
    parameters = (
        Parameter("name", "the workload that it scales, or its own name", required=True),
        Parameter("most", f"maxReplicas, 1 to {LARGEST}", required=True),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Read it, weigh the new maximum against the database's connections, and try the patch without storing it."""
        new = _number(params.get("most", ""))
        hpa = await self._find(params.get("name", ""))
        spec = hpa["spec"]
        least, old = int(spec.get("minReplicas") or 1), int(spec.get("maxReplicas") or 0)
        aimed = spec.get("scaleTargetRef") or {}
        workload = f"{clean(aimed.get('kind', ''), 64)}/{clean(aimed.get('name', ''), 256)}"
        budget = await budget_of(self.profile, clean(aimed.get("name", ""), 256))
        over, warning = verdict_on(budget, new)
        refusal = _refusal(least, old, new) or (over if new > old else "")
        if not refusal:
            try:
                await self.link.patch(self._path(hpa), _operations(hpa, old, new), _RIGHT, dry_run=True)
            except ActionProblem as problem:
                refusal = str(problem)
        return self._plan_of(hpa, workload, least, old, new, budget, warning, refusal)

    async def execute(self, plan: Plan) -> Result:
        """The patch, with the planned uid and old maximum in it."""
        hpa = await self._read(plan.params["name"])
        old, new = int(plan.preconditions["most"]), _number(plan.params["most"])
        guarded = {**hpa, "metadata": {**hpa["metadata"], "uid": plan.preconditions["uid"]}}
        await self.link.patch(self._path(hpa), _operations(guarded, old, new), _RIGHT, dry_run=False)
        return Result(Outcome.DONE, f"{plan.params['name']} may have {new} replicas instead of {old}")

    async def verify(self, plan: Plan) -> Verification:
        """The maximum is in its spec; what it makes of it is its own affair, and told."""
        hpa = await self._read(plan.params["name"])
        status, most = hpa.get("status") or {}, int(hpa["spec"].get("maxReplicas") or 0)
        current, desired = (int(status.get(one) or 0) for one in ("currentReplicas", "desiredReplicas"))
        reading = {"maxReplicas": str(most), "current": str(current), "desired": str(desired)}
        if hpa["metadata"].get("uid") != plan.preconditions["uid"]:
            return Verification(Verdict.CONTRADICTED, f"{plan.params['name']} was deleted and made anew since", reading)
        if most != _number(plan.params["most"]):
            return Verification(Verdict.CONTRADICTED, f"its maximum is {most}: somebody else set it", reading)
        return Verification(Verdict.VERIFIED, f"its maximum is {most}; it has {current} and wants {desired}", reading)

    async def _find(self, name: str) -> Object:
        """The HPA of that name, or the one that scales the Deployment of that name.

        Raises:
            ActionProblem: there is none.
        """
        if not _NAME.fullmatch(name):
            raise ActionProblem(f'"name" must name an autoscaler or what it scales, not "{clean(name, 64)}"')
        listed = await self.link.read(self._folder(), "autoscaling horizontalpodautoscalers [list]")
        every = [one for one in listed.get("items") or [] if isinstance(one.get("spec"), dict)]
        for one in every:
            aimed = (one["spec"].get("scaleTargetRef") or {}).get("name")
            if name in ((one.get("metadata") or {}).get("name"), aimed):
                return dict(one)
        raise ActionProblem(f"no autoscaler is called {name} or scales it: scale it by hand")

    async def _read(self, name: str) -> Object:
        found = await self.link.read(f"{self._folder()}/{name}", "autoscaling horizontalpodautoscalers [get]")
        if not isinstance(found.get("metadata"), dict) or not isinstance(found.get("spec"), dict):
            raise ActionProblem("something that is no API server answers in its place")
        return found

    def _folder(self) -> str:
        return f"/apis/autoscaling/v2/namespaces/{self.link.namespace}/horizontalpodautoscalers"

    def _path(self, hpa: Object) -> str:
        return f"{self._folder()}/{hpa['metadata']['name']}"

    def _plan_of(
        self, hpa: Object, workload: str, least: int, old: int, new: int, budget: Budget, warning: str, refusal: str
    ) -> Plan:
        name, uid = clean(hpa["metadata"]["name"], 256), clean(hpa["metadata"].get("uid", ""), 64)
        current = int((hpa.get("status") or {}).get("currentReplicas") or 0)
        patch = shlex.quote(json.dumps(_operations(hpa, old, new)))
        fewer = f"; {current - new} of its pods are stopped" if new < current else ""
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"maxReplicas of {name} {old} -> {new}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/horizontalpodautoscaler/{name}",
            risk=Risk.SAFE if new > old else Risk.DISRUPTIVE,
            sentence=f"Lets {name} give {workload} up to {new} replicas instead of {old} (it has {current}, never fewer than {least}){fewer}.",
            call=f"PATCH {self._path(hpa)} (JSON patch): test uid and the old maximum {old}, set {new}",
            shell=f"kubectl -n {self.link.namespace} patch hpa {name} --type=json -p {patch}",
            params={"name": name, "most": str(new)},
            victims=(
                Victim(name, uid, f"{name}: maximum {old} -> {new}", {"replicas": str(current), **budget.facts(new)}),
            ),
            preconditions={"uid": uid, "most": str(old)},
            checks=(Check("stored", f"the spec has maxReplicas {new}"),),
            warnings=((warning,) if warning else ()),
            undo=f"set it back to {old}",
            undo_action=self.id,
            undo_params={"name": name, "most": str(old)},
            refusal=refusal,
            made_at=time.time(),
        )


def _operations(hpa: Object, old: int, new: int) -> list[Mapping[str, Any]]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": hpa["metadata"].get("uid", "")},
        {"op": "test", "path": "/spec/maxReplicas", "value": old},
        {"op": "replace", "path": "/spec/maxReplicas", "value": new},
    ]


def _refusal(least: int, old: int, new: int) -> str:
    if new == old:
        return f"its maximum is {old} already"
    return f"the maximum cannot be below the minimum of {least}: change the minimum first" if new < least else ""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LARGEST):
        raise ActionProblem(f'"most" must be a number from 1 to {LARGEST}, not "{clean(text, 40)}"')
    return int(text)
