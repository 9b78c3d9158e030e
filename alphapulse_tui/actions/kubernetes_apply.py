"""Apply a manifest to a workload that is there: tried on the server first, the difference shown (runbook 2.4, "fix and redeploy").

Server-side apply, so that a field that nobody sets any more goes too. The file's content is part of the plan: one that was saved again between
plan and confirmation stops the action. In the request travel uid and the resourceVersion of an object whose generation is still the planned one;
in a crash loop the version moves with every status, so the pair is read again a few times, which is certain to have changed nothing.

``kubectl apply`` of the old file after a rollback brings the bad release back in silence (facts 2.4.1): the difference says so before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_diff import differences
from alphapulse_tui.actions.kubernetes_link import OVERTAKEN, NotThere, Object, Overtaken
from alphapulse_tui.actions.kubernetes_rollout import wanted
from alphapulse_tui.actions.kubernetes_workload import (
    KINDS,
    Change,
    Workload,
    WorkloadAction,
    owner_warnings,
    status_command,
)
from alphapulse_tui.model.plan import Check, Outcome, Plan, Result, Victim
from alphapulse_tui.text import clean

LARGEST = 256 * 1024
"""Bytes of a manifest."""

ATTEMPTS = 5
"""How often uid and version are read again when the status moved in between."""

REVISION = "deployment.kubernetes.io/revision"


class Apply(WorkloadAction):
    """Make a Deployment or StatefulSet what a file says."""

    id = "kubernetes.apply"
    title = "apply a manifest"
    source = "runbook 2.4, 3.3"
    parameters = (Parameter("file", "the manifest, a path on this machine", required=True),)

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """Unused: what changes is what the server's dry run says."""
        raise NotImplementedError

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Read file and object, try the apply without storing it, and show the difference."""
        file, manifest, digest = await asyncio.to_thread(read_manifest, params.get("file", ""), self.link.namespace)
        named = {"kind": manifest["kind"], "name": str(manifest["metadata"]["name"])}
        try:
            workload = await self.read(named)
        except NotThere:
            raise ActionProblem(
                f"there is no {named['kind']} {clean(named['name'], 128)} to be changed, and making a new one is not offered here"
            ) from None
        facts: dict[str, str] = {}
        refusal = ""
        try:
            tried = await self.link.apply(workload.path, manifest, _right(workload), dry_run=True)
        except ActionProblem as problem:
            refusal = str(problem)
        else:
            facts = differences(workload.raw, tried)
            refusal = "" if facts else f"{workload.short} is already as {file.name} says: nothing would change"
        return self._plan_of(workload, file, digest, facts, refusal)

    async def execute(self, plan: Plan) -> Result:
        """Apply it, if file and object are still the planned ones."""
        file, manifest, digest = await asyncio.to_thread(read_manifest, plan.preconditions["file"], self.link.namespace)
        if digest != plan.preconditions["content"]:
            raise ActionProblem(f"{file.name} was changed since it was planned: nothing was done, plan again")
        for attempt in range(1, ATTEMPTS + 1):
            workload = await self.read(plan.params)
            if (
                workload.uid != plan.preconditions["uid"]
                or str(workload.generation) != plan.preconditions["generation"]
            ):
                raise Overtaken(OVERTAKEN)
            version = str(workload.raw["metadata"].get("resourceVersion", ""))
            exactly = {**manifest["metadata"], "uid": workload.uid, "resourceVersion": version}
            try:
                stored = await self.link.apply(
                    workload.path, {**manifest, "metadata": exactly}, _right(workload), dry_run=False
                )
            except Overtaken:
                if attempt == ATTEMPTS:
                    raise
                continue
            break
        generation = int((stored.get("metadata") or {}).get("generation") or 0)
        return Result(Outcome.DONE, f"{workload.short} is stored as generation {generation}; the rollout begins")

    def missing(self, workload: Workload, plan: Plan) -> str:
        """A generation beyond the planned one is the proof that something was stored."""
        gone = super().missing(workload, plan)
        if gone or workload.generation > int(plan.preconditions["generation"]):
            return gone
        return f"{workload.short} has the generation that it had before: the manifest was not stored"

    def _plan_of(self, workload: Workload, file: Path, digest: str, facts: dict[str, str], refusal: str) -> Plan:
        revision = str((workload.raw["metadata"].get("annotations") or {}).get(REVISION, ""))
        rolls_out = any(path.startswith("spec.template") for path in facts)
        back = workload.kind == "Deployment" and bool(revision) and rolls_out
        seconds = int(workload.raw["spec"].get("progressDeadlineSeconds") or 600)
        pods = f"replaces its {wanted(workload.raw)} pods" if rolls_out else "replaces no pod"
        fields = f"{len(facts)} field{'s' if len(facts) != 1 else ''}"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"apply {clean(file.name, 128)} to {workload.name}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/{workload.short}",
            risk=self.risk,
            sentence=f"Makes {workload.short} what {clean(str(file), 300)} says: changes {fields} and {pods}.",
            call=f"PATCH {workload.path} (server-side apply): uid, generation {workload.generation}, content {digest[:12]}",
            shell=f"kubectl -n {workload.namespace} apply --server-side --force-conflicts -f {shlex.quote(str(file))} "
            f"&& {status_command(workload)}",
            params={"file": str(file), "kind": workload.kind, "name": workload.name},
            victims=(Victim(workload.short, workload.uid, f"{workload.short}: {fields} change", facts),),
            preconditions={
                "uid": workload.uid,
                "generation": str(workload.generation),
                "content": digest,
                "file": str(file),
            },
            checks=(
                Check("stored", "a generation after the planned one"),
                Check("rolled out", f"generation observed, all pods updated and available within {seconds} s"),
            ),
            warnings=(
                *(("fields that another tool owns are taken over",) if facts else ()),
                *owner_warnings(workload),
            ),
            undo=f"roll back to revision {revision}"
            if back
            else "none from here: apply the manifest that it had before",
            undo_action="kubernetes.rollback" if back else "",
            undo_params={"kind": workload.kind, "name": workload.name, "revision": revision} if back else {},
            refusal=refusal,
            verify_seconds=float(min(seconds, 600) + 5),
            made_at=time.time(),
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
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise ActionProblem(f"{shown} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise ActionProblem(f"{shown} has more than {LARGEST // 1024} KiB: that is no manifest of one workload")
    try:
        documents = [one for one in yaml.safe_load_all(data) if one is not None]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
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


def _right(workload: Workload) -> str:
    return f"apps {workload.resource} [patch]"
