"""Restart a workload, and roll a Deployment back (runbook 2.4 and 3.2).

Each is one guarded JSON patch of the pod template: see ``kubernetes_workload``. A rollback takes the template from the revision's ReplicaSet as
raw JSON, so that no field is lost that this program does not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_link import Object, Operations
from alphapulse_tui.actions.kubernetes_rollout import on_delete, partition, wanted
from alphapulse_tui.actions.kubernetes_workload import (
    KIND,
    NAME,
    Change,
    Workload,
    WorkloadAction,
    annotate,
    owner_warnings,
    status_command,
)
from alphapulse_tui.actor import actor_at_host
from alphapulse_tui.model.kubernetes import RESTART, Revision, left_behind_of, of_present_release, release_before
from alphapulse_tui.model.plan import Plan, Risk
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.sources.kubernetes_decode import RawWorkload, revision_of
from alphapulse_tui.text import clean

ACTION_ID = "<action id>"
"""Stands for the id until the plan is sent: two plans of the same thing are equal but for their ids."""

ACTOR = "alphapulse.io/actor"
VAULT = "vault"
"""Beginning of the name of Vault's StatefulSet, whose nodes have an action of their own (``vault.restart-node``)."""

DANGERS = {
    "redis": "a master that restarts is failed over or takes its slots down: fail over gracefully first",
    "postgres": "every one of its databases restarts: connections are dropped, the cache is lost, and it mends no cause of lag",
}
"""Beginnings of the names of StatefulSets that keep state, and what a restart of all their pods means (facts 2.1.3, 2.2.1)."""

CHANGE_CAUSE = "kubernetes.io/change-cause"
REVISION = "deployment.kubernetes.io/revision"


class Restart(WorkloadAction):
    """Replace every pod, one after another, by changing an annotation of the template."""

    id = "kubernetes.restart"
    title = "restart"
    source = "runbook 2.1, 2.3"

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:  # noqa: ARG002
        """An annotation in the template; the value is the plan's id, put in when it is sent, so that sending twice changes nothing (design 7)."""
        danger = _danger(workload)
        return Change(
            title=f"restart {workload.name}",
            sentence=f"Replaces the {wanted(workload.raw)} pods of {workload.short} one after another{_pace(workload)}.",
            operations=annotate(workload.template, "/spec/template", {RESTART: ACTION_ID}),
            what=f"add annotation {RESTART}: <this action's id> to the pod template",
            shell=f"kubectl -n {workload.namespace} rollout restart {workload.short} && {status_command(workload)}",
            warnings=(*filter(None, (danger, _held_back(workload))), *owner_warnings(workload)),
            undo="none: the template before is the same but for the annotation",
            refusal=_no_restart(workload),
            risk=Risk.DESTRUCTIVE if danger else None,
        )

    def stamped(self, operations: Operations, plan: Plan) -> list[Mapping[str, Any]]:
        """With the id of this action as the annotation's value."""
        filled: list[Mapping[str, Any]] = json.loads(json.dumps(list(operations)).replace(ACTION_ID, plan.id))
        return filled

    def missing(self, workload: Workload, plan: Plan) -> str:
        """The annotation is the proof that it was stored."""
        found = (workload.template.get("metadata") or {}).get("annotations") or {}
        if found.get(RESTART) != plan.id:
            return super().missing(workload, plan) or f"{workload.short} does not carry this restart's annotation"
        return super().missing(workload, plan)


