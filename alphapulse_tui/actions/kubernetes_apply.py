"""Apply a manifest to a workload that is there: tried on the server first, the difference shown (runbook 2.4, "fix and redeploy").

What the file says of the pod template *is* the template afterwards. Neither kubectl's apply nor a server-side apply promises that: both merge, so a
variable that a bad release wrote into the template stays beside the reference that the file has in its place, and the server refuses the pair.
The file's content is part of the plan: one that was saved again between plan and confirmation stops the action. uid and generation are tested in
the request, as with every change of a workload.

An apply of the old file after a rollback brings the bad release back in silence (facts 2.4.1): the difference says so before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from alphapulse_tui.actions.api_budget import budget_of, verdict_on
from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_diff import differences
from alphapulse_tui.actions.kubernetes_link import NotThere, Object, Operations
from alphapulse_tui.actions.kubernetes_rollout import wanted
from alphapulse_tui.actions.kubernetes_scale import LARGEST as LARGEST_NUMBER
from alphapulse_tui.actions.kubernetes_scale import autoscalers_of, own_procedure
from alphapulse_tui.actions.kubernetes_workload import (
    KINDS,
    Change,
    Workload,
    WorkloadAction,
    annotate,
    owner_warnings,
    status_command,
)
from alphapulse_tui.foreign_yaml import WRONG_VALUE, refuse_traps
from alphapulse_tui.model.plan import Plan, Risk
from alphapulse_tui.plain_file import read_plain
from alphapulse_tui.text import clean

LARGEST = 256 * 1024
"""Bytes of a manifest."""

REVISION = "deployment.kubernetes.io/revision"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

APPLIED = "alphapulse.io/applied"
"""Annotation of the workload with the id of the plan that made it what the file says."""

CAUSE = "kubernetes.io/change-cause"

FIXED = ("selector", "template", "serviceName", "volumeClaimTemplates")
"""Fields of a spec that cannot be changed, or are written whole."""


class Apply(WorkloadAction):
    """Make a Deployment or StatefulSet what a file says."""

    id = "kubernetes.apply"
    title = "apply a manifest"
    source = "runbook 2.4, 3.3"
    parameters = (Parameter("file", "the manifest, a path on this machine", required=True),)

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """The workload is the one that the file names."""
        file, manifest, _ = await asyncio.to_thread(read_manifest, params.get("file", ""), self.link.namespace)
        named = {"file": str(file), "kind": str(manifest["kind"]), "name": str(manifest["metadata"]["name"])}
        try:
            plan = await super().plan(named)
        except NotThere:
            raise ActionProblem(
                f"there is no {clean(named['kind'], 32)} {clean(named['name'], 128)} to be changed, and making a new one is not offered here"
            ) from None
        if not plan.refusal and not plan.victims[0].facts:
            return msgspec.structs.replace(
                plan, refusal=f"{plan.object} is already as {file.name} says: nothing would change"
            )
        return plan

    async def served(self, params: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002
        """Nothing: the facts of this plan are the difference, and one without any is refused."""
        return {}

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """Template, the other fields of the spec that the file names, labels and annotations."""
        file, manifest, digest = await asyncio.to_thread(read_manifest, params["file"], self.link.namespace)
        scaled, warnings = await self._scaled(workload, manifest)
        operations = _operations(workload, manifest, leave_replicas=scaled)
        there = {"spec": {"template": workload.template}}
        new = {"spec": {"template": manifest["spec"].get("template", workload.template)}}
        rolls = bool(differences(there, new))
        shown = clean(str(file), 300)
        old, number = wanted(workload.raw), _replicas(workload, operations)
        stops = not number and bool(old)
        over = verdict_on(await budget_of(self.profile, workload.name), number) if number > old else ("", "")
        undo, undo_action, undo_params = _undo(workload, operations)
        return Change(
            title=f"apply {clean(file.name, 128)} to {workload.name}",
            sentence=f"Makes {workload.short} what {shown} says"
            + (", with no pod left: it stops serving" if stops else "")
            + (f", and replaces its {old} pods if their template changes." if rolls and not stops else "."),
            operations=operations,
            what=f"replace /spec/template and {len(operations) - 1} more fields by the file's (content {digest[:12]})",
            shell=_shell(workload, file),
            preconditions={"content": digest},
            warnings=(*warnings, *((over[1],) if over[1] else ()), *owner_warnings(workload)),
            undo=undo,
            undo_action=undo_action,
            undo_params=undo_params,
            refusal=(own_procedure(workload) if number != old else "") or over[0],
            risk=Risk.DESTRUCTIVE if stops else None,
        )

    def stamped(self, operations: Operations, plan: Plan) -> list[Mapping[str, Any]]:
        """With the id of this plan as an annotation of the workload: its template stays the file's."""
        notes = next((one for one in operations if one["path"] == "/metadata/annotations"), None)
        if notes is None:
            at = f"/metadata/annotations/{APPLIED.replace('/', '~1')}"
            return [*operations, {"op": "add", "path": at, "value": plan.id}]
        return [
            *(one for one in operations if one is not notes),
            {**notes, "value": {**notes["value"], APPLIED: plan.id}},
        ]

    def missing(self, workload: Workload, plan: Plan) -> str:
        """The plan's id among the annotations is the proof that this very change was stored; a newer generation may be anybody's."""
        gone = super().missing(workload, plan)
        if gone or (workload.raw["metadata"].get("annotations") or {}).get(APPLIED) == plan.id:
            return gone
        return f"{workload.short} does not carry this change's annotation: nothing of the file was stored, or somebody replaced it"

    async def _scaled(self, workload: Workload, manifest: Object) -> tuple[bool, tuple[str, ...]]:
        """Whether an autoscaler owns the number of replicas, which the file then leaves alone."""
        asked = manifest["spec"].get("replicas")
        if asked is None or asked == wanted(workload.raw):
            return False, ()
        if isinstance(asked, bool) or not isinstance(asked, int) or not 0 <= asked <= LARGEST_NUMBER:
            raise ActionProblem(f'"replicas" in the file must be a number from 0 to {LARGEST_NUMBER}')
        scaled, warnings = await autoscalers_of(self.link, workload, asked)
        if scaled:
            return True, (f"the file's {asked} replicas are left out: an autoscaler sets them",)
        return False, (f"replicas go from {wanted(workload.raw)} to {asked}", *warnings)


