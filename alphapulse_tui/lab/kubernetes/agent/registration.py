"""The Node object and its Lease: what says that this node is there and alive."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
from collections.abc import Iterable

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS, now, says_ready
from alphapulse_tui.lab.kubernetes.client import ApiError, KubeApi, Object
from alphapulse_tui.model.image_names import canonical

NODE_NAME = "lab-node-1"
LEASE_SECONDS = 40
_RENEW_SECONDS = 10.0
_KUBELET_VERSION = "v1.36.3"

log = logging.getLogger(__name__)


async def register(api: KubeApi, kubelet_port: int) -> None:
    """Create the Node, or take over the one of that name, and say that it is ready."""
    labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}
    node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME, "labels": labels}}
    try:
        await api.post("/api/v1/nodes", node)
    except ApiError as error:
        if error.status != 409:
            raise
    await _tell_status(api, kubelet_port)


async def _tell_status(api: KubeApi, kubelet_port: int) -> None:
    await api.patch(f"/api/v1/nodes/{NODE_NAME}/status", {"status": _status(kubelet_port)})


async def report_images(api: KubeApi, images: Iterable[str]) -> None:
    """Tell which images the node has, as the kubelet does in ``status.images``; what they would take on a disk is not known here."""
    listed = [{"names": [canonical(image)], "sizeBytes": 0} for image in sorted(images)]
    await api.patch(f"/api/v1/nodes/{NODE_NAME}/status", {"status": {"images": listed}})


async def stay_ready(api: KubeApi, kubelet_port: int) -> None:
    """Renew the Lease for ever; a node whose lease is old is marked NotReady by the controller manager after 40 s.

    Of such a node a new lease is not enough: as the kubelet does, it says that it is ready again.
    """
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    while True:
        moment = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NODE_NAME, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": NODE_NAME, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment},
        }
        try:
            await api.apply(f"{path}/{NODE_NAME}", lease, manager="kubelet")
            if not says_ready(await api.get(f"/api/v1/nodes/{NODE_NAME}")):
                await _tell_status(api, kubelet_port)
        except LabError as error:
            log.warning("the lease or the status of %s was not renewed: %s", NODE_NAME, error)
            await asyncio.sleep(1.0)
        else:
            await asyncio.sleep(_RENEW_SECONDS)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _status(kubelet_port: int) -> Object:
    machine = os.uname()
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": f"{_memory_bytes() // 1024}Ki", "pods": "110"}
    moment = now()

    def condition(kind: str, status: str, reason: str, message: str) -> Object:
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": moment,
            "lastTransitionTime": moment,
        }

    return {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [{"type": "InternalIP", "address": ADDRESS}, {"type": "Hostname", "address": NODE_NAME}],
        "conditions": [
            condition(
                "MemoryPressure", "False", "KubeletHasSufficientMemory", "the node has sufficient memory available"
            ),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "the node has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "the node has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "the lab's node agent is posting ready status"),
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
        # Without it the API server speaks SPDY to the node, and `kubectl exec` fails.
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],
        "nodeInfo": {
            "architecture": "amd64" if machine.machine == "x86_64" else machine.machine,
            "bootID": "lab",
            "containerRuntimeVersion": "lab-process://1",
            "kernelVersion": machine.release,
            "kubeProxyVersion": "",
            "kubeletVersion": _KUBELET_VERSION,
            "machineID": "lab",
            "operatingSystem": "linux",
            "osImage": "AlphaPulse lab",
            "systemUUID": "lab",
        },
    }
