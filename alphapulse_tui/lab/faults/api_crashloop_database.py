"""``api-crashloop-database``: a rollout of ``api`` whose DATABASE_URL is wrong.

What breaks: the Deployment's template gets a DATABASE_URL that names a port where nobody listens, with a change-cause, as a mistyped value
in a release would. One old pod goes, two new ones come and die at their start.

How it shows: two pods in CrashLoopBackOff with exit code 1, and a previous log that names the address; two of three pods still serve; the
rollout runs into its deadline after a minute.

What mends it: rolling back to the revision before. ``lab mend`` does just that, and nothing when a person has done it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.kubernetes.client import STRATEGIC_PATCH
from alphapulse_tui.lab.kubernetes.cluster import Cluster, cluster_of
from alphapulse_tui.lab.kubernetes.manifests import CHANGE_CAUSE
from alphapulse_tui.lab.kubernetes.revisions import revision_before, roll_back
from alphapulse_tui.lab.platform import NAMESPACE, Lab

_DEPLOYMENT = "api"
_WRONG_URL = "postgresql://127.0.0.1:1/alphapulse_prod"
"""Port 1: nobody listens there, and the refusal comes at once."""
_CAUSE = "move the API to the new database endpoint"
_CRASH_SECONDS = 30.0
_MEND_SECONDS = 60.0
_POLL_SECONDS = 0.1


class ApiCrashloopDatabase:
    """See the module."""

    name = "api-crashloop-database"
    summary = "A rollout of the API with a wrong DATABASE_URL: new pods crash at their start."
    mended_by = "a rollback of Deployment api"
    parameters = ()
    needs = ("kubernetes", "api")

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Patch the Deployment and wait until a new pod waits in CrashLoopBackOff."""
        cluster = cluster_of(lab)
        patched = await cluster.api.patch(_path(), _patch(), STRATEGIC_PATCH)
        end = time.monotonic() + _CRASH_SECONDS
        while not await _crashing(cluster):
            if time.monotonic() > end:
                raise NotReadyError(
                    f"The bad release was rolled out, but no pod crashed within {_CRASH_SECONDS:.0f} s."
                )
            await asyncio.sleep(_POLL_SECONDS)
        generation = patched["metadata"]["generation"]
        return f"api: rolled out with a wrong DATABASE_URL (generation {generation}); its new pods crash"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Roll back if the wrong URL is still there, and wait until all pods are ready.

        Raises:
            LabError: There is no revision to roll back to, or its pods do not become ready.
        """
        cluster = cluster_of(lab)
        if _is_wrong(await cluster.deployment(_DEPLOYMENT)):
            revision = await revision_before(cluster, _DEPLOYMENT)
            if revision is None:
                raise LabError("Deployment api has no earlier revision to roll back to.")
            await roll_back(cluster, _DEPLOYMENT, revision)
        await cluster.wait_observed(_DEPLOYMENT, _MEND_SECONDS)
        replicas = int((await cluster.deployment(_DEPLOYMENT))["spec"]["replicas"])
        await cluster.wait_ready("Deployment", _DEPLOYMENT, replicas, _MEND_SECONDS)


def _path() -> str:
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{_DEPLOYMENT}"


def _patch() -> dict[str, Any]:
    # The value takes the place of the reference to the ConfigMap; null is how a strategic merge patch removes a field.
    variable = {"name": "DATABASE_URL", "value": _WRONG_URL, "valueFrom": None}
    template = {"spec": {"containers": [{"name": "api", "env": [variable]}]}}
    return {"metadata": {"annotations": {CHANGE_CAUSE: _CAUSE}}, "spec": {"template": template}}


def _is_wrong(deployment: dict[str, Any]) -> bool:
    variables = deployment["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return any(one["name"] == "DATABASE_URL" and one.get("value") == _WRONG_URL for one in variables)


async def _crashing(cluster: Cluster) -> bool:
    """Whether a pod of the API waits in CrashLoopBackOff."""
    pods = await cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", {"labelSelector": f"app={_DEPLOYMENT}"})
    for pod in pods["items"]:
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            if ((container.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff":
                return True
    return False


FAULT = ApiCrashloopDatabase()