def _replicas(workload: Workload, operations: Operations) -> int:
    """What the patch makes of the number of pods."""
    return next((int(one["value"]) for one in operations if one["path"] == "/spec/replicas"), wanted(workload.raw))


def _undo(workload: Workload, operations: Operations) -> tuple[str, str, dict[str, str]]:
    """A roll back brings back the template and the change cause, nothing else: what else changes is listed with its old value."""
    old: list[str] = []
    for one in operations:
        place = str(one["path"])
        if place == "/spec/template":
            continue
        if place.startswith("/spec/"):
            name = place.removeprefix("/spec/")
            old.append(f"spec.{name} was {_short(workload.raw['spec'].get(name))}")
            continue
        single = place.removeprefix("/metadata/annotations/").replace("~1", "/").replace("~0", "~")
        there = workload.raw["metadata"].get("annotations") or {}
        names = [single] if place != single else list(one["value"])
        old += [f"annotation {clean(name, 128)} was {_short(there.get(name))}" for name in names if name != CAUSE]
    revision = str((workload.raw["metadata"].get("annotations") or {}).get(REVISION, ""))
    back = workload.kind == "Deployment" and bool(revision)
    if old:
        template = f"roll back to revision {revision} for the template alone; " if back else ""
        return clean(f"none from here: {template}{'; '.join(old)}", 1000), "", {}
    if not back:
        return "none from here: apply the manifest that it had before", "", {}
    named = {"kind": workload.kind, "name": workload.name, "revision": revision}
    return f"roll back to revision {revision}", "kubernetes.rollback", named


