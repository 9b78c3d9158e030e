"""Give *one* container, named, another image (runbook 3.1).

The runbook's ``kubectl set image`` leaves no cause, so that the new revision inherits the old one's (facts 3.1), and shows nothing of whether the
image exists: with one that does not, old pods go on serving and the rollout stands still. Here the container's name and its present image are
tested in the request, the cause is written, and what is known of the image is said before: which node has it, which revision ran it, whose pod
cannot pull it now. A registry is not asked: its credentials are the nodes', not ours.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_containers import container_named, container_of
from alphapulse_tui.actions.kubernetes_link import Object
from alphapulse_tui.actions.kubernetes_rollout import wanted
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
from alphapulse_tui.model.fixes.kubernetes import OWN_PROCEDURES
from alphapulse_tui.model.image_names import canonical, movable, whole
from alphapulse_tui.model.never_ran import NO_IMAGE, pull_problem
from alphapulse_tui.model.plan import Plan
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.text import clean

CHANGE_CAUSE = "kubernetes.io/change-cause"
REVISION = "deployment.kubernetes.io/revision"


class SetImage(WorkloadAction):
    """Change the image of one container; every pod is replaced."""

    id = "kubernetes.set-image"
    title = "set image"
    source = "runbook 3.1"
    parameters = (
        KIND,
        NAME,
        Parameter("container", "one container; without it the only one"),
        Parameter("image", "a tag, a digest (sha256:...), or a whole name", required=True),
        Parameter("cause", "why, for the history of the rollout"),
    )

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """The image of the named container, and what is known of it."""
        place, container = container_of(workload, params.get("container", ""))
        name, old = clean(container["name"], 128), str(container.get("image", ""))
        asked = params.get("image", "")
        new = whole(asked, old)
        if not new:
            raise ActionProblem(f'"image" must be a tag, a digest or the name of an image, not "{clean(asked, 80)}"')
        pods, nodes, sets = await self._pods(workload), await self._nodes(), await self._sets(workload)
        facts, warnings = _known(workload, new, nodes, sets)
        cause = clean(f"image of {name} set to {new} by {actor_at_host()}: {params.get('cause', '')}".rstrip(": "), 300)
        return Change(
            title=f"set image of {workload.name}/{name} to {new}",
            sentence=f"Gives container {name} of {workload.short} image {new} instead of {clean(old, 300)}, "
            f"and replaces the {wanted(workload.raw)} pods for it.",
            operations=_operations(workload, place, container, new, cause),
            what=f"test that containers[{place}] is {name} with image {clean(old, 300)}, set {new}, set {CHANGE_CAUSE}",
            shell=_shell(workload, name, new),
            preconditions={"container": name, "image": clean(old, 512), "new": new},
            written_out={"container": name, "image": new},
            facts=facts,
            warnings=(*warnings, *owner_warnings(workload)),
            undo=f"set it back to {clean(old, 300)}",
            undo_action=self.id,
            undo_params={"kind": workload.kind, "name": workload.name, "container": name, "image": clean(old, 512)},
            refusal=_refusal(workload, old, new) or _cannot_be_pulled(new, pods),
        )

    def missing(self, workload: Workload, plan: Plan) -> str:
        """The image in the spec is the proof that it was stored."""
        gone = super().missing(workload, plan)
        if gone:
            return gone
        found = str(container_named(workload, plan.preconditions["container"]).get("image", ""))
        return (
            "" if found == plan.preconditions["new"] else f"{workload.short} does not have the image that was planned"
        )

    async def _pods(self, workload: Workload) -> list[Object] | None:
        """Its pods; none where they cannot be read: then nothing is known of who cannot pull what."""
        return await self._listed(f"/api/v1/namespaces/{workload.namespace}/pods", "pods [list]", workload)

    async def _nodes(self) -> list[Object] | None:
        return await self._listed("/api/v1/nodes", "nodes [list], cluster-wide")

    async def _sets(self, workload: Workload) -> list[Object] | None:
        path = f"/apis/apps/v1/namespaces/{workload.namespace}/replicasets"
        return await self._listed(path, "apps replicasets [list]", workload)

    async def _listed(self, path: str, right: str, workload: Workload | None = None) -> list[Object] | None:
        query = {"limit": "500"}
        if workload is not None:
            query["labelSelector"] = selector_of(workload.raw)
        try:
            listed = await self.link.read(path, right, query)
        except ActionProblem:
            return None
        return [one for one in listed.get("items") or [] if isinstance(one, dict)]


def _refusal(workload: Workload, old: str, new: str) -> str:
    own = next((start for start in OWN_PROCEDURES if workload.name.startswith(start)), "")
    if workload.kind == "StatefulSet" and own:
        return f"{workload.short} keeps data: another version of it is planned work with a backup, not a fix from here"
    if canonical(old) == canonical(new):
        return f"its image is {clean(old, 300)} already"
    if workload.raw["spec"].get("paused"):
        return f"the rollout of {workload.short} is paused: resume it first (kubectl rollout resume)"
    return ""


def _cannot_be_pulled(new: str, pods: Iterable[Object] | None) -> str:
    """Why a pod that is there already cannot pull this very image; empty when none says so."""
    for pod in pods or ():
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = ((one.get("state") or {}).get("waiting")) or {}
            reason, message = str(waiting.get("reason", "")), clean(waiting.get("message", ""), 512)
            if reason not in NO_IMAGE or canonical(str(one.get("image", ""))) != canonical(new):
                continue
            kind, meaning = pull_problem(reason, message, new)
            if kind in ("absent", "invalid", "refused"):
                return f"{clean(pod['metadata'].get('name', ''), 128)} cannot pull it now: {meaning}"
    return ""


def _known(
    workload: Workload, new: str, nodes: list[Object] | None, sets: list[Object] | None
) -> tuple[dict[str, str], list[str]]:
    """What is known of the image, for the plan, and warnings. Not being on a node is no proof that it does not exist."""
    facts: dict[str, str] = {}
    warnings = [f"{new} may mean another image tomorrow: name a tag that stays, or a digest"] if movable(new) else []
    having = [one for one in nodes or () if canonical(new) in _images_on(one)]
    if nodes is None:
        facts["on the nodes"] = "not known: nodes [list], cluster-wide, is missing"
    else:
        facts["on the nodes"] = f"{len(having)} of {len(nodes)} have it"
    ran = _revisions_with(workload, new, sets or ())
    facts["ran before"] = (
        f"as revision {ran}" if ran else "not known" if sets is None else "in no revision that is kept"
    )
    if not having and not ran:
        warnings.append(
            "whether the registry has this image is not known from here: no node has it and no revision ran it; "
            "if it has not, the new pods never start and the old ones go on serving"
        )
    return facts, warnings


def _images_on(node: Object) -> set[str]:
    """Names of the images on a node; a kubelet tells of the 50 largest only."""
    images = (node.get("status") or {}).get("images") or []
    return {canonical(str(name)) for one in images for name in one.get("names") or []}


def _revisions_with(workload: Workload, image: str, sets: Iterable[Object]) -> str:
    """Numbers of the workload's revisions in which a container has the image."""
    found = []
    for one in sets:
        metadata = one.get("metadata") or {}
        if workload.uid not in [owner.get("uid") for owner in metadata.get("ownerReferences") or []]:
            continue
        containers = (((one.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or []
        number = str((metadata.get("annotations") or {}).get(REVISION, ""))
        if number.isdigit() and any(canonical(str(each.get("image", ""))) == canonical(image) for each in containers):
            found.append(int(number))
    return ", ".join(map(str, sorted(found, reverse=True)[:3]))


def _operations(workload: Workload, place: int, container: Object, new: str, cause: str) -> list[Mapping[str, Any]]:
    """Guarded by the container's name and its old image."""
    path = f"/spec/template/spec/containers/{place}"
    return [
        {"op": "test", "path": f"{path}/name", "value": container["name"]},
        {"op": "test", "path": f"{path}/image", "value": container.get("image")},
        {"op": "replace", "path": f"{path}/image", "value": new},
        *annotate(workload.raw, "", {CHANGE_CAUSE: cause}),
    ]


def _shell(workload: Workload, container: str, image: str) -> str:
    """kubectl's own; it writes no cause, so that is a command of its own."""
    pair = shlex.quote(f"{container}={image}")
    return f"kubectl -n {workload.namespace} set image {workload.short} {pair} && {status_command(workload)}"
