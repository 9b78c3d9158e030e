"""The target ``kubernetes``: builds or finds the control plane's servers, starts them, and joins the node.

Ready means: the API server answers, the namespace and its rights are there, and the node takes pods. What runs in them is the business of
the target ``api`` (:mod:`alphapulse_tui.lab.workloads.target`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from alphapulse_tui.lab import servers
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes import access, bounds, kubeconfigs, manifests, mesh, pki
from alphapulse_tui.lab.kubernetes.agent import metrics
from alphapulse_tui.lab.kubernetes.agent.node import Node, discovery_folder
from alphapulse_tui.lab.kubernetes.agent.registration import NODE_NAME
from alphapulse_tui.lab.kubernetes.client import KubeApi
from alphapulse_tui.lab.kubernetes.cluster import Cluster, cluster_of, keep
from alphapulse_tui.lab.kubernetes.control_plane import TARGET_NAME, ControlPlane
from alphapulse_tui.lab.platform import NAMESPACE, Lab, Report, TargetState
from alphapulse_tui.lab.process import Restart

_HEALTH_SECONDS = 2.0

log = logging.getLogger(__name__)


class KubernetesTarget:
    """Kubernetes' control plane and its one node."""

    name = TARGET_NAME

    async def up(self, lab: Lab, report: Report) -> None:
        """Start everything; the first time the servers are built, which takes minutes."""
        binaries = await servers.ensure(servers.CONTROL_PLANE, lambda step: report(TargetState.BUILDING, str(step)))
        report(TargetState.STARTING, "making certificates")
        folder = lab.directory.data("kubernetes")
        certificates = pki.make(folder / "pki", NODE_NAME)
        url = f"https://127.0.0.1:{lab.ports['kube-apiserver']}"
        files = kubeconfigs.write(folder, url, certificates, NAMESPACE)
        plane = ControlPlane(lab, certificates, binaries, files["controller-manager"])
        report(TargetState.STARTING, "starting etcd, the API server and the controllers")
        for spec in plane.specs():
            await lab.supervisor.start(spec, Restart.ALWAYS)
        await plane.wait_ready()
        report(TargetState.STARTING, "joining the node")
        cluster = await _join(lab, plane, files)
        await _furnish(lab, cluster)

    async def healthy(self, lab: Lab) -> str:
        """Ask the API server, and whether the node agent lives."""
        try:
            cluster = cluster_of(lab)
        except LabError as error:
            return str(error)
        if cluster.node_task.done():
            return "the node agent has ended"
        return await cluster.control_plane.ready_answer(_HEALTH_SECONDS)


async def _furnish(lab: Lab, cluster: Cluster) -> None:
    """Apply what is there before any pod: rights, services, bounds, the mesh's split, the metrics API."""
    port, authority = lab.ports["metrics-api"], cluster.control_plane.pki.authority
    items = (
        manifests.namespace(),
        mesh.definition(),
        *metrics.registration(port, authority),
        *access.objects(),
        *manifests.services(),
        *bounds.objects(),
    )
    for item in items:
        await cluster.apply(item)
    await mesh.wait_served(cluster.api)
    await cluster.apply(mesh.virtual_service())
    lab.spawn(_keep_routes(lab, cluster.control_plane), "mesh")


async def _join(lab: Lab, plane: ControlPlane, files: dict[str, Path]) -> Cluster:
    """Start a node and remember the cluster."""
    api = await KubeApi(plane.url, plane.pki, plane.pki.node).__aenter__()
    node = Node(lab, api, plane.pki)
    cluster = Cluster(plane, api, node, lab.spawn(_keep_running(node, api), "node agent"), files)
    keep(lab, cluster)
    return cluster


async def _keep_routes(lab: Lab, plane: ControlPlane) -> None:
    """Tell the edge of the split for ever, by a client of its own: the node's goes with the node when a saved state is put back."""
    async with KubeApi(plane.url, plane.pki, plane.pki.node) as api:
        await mesh.keep_routes(api, discovery_folder(lab))


async def rejoin(lab: Lab) -> Cluster:
    """Start a node anew for a control plane whose objects were put back; the old one must have been cancelled.

    The pods' container statuses speak of processes of the past: they are dropped, so that the node does not count a restart for each.
    """
    past = cluster_of(lab)
    plane = past.control_plane
    async with KubeApi(plane.url, plane.pki, plane.pki.admin) as api:
        for pod in (await api.get("/api/v1/pods"))["items"]:
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
            await api.patch(path, {"status": {"containerStatuses": None}})
    return await _join(lab, plane, past.kubeconfigs)


async def _keep_running(node: Node, api: KubeApi) -> None:
    """Run the node until the lab ends; one that fails is told and comes back: pods go on meanwhile."""
    async with contextlib.aclosing(api):
        while True:
            try:
                await node.run()
            except* (LabError, OSError) as group:
                log.error("the node agent failed and is started again", exc_info=group)
            await asyncio.sleep(1.0)


TARGET = KubernetesTarget()
