"""The mesh: which share of the API's traffic goes to which Deployment, as an Istio ``VirtualService`` that on-call changes.

The weights are kept where the runbook's platform keeps them (3.1: ``api-virtualservice-5pct.yaml``), so that a canary procedure patches here
the very object, fields and generation that it patches in production; an annotation or a ConfigMap would be an interface of the lab's own. The
resource is a real CustomResourceDefinition of the real API server. What Istio's control plane would do with it stands here, as far as weights go
(https://istio.io/latest/docs/reference/config/networking/virtual-service/: ``http[].route[].destination.host`` and ``weight``): every change
is written to ``routes.json`` among the discovery files at once, and the edge obeys. Matches, subsets, mirrors and time-outs are ignored. While
the API server is away the last weights hold, as they do with Istio.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.kubernetes.client import ApiError, KubeApi, Object
from alphapulse_tui.lab.kubernetes.manifests import API, CANARY, named
from alphapulse_tui.lab.platform import NAMESPACE

GROUP = "networking.istio.io"
ROUTES_FILE = "routes.json"
COLLECTION = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/virtualservices"
_SERVED_SECONDS = 20.0
_POLL_SECONDS = 0.1


def definition() -> Object:
    """The resource; of Istio's schema only what is looked at, everything else is let through."""
    free = {"x-kubernetes-preserve-unknown-fields": True}
    destination = {
        "type": "object",
        "required": ["host"],
        "properties": {"host": {"type": "string", "minLength": 1}},
        **free,
    }
    weight = {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100}
    route = {
        "type": "object",
        "required": ["destination"],
        "properties": {"destination": destination, "weight": weight},
        **free,
    }
    http = {"type": "object", "properties": {"route": {"type": "array", "items": route}}, **free}
    spec = {"type": "object", "properties": {"http": {"type": "array", "items": http}}, **free}
    schema = {"type": "object", "properties": {"spec": spec}}
    names = {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice", "shortNames": ["vs"]}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"virtualservices.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def virtual_service() -> Object:
    """``api``: everything to the stable pods, nothing to the canary."""
    routes = [{"destination": {"host": host}, "weight": weight} for host, weight in ((API, 100), (CANARY, 0))]
    return named(f"{GROUP}/v1", "VirtualService", API, spec={"hosts": [API], "http": [{"route": routes}]})


async def wait_served(api: KubeApi) -> None:
    """Return when the API server serves the resource.

    Raises:
        NotReadyError: It does not within 20 s.
    """
    try:
        async with asyncio.timeout(_SERVED_SECONDS):
            while not await _is_served(api):  # noqa: ASYNC110 - the API server is another process
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise NotReadyError(f"virtualservices are not served {_SERVED_SECONDS:g} s after their definition") from None


async def _is_served(api: KubeApi) -> bool:
    try:
        await api.get(COLLECTION)
    except ApiError as error:
        # 404 until it is defined, 429 while its storage is made.
        if error.status not in (404, 429):
            raise
        return False
    return True


async def keep_routes(api: KubeApi, folder: Path) -> None:
    """Follow the VirtualService ``api`` for ever and tell the edge."""
    file = folder / ROUTES_FILE
    async with contextlib.aclosing(api.follow(COLLECTION)) as events:
        async for kind, content in events:
            for item in content if kind == "LIST" else [content]:
                if item["metadata"]["name"] == API:
                    _write(file, {} if kind == "DELETED" else item)


def _write(file: Path, item: Object) -> None:
    write_private(file, json.dumps(routes_of(item)) + "\n")


def routes_of(item: Object) -> list[dict[str, str | int]]:
    """``[{"app": "api", "weight": 95}, ...]`` of the first HTTP route; no route is no split. A lone destination needs no weight.

    >>> routes_of({"spec": {"http": [{"route": [{"destination": {"host": "api"}}]}]}})
    [{'app': 'api', 'weight': 100}]
    >>> routes_of({})
    []
    """
    blocks = (item.get("spec") or {}).get("http") or []
    routes = (blocks[0].get("route") or []) if blocks else []
    default = 100 if len(routes) == 1 else 0
    return [{"app": one["destination"]["host"].split(".")[0], "weight": one.get("weight", default)} for one in routes]
