"""Events of the node: what ``kubectl get events`` and ``kubectl describe`` show about a pod.

As the kubelet does, the same thing happening again to the same object raises the count of its first event instead of adding another.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent.status import now
from alphapulse_tui.lab.kubernetes.client import KubeApi, Object

_REMEMBERED = 512
_COMPONENT = "kubelet"

log = logging.getLogger(__name__)


class Events:
    """Writes events; one that cannot be written is logged and forgotten, as in Kubernetes."""

    def __init__(self, api: KubeApi, node_name: str) -> None:
        self._api = api
        self._node = node_name
        self._seen: OrderedDict[tuple[str, str, str, str], tuple[str, int]] = OrderedDict()

    async def tell(self, pod: Object, reason: str, message: str, *, container: str = "", warning: bool = False) -> None:
        """Tell that something happened to a pod, or to one of its containers."""
        metadata = pod["metadata"]
        namespace = metadata["namespace"]
        path = f"spec.containers{{{container}}}" if container else ""
        key = (metadata["uid"], path, reason, message)
        known = self._seen.get(key)
        try:
            if known is not None:
                name, count = known[0], known[1] + 1
                await self._api.patch(
                    f"/api/v1/namespaces/{namespace}/events/{name}", {"count": count, "lastTimestamp": now()}
                )
            else:
                name, count = f"{metadata['name']}.{time.time_ns():x}", 1
                await self._api.post(
                    f"/api/v1/namespaces/{namespace}/events",
                    self._event(pod, name, path, reason, message, warning=warning),
                )
        except LabError as error:
            log.warning("the event %s of %s was not written: %s", reason, metadata["name"], error)
            self._seen.pop(key, None)
            return
        self._seen[key] = (name, count)
        self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _event(self, pod: Object, name: str, path: str, reason: str, message: str, *, warning: bool) -> Object:
        metadata = pod["metadata"]
        moment = now()
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
            "fieldPath": path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": _COMPONENT, "host": self._node},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self._node,
        }