class RollBack(WorkloadAction):
    """Put back the pod template of an earlier revision of a Deployment."""

    id = "kubernetes.rollback"
    title = "roll back"
    source = "runbook 3.2"
    parameters = (KIND, NAME, Parameter("revision", "revision number; without it the one before the current"))

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """The template of the chosen revision's ReplicaSet, as it is."""
        if workload.kind != "Deployment":
            raise ActionProblem(f"{workload.short} keeps no ReplicaSets: only a Deployment is rolled back")
        revisions = await self._revisions(workload)
        current = int((workload.raw["metadata"].get("annotations") or {}).get(REVISION) or 0)
        chosen, refusal = _chosen(workload, revisions, current, params.get("revision", ""))
        template = old_template(revisions[chosen]) if chosen else workload.template
        if not refusal and digest(template) == digest(workload.template):
            refusal = f"revision {chosen} has the template that runs now"
        cause = f"rolled back from revision {current} to {chosen} by {actor_at_host()}"
        operations = [
            {"op": "replace", "path": "/spec/template", "value": template},
            *annotate(workload.raw, "", {CHANGE_CAUSE: cause, ACTOR: actor_at_host()}),
        ]
        name = str(revisions[chosen]["metadata"].get("name", "")) if chosen else ""
        return Change(
            title=f"roll back {workload.name} to revision {chosen}" if chosen else self.title,
            sentence=f"Gives {workload.short} the pod template of revision {chosen} again; it runs {current} now{_pace(workload)}.",
            operations=operations,
            what=f"replace /spec/template with that of ReplicaSet {clean(name, 128)}, set {CHANGE_CAUSE}",
            # Revision 0 would be kubectl's word for "whatever was before".
            shell=f"kubectl -n {workload.namespace} rollout undo {workload.short} --to-revision={chosen} && {status_command(workload)}"
            if chosen
            else "",
            preconditions={"template": digest(template)} if chosen else {},
            written_out={"revision": str(chosen)} if chosen else {},
            warnings=(
                *_doubtful(_known(revisions, current), chosen),
                "ConfigMaps, Secrets, the number of replicas and migrations of the database are not rolled back",
                *owner_warnings(workload),
            ),
            **_forward(self, workload, current),
            refusal=refusal,
        )

    def missing(self, workload: Workload, plan: Plan) -> str:
        """The template is the proof that it was stored."""
        gone = super().missing(workload, plan)
        if gone or digest(workload.template) == plan.preconditions["template"]:
            return gone
        return f"{workload.short} does not have the template of the revision that was planned"

    async def _revisions(self, workload: Workload) -> dict[int, Object]:
        """Its ReplicaSets by revision number."""
        listed = await self.link.read(
            f"/apis/apps/v1/namespaces/{workload.namespace}/replicasets",
            "apps replicasets [list]",
            {"labelSelector": selector_of(workload.raw), "limit": "200"},
        )
        found: dict[int, Object] = {}
        for one in listed.get("items") or []:
            metadata = one.get("metadata") or {}
            owners = [owner.get("uid") for owner in metadata.get("ownerReferences") or []]
            number = str((metadata.get("annotations") or {}).get(REVISION, ""))
            if workload.uid in owners and number.isdigit():
                found[int(number)] = one
        return found


def _chosen(workload: Workload, revisions: Mapping[int, Object], current: int, asked: str) -> tuple[int, str]:
    """The revision to go to (0: none) and why that is not possible."""
    numbers = sorted(revisions, reverse=True)
    there = ", ".join(map(str, numbers)) or "none"
    if asked and not (asked.isascii() and asked.isdigit() and len(asked) < 10):
        raise ActionProblem(f'"revision" must be a number, not "{clean(asked, 40)}"')
    known = _known(revisions, current)
    before = release_before(known)
    number = int(asked) if asked else before.number if before is not None else 0
    if not asked and not number:
        left = ", ".join(str(one.number) for one in left_behind_of(known))
        only = f" but what somebody went back from: name revision {left} if you mean it" if left else ""
        return 0, f"{workload.short} has no revision before {current}{only}"
    if number not in revisions:
        return 0, f"{workload.short} has no revision {number} in its history; there are {there}"
    if workload.raw["spec"].get("paused"):
        return number, f"the rollout of {workload.short} is paused: resume it first (kubectl rollout resume)"
    return number, f"revision {number} is the one that runs now" if number == current else ""