def _short(value: object) -> str:
    return "not set" if value is None else clean(json.dumps(value), 200)


def _operations(workload: Workload, manifest: Object, *, leave_replicas: bool) -> list[Mapping[str, Any]]:
    """The file as a patch of the object that is there."""
    spec, metadata = manifest["spec"], manifest["metadata"]
    operations: list[Mapping[str, Any]] = [
        {"op": "replace", "path": "/spec/template", "value": spec.get("template", workload.template)}
    ]
    for name, value in spec.items():
        if (
            name in FIXED
            or (name == "replicas" and (leave_replicas or value is None))
            or workload.raw["spec"].get(name) == value
        ):
            continue
        operations.append({"op": "add", "path": f"/spec/{name}", "value": value})
    there = workload.raw["metadata"].get("annotations") or {}
    notes = {
        str(key): str(value)
        for key, value in (metadata.get("annotations") or {}).items()
        if key not in (LAST_APPLIED, REVISION, APPLIED) and there.get(key) != str(value)
    }
    if notes or not there:
        operations += annotate(workload.raw, "", notes)
    return operations


def _shell(workload: Workload, file: Path) -> str:
    """The template alone, which is what rolls out; ``kubectl apply`` would merge."""
    template = f"$(kubectl create --dry-run=client -f {shlex.quote(str(file))} -o jsonpath='{{.spec.template}}')"
    patch = r"[{\"op\":\"replace\",\"path\":\"/spec/template\",\"value\":" + template + "}]"
    return (
        f'kubectl -n {workload.namespace} patch {workload.short} --type=json -p "{patch}" && {status_command(workload)}'
    )


def read_manifest(path: str, namespace: str) -> tuple[Path, Object, str]:
    """The file as an absolute path, the one object in it, and the digest of its content.

    Raises:
        ActionProblem: it cannot be read, or is not one Deployment or StatefulSet of this namespace.
    """
    if not path:
        raise ActionProblem('"file" must name a manifest, such as k8s/api-deployment.yaml')
    file = Path(path).expanduser().absolute()
    shown = clean(str(file), 300)
    try:
        data = read_plain(file, LARGEST)
    except OSError as error:
        raise ActionProblem(f"{shown} cannot be read: {clean(error.strerror or error)}") from None
    if len(data) > LARGEST:
        raise ActionProblem(f"{shown} has more than {LARGEST // 1024} KiB: that is no manifest of one workload")
    try:
        refuse_traps(data, yaml.SafeLoader)
        documents = [one for one in yaml.safe_load_all(data) if one is not None]
    except WRONG_VALUE as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ActionProblem(f"{shown} is no valid YAML{where}") from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ActionProblem(
            f"{shown} holds {len(documents)} objects: one Deployment or StatefulSet is applied at a time"
        )
    manifest = documents[0]
    _check(manifest, shown, namespace)
    digest = hashlib.sha256(data).hexdigest()
    return file, json.loads(json.dumps(manifest, default=str)), digest


def _check(manifest: Mapping[str, Any], shown: str, namespace: str) -> None:
    """Raise unless it is a workload of ours.

    Raises:
        ActionProblem: it is not.
    """
    kind, metadata = str(manifest.get("kind", "")), manifest.get("metadata")
    if manifest.get("apiVersion") != "apps/v1" or kind.lower() not in KINDS:
        raise ActionProblem(
            f"{shown} is a {clean(manifest.get('apiVersion', '?'), 64)} {clean(kind or '?', 64)}: "
            "only a Deployment or StatefulSet (apps/v1) is applied from here"
        )
    if not isinstance(metadata, dict) or not metadata.get("name") or not isinstance(manifest.get("spec"), dict):
        raise ActionProblem(f"{shown} has no metadata.name or no spec")
    if metadata.get("namespace", namespace) != namespace:
        raise ActionProblem(
            f"{shown} is for namespace {clean(metadata['namespace'], 64)}, this profile is for {namespace}"
        )
