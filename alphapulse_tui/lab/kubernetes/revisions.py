"""Rolling a Deployment back, as ``kubectl rollout undo`` does: the template of an older ReplicaSet replaces the present one."""

from __future__ import annotations

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.cluster import Cluster
from alphapulse_tui.lab.kubernetes.manifests import CHANGE_CAUSE
from alphapulse_tui.lab.platform import NAMESPACE

REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_JSON_PATCH = "application/json-patch+json"


async def revision_before(cluster: Cluster, deployment: str) -> int | None:
    """The number of the newest revision but one; none when there was never another."""
    numbers = sorted(await _revisions(cluster, deployment))
    return numbers[-2] if len(numbers) > 1 else None


async def roll_back(cluster: Cluster, deployment: str, revision: int) -> None:
    """Make an older revision's template the present one, with its change-cause.

    Raises:
        LabError: There is no such revision.
    """
    sets = await _revisions(cluster, deployment)
    if revision not in sets:
        raise LabError(f"Deployment {deployment} has no revision {revision}.")
    old = sets[revision]
    template = old["spec"]["template"]
    template["metadata"]["labels"].pop(_HASH, None)
    cause = (old["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, "")
    escaped = CHANGE_CAUSE.replace("/", "~1")
    patch = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": f"/metadata/annotations/{escaped}", "value": cause},
    ]
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{deployment}"
    await cluster.api.patch(path, patch, _JSON_PATCH)


async def _revisions(cluster: Cluster, deployment: str) -> dict[int, Object]:
    """ReplicaSets of a Deployment by revision."""
    found = await cluster.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets")
    owned = [item for item in found["items"] if _owner(item) == deployment]
    return {int(item["metadata"]["annotations"][REVISION]): item for item in owned}


def _owner(item: Object) -> str:
    owners = item["metadata"].get("ownerReferences") or []
    return next((owner["name"] for owner in owners if owner["kind"] == "Deployment"), "")