def _forward(action: RollBack, workload: Workload, current: int) -> dict[str, Any]:
    """The way forward again; there is none where the controller keeps no old ReplicaSet."""
    if workload.raw["spec"].get("revisionHistoryLimit") == 0:
        return {"undo": f"none: its revisionHistoryLimit is 0, the template of revision {current} is not kept"}
    return {
        "undo": f"roll forward to revision {current}",
        "undo_action": action.id,
        "undo_params": {"kind": workload.kind, "name": workload.name, "revision": str(current)},
    }


def _known(revisions: Mapping[int, Object], current: int) -> list[Revision]:
    """Revision ``current`` and those before it as the panel has them: what is offered there and what is done here follow one rule."""
    numbers = sorted((number for number in revisions if number <= current), reverse=True)
    try:
        return [revision_of(msgspec.convert(revisions[number], RawWorkload)) for number in numbers]
    except msgspec.ValidationError as error:
        raise ActionProblem("something that is no API server answers in its place") from error


def _doubtful(revisions: Sequence[Revision], chosen: int) -> tuple[str, ...]:
    """Why the chosen revision may not be the way back that it looks like; ``revisions`` from the present one on."""
    same = of_present_release(revisions)
    other = next((one for one in revisions if one.number == chosen), None)
    if other is None or other is same[0]:
        return ()
    if other in same:
        before = next((one for one in [release_before(revisions)] if one not in same), None)
        which = f"the release before it is revision {before.number}" if before else "no other release is kept"
        return (f"revision {chosen} is the release that runs now, but for a restart or its memory: {which}",)
    if other in left_behind_of(revisions):
        return (f"somebody went back from revision {chosen} to what runs now: this brings it again",)
    return ()


def old_template(replica_set: Mapping[str, Any]) -> Object:
    """A ReplicaSet's template as the Deployment had it: every field, without the hash that the controller adds."""
    template: Object = json.loads(json.dumps(replica_set["spec"]["template"]))
    labels = (template.get("metadata") or {}).get("labels")
    if isinstance(labels, dict):
        labels.pop("pod-template-hash", None)
    return template


def digest(template: Mapping[str, Any]) -> str:
    """Names a template: equal digests, equal templates."""
    plain = old_template({"spec": {"template": template}})
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _no_restart(workload: Workload) -> str:
    """Why it is not restarted from here: it would do harm (Vault, facts 2.3.2) or replace no pod at all."""
    if workload.kind != "StatefulSet":
        return ""
    if workload.name.startswith(VAULT):
        return f"{workload.short}: each node would come back sealed; vault.restart-node restarts one while the others keep the quorum"
    spec = workload.raw["spec"]
    if on_delete(spec):
        return f"{workload.short} replaces pods only when they are deleted (OnDelete): this would restart nothing, delete pod after pod"
    if partition(spec) >= wanted(workload.raw) > 0:
        return f"{workload.short}: its partition ({partition(spec)}) holds every pod back: this would restart nothing"
    return ""


def _danger(workload: Workload) -> str:
    """What a restart of all means for a server that keeps state; such a one is asked for by its name."""
    if workload.kind != "StatefulSet":
        return ""
    return next((words for start, words in DANGERS.items() if workload.name.startswith(start)), "")


def _held_back(workload: Workload) -> str:
    held = partition(workload.raw["spec"]) if workload.kind == "StatefulSet" else 0
    return f"its partition holds {held} of {wanted(workload.raw)} pods back: they are not restarted" if held else ""


def _pace(workload: Workload) -> str:
    rolling = ((workload.raw["spec"].get("strategy") or {}).get("rollingUpdate")) or {}
    if workload.kind != "Deployment" or not rolling:
        return ""
    return f" (at most {rolling.get('maxUnavailable', 0)} unavailable, {rolling.get('maxSurge', 0)} more than wanted)"
