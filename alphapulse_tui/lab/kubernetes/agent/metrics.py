"""The metrics API (``metrics.k8s.io/v1beta1``): what ``kubectl top`` and the autoscaler ask, in metrics-server's place.

The API server finds it by an APIService whose Service is an ExternalName for this machine; only the API server may call, with the client
certificate of its front proxy. Rights were checked before: RBAC on ``metrics.k8s.io`` is the API server's. Of label selectors the equality-based
ones are understood (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/); any other is answered with 400.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from alphapulse_tui.lab.kubernetes.agent.pod import PodWorker
from alphapulse_tui.lab.kubernetes.agent.registration import NODE_NAME
from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS, stamp
from alphapulse_tui.lab.kubernetes.agent.usage import Meter, Usage
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.pki import METRICS_SERVICE, Pki

if TYPE_CHECKING:
    from alphapulse_tui.lab.kubernetes.agent.node import Node

_GROUP = "metrics.k8s.io"
_VERSION = f"{_GROUP}/v1beta1"
_ROOT = f"/apis/{_VERSION}"
_SHUTDOWN_SECONDS = 0.5
_SYSTEM = "kube-system"


def registration(port: int, authority: Path) -> list[Object]:
    """How the API server finds the metrics API on ``port``: its namespace, Service and APIService."""
    bundle = base64.b64encode(authority.read_bytes()).decode()
    service = {"name": METRICS_SERVICE, "namespace": _SYSTEM, "port": port}
    spec = {"group": _GROUP, "version": "v1beta1", "service": service, "caBundle": bundle}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SYSTEM}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": METRICS_SERVICE, "namespace": _SYSTEM},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1beta1.{_GROUP}"},
            "spec": {**spec, "groupPriorityMinimum": 100, "versionPriority": 100},
        },
    ]


class MetricsServer:
    """Serves while it is entered."""

    def __init__(self, node: Node, meter: Meter, pki: Pki, port: int) -> None:
        self._node = node
        self._meter = meter
        self._port = port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.front_proxy_authority))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(pki.metrics.certificate, pki.metrics.key)
        application = web.Application()
        application.add_routes(
            [
                web.get(_ROOT, self._resources),
                web.get(f"{_ROOT}/nodes", self._nodes),
                web.get(f"{_ROOT}/nodes/{{name}}", self._one_node),
                web.get(f"{_ROOT}/pods", self._pods),
                web.get(f"{_ROOT}/namespaces/{{namespace}}/pods", self._pods),
                web.get(f"{_ROOT}/namespaces/{{namespace}}/pods/{{name}}", self._one_pod),
            ]
        )
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS
        )

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, ADDRESS, self._port, ssl_context=self._context).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _resources(self, request: web.Request) -> web.Response:
        del request
        verbs = ["get", "list"]
        resources = [
            {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": verbs},
            {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": verbs},
        ]
        listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _VERSION, "resources": resources}
        return web.json_response(listed)

    async def _nodes(self, request: web.Request) -> web.Response:
        selected = selects(request.query.get("labelSelector", ""), {"kubernetes.io/hostname": NODE_NAME})
        usage = self._meter.machine if selected else None
        return web.json_response(_list("NodeMetrics", [_node(usage)] if usage else []))

    async def _one_node(self, request: web.Request) -> web.Response:
        usage = self._meter.machine if request.match_info["name"] == NODE_NAME else None
        return web.json_response(_node(usage)) if usage else _unknown("nodes", request.match_info["name"])

    async def _pods(self, request: web.Request) -> web.Response:
        namespace = request.match_info.get("namespace")
        selector = request.query.get("labelSelector", "")
        chosen = [
            pod for pod in self._node.pods if namespace in (None, pod.namespace) and selects(selector, pod.labels)
        ]
        return web.json_response(_list("PodMetrics", [one for one in map(self._pod, chosen) if one]))

    async def _one_pod(self, request: web.Request) -> web.Response:
        wanted = (request.match_info["namespace"], request.match_info["name"])
        for pod in self._node.pods:
            if (pod.namespace, pod.name) == wanted and (found := self._pod(pod)):
                return web.json_response(found)
        return _unknown("pods", wanted[1])

    def _pod(self, pod: PodWorker) -> Object | None:
        """A pod's metrics; none before each of its containers was measured twice."""
        usages = {one.name: self._meter.of(one.process) for one in pod.containers}
        known = {name: usage for name, usage in usages.items() if usage is not None}
        if not known or len(known) < len(usages):
            return None
        oldest = min(known.values(), key=lambda usage: usage.at)
        return {
            "kind": "PodMetrics",
            "apiVersion": _VERSION,
            "metadata": {"name": pod.name, "namespace": pod.namespace, "labels": pod.labels},
            **_when(oldest),
            "containers": [{"name": name, "usage": _quantities(usage)} for name, usage in known.items()],
        }


def _list(kind: str, items: list[Object]) -> Object:
    return {"kind": f"{kind}List", "apiVersion": _VERSION, "metadata": {}, "items": items}


def _node(usage: Usage) -> Object:
    metadata = {"name": NODE_NAME}
    return {
        "kind": "NodeMetrics",
        "apiVersion": _VERSION,
        "metadata": metadata,
        **_when(usage),
        "usage": _quantities(usage),
    }


def _when(usage: Usage) -> Object:
    return {"timestamp": stamp(usage.at), "window": f"{usage.window:.3f}s"}


def _quantities(usage: Usage) -> dict[str, str]:
    return {"cpu": f"{int(usage.cores * 1e9)}n", "memory": f"{usage.memory // 1024}Ki"}


def _unknown(resource: str, name: str) -> web.Response:
    message = f'{resource}.{_GROUP} "{name}" not found'
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": message}
    return web.json_response({**status, "code": 404}, status=404)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether an equality-based selector takes these labels.

    >>> selects("app=api,track!=canary,!old,app", {"app": "api", "track": "stable"})
    True
    >>> selects("app==worker", {"app": "api"})
    False

    Raises:
        web.HTTPBadRequest: It is of another kind.
    """
    if any(character in selector for character in "()<>"):
        raise web.HTTPBadRequest(text=f"the lab's metrics API does not understand the selector {selector!r}")
    return all(_holds(term.strip(), labels) for term in selector.split(",") if term.strip())


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    for sign, wanted in (("!=", False), ("==", True), ("=", True)):
        key, found, value = term.partition(sign)
        if found:
            return (labels.get(key.strip()) == value.strip()) is wanted
    return term[1:] not in labels if term.startswith("!") else term in labels
