"""Kubernetes under kube-state-metrics' names: Deployments, StatefulSets, pods of the namespace.

Reads with the viewer's kubeconfig, which appears once the control plane was started; before that there is nothing to tell.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.core import Metric

from alphapulse_tui.lab.platform import NAMESPACE, Lab
from alphapulse_tui.lab.workloads.exported.source import counter, gauge


class KubernetesFigures:
    """Figures of the namespace."""

    name = "kube"
    failures = (OSError, aiohttp.ClientError, ValueError)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._session: aiohttp.ClientSession | None = None

    async def figures(self) -> list[Metric]:
        """Wanted and ready replicas, restarts, readiness."""
        deployments = await self._items(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
        sets = await self._items(f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets")
        pods = await self._items(f"/api/v1/namespaces/{NAMESPACE}/pods")
        return [
            *_replicas(
                "deployment", deployments, "kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready"
            ),
            *_replicas("statefulset", sets, "kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"),
            *_pods(pods),
        ]

    async def _items(self, path: str) -> list[dict[str, Any]]:
        if self._session is None:
            self._session = self._connect()
        # From the API server's cache: a scrape every two seconds must not cost etcd anything.
        async with self._session.get(path, params={"resourceVersion": "0"}) as response:
            response.raise_for_status()
            return list((await response.json())["items"])

    def _connect(self) -> aiohttp.ClientSession:
        pki = Path(self._lab.directory.root, "kubernetes", "pki")
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "viewer.crt", pki / "viewer.key")
        base = f"https://127.0.0.1:{self._lab.ports['kube-apiserver']}"
        return aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(ssl=context))

    async def forget(self) -> None:
        """Drop the connections: the certificates may be new."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _replicas(kind: str, items: list[dict[str, Any]], wanted: str, ready: str) -> list[Metric]:
    labels = ("namespace", kind)

    def values(part: str, field: str) -> dict[tuple[str, ...], float]:
        return {(NAMESPACE, item["metadata"]["name"]): float((item.get(part) or {}).get(field) or 0) for item in items}

    return [
        gauge(wanted, f"Wanted pods of a {kind}", values("spec", "replicas"), labels),
        gauge(ready, f"Ready pods of a {kind}", values("status", "readyReplicas"), labels),
    ]


def _pods(pods: list[dict[str, Any]]) -> list[Metric]:
    restarts: dict[tuple[str, ...], float] = {}
    waiting: dict[tuple[str, ...], float] = {}
    ready: dict[tuple[str, ...], float] = {}
    for pod in pods:
        name, status = pod["metadata"]["name"], pod.get("status") or {}
        states = {one["type"]: one["status"] for one in status.get("conditions") or []}
        ready[(NAMESPACE, name)] = float(states.get("Ready") == "True")
        for container in status.get("containerStatuses") or []:
            restarts[(NAMESPACE, name, container["name"])] = float(container["restartCount"])
            reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
            if reason:
                waiting[(NAMESPACE, name, container["name"], reason)] = 1.0
    container_labels = ("namespace", "pod", "container")
    return [
        gauge("kube_pod_status_ready", "Whether the pod is ready", ready, ("namespace", "pod")),
        counter("kube_pod_container_status_restarts", "Restarts", restarts, container_labels),
        gauge(
            "kube_pod_container_status_waiting_reason", "Why a container waits", waiting, (*container_labels, "reason")
        ),
    ]
