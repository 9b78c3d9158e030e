"""One lab's cluster while it lives: its client, its node, and the few things the lab does with it. Made by :mod:`.target`."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent.node import Node
from alphapulse_tui.lab.kubernetes.client import ApiError, KubeApi, Object
from alphapulse_tui.lab.kubernetes.control_plane import ControlPlane
from alphapulse_tui.lab.platform import NAMESPACE, Lab

_CLUSTERS: weakref.WeakKeyDictionary[Lab, Cluster] = weakref.WeakKeyDictionary()
_POLL_SECONDS = 0.1

_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets",
    "ResourceQuota": "/api/v1/namespaces/{namespace}/resourcequotas",
    "LimitRange": "/api/v1/namespaces/{namespace}/limitranges",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


@dataclass(slots=True, weakref_slot=True)
class Cluster:
    """A running control plane with its node."""

    control_plane: ControlPlane
    api: KubeApi
    node: Node
    node_task: asyncio.Task[None]
    kubeconfigs: dict[str, Path]

    async def apply(self, item: Object) -> Object:
        """Create an object or change it to this."""
        return await self.api.apply(path_of(item), item)

    async def deployment(self, name: str) -> Object:
        """A Deployment as it is."""
        return await self.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}")

    async def wait_ready(self, kind: str, name: str, replicas: int, timeout: float) -> None:
        """Wait until that many pods of a Deployment or StatefulSet are ready.

        Raises:
            LabError: They are not within ``timeout`` seconds.
        """
        path = path_of({"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}})
        ready = 0
        try:
            async with asyncio.timeout(timeout):
                while ready < replicas:
                    status = (await self.api.get(path)).get("status") or {}
                    ready = int(status.get("readyReplicas") or 0)
                    if ready < replicas:
                        await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise LabError(f"{kind} {name}: {ready} of {replicas} pods were ready after {timeout:g} s") from None

    async def wait_observed(self, name: str, timeout: float) -> None:
        """Wait until the controller has acted on the latest version of a Deployment.

        Raises:
            LabError: It has not within ``timeout`` seconds.
        """
        if not await self._holds(_observed, name, timeout):
            raise LabError(f"Deployment {name} was not seen by its controller within {timeout:g} s")

    async def wait_rolled_out(self, name: str, timeout: float) -> None:
        """Wait until every pod of a Deployment is of its latest version and ready, and none of an older one is left.

        Raises:
            LabError: It is not so within ``timeout`` seconds.
        """
        if not await self._holds(rolled_out, name, timeout):
            raise LabError(f"the rollout of Deployment {name} is not complete after {timeout:g} s")

    async def _holds(self, condition: Callable[[Object], bool], name: str, timeout: float) -> bool:
        """Whether a Deployment comes to meet a condition within ``timeout`` seconds; the controllers are other processes."""
        end = time.monotonic() + timeout
        while not condition(await self.deployment(name)):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True


def _observed(item: Object) -> bool:
    status = item.get("status") or {}
    return int(status.get("observedGeneration") or 0) >= int(item["metadata"]["generation"])


def rolled_out(item: Object) -> bool:
    """kubectl's rule for a Deployment: seen by its controller, all pods updated and ready, none left over."""
    status, wanted = item.get("status") or {}, int(item["spec"]["replicas"])
    counts = (int(status.get(field) or 0) for field in ("updatedReplicas", "readyReplicas", "replicas"))
    return _observed(item) and all(count == wanted for count in counts)


def path_of(item: Object) -> str:
    """The address of an object by its kind, namespace and name."""
    metadata = item["metadata"]
    return f"{_PATHS[item['kind']].format(namespace=metadata.get('namespace', ''))}/{metadata['name']}"


def keep(lab: Lab, cluster: Cluster) -> None:
    """Remember the cluster of a lab."""
    _CLUSTERS[lab] = cluster


def cluster_of(lab: Lab) -> Cluster:
    """The cluster of a lab.

    Raises:
        LabError: It has none: its servers could not be had, or are still coming up.
    """
    found = _CLUSTERS.get(lab)
    if found is None:
        raise LabError("the lab has no Kubernetes yet: `alphapulse lab status` says why")
    return found


__all__ = ["ApiError", "Cluster", "cluster_of", "keep", "path_of", "rolled_out"]
