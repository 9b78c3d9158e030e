"""A container's environment: plain values, ``fieldRef``, ``configMapKeyRef``, ``secretKeyRef``, ``envFrom`` and ``$(NAME)``."""

from __future__ import annotations

import base64
import re

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS
from alphapulse_tui.lab.kubernetes.client import ApiError, KubeApi, Object

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class UnresolvedError(LabError):
    """A variable cannot be resolved: the container waits with ``CreateContainerConfigError``."""


async def resolve(api: KubeApi, pod: Object, container: Object) -> dict[str, str]:
    """All variables of a container.

    Raises:
        UnresolvedError: A ConfigMap, Secret or key is missing; the text is the kubelet's.
    """
    sources = _Sources(api, pod)
    values: dict[str, str] = {"HOSTNAME": pod["metadata"]["name"]}
    for entry in container.get("envFrom") or []:
        values.update(await sources.whole(entry))
    for variable in container.get("env") or []:
        source = variable.get("valueFrom")
        value = variable.get("value", "") if source is None else await sources.one(source)
        if value is not None:
            values[variable["name"]] = _REFERENCE.sub(lambda found: values.get(found[1], found[0]), value)
    return values


class _Sources:
    """Reads each ConfigMap and Secret once for a container."""

    def __init__(self, api: KubeApi, pod: Object) -> None:
        self._api = api
        self._pod = pod
        self._read: dict[tuple[str, str], dict[str, str] | None] = {}

    async def whole(self, entry: Object) -> dict[str, str]:
        kind, reference = (
            ("configmaps", entry["configMapRef"]) if "configMapRef" in entry else ("secrets", entry["secretRef"])
        )
        data = await self._data(kind, reference["name"])
        if data is None and not reference.get("optional"):
            raise UnresolvedError(f'{kind[:-1]} "{reference["name"]}" not found')
        return {entry.get("prefix", "") + key: value for key, value in (data or {}).items()}

    async def one(self, source: Object) -> str | None:
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        kind, shown = ("configmaps", "ConfigMap") if "configMapKeyRef" in source else ("secrets", "Secret")
        reference = source.get("configMapKeyRef") or source.get("secretKeyRef") or {}
        data = await self._data(kind, reference["name"])
        if data is not None and reference["key"] in data:
            return data[reference["key"]]
        if reference.get("optional"):
            return None
        if data is None:
            raise UnresolvedError(f'{kind[:-1]} "{reference["name"]}" not found')
        place = f"{self._pod['metadata']['namespace']}/{reference['name']}"
        raise UnresolvedError(f"couldn't find key {reference['key']} in {shown} {place}")

    def _field(self, path: str) -> str:
        known = {
            "metadata.name": self._pod["metadata"]["name"],
            "metadata.namespace": self._pod["metadata"]["namespace"],
            "metadata.uid": self._pod["metadata"]["uid"],
            "spec.nodeName": self._pod["spec"].get("nodeName", ""),
            "status.podIP": ADDRESS,
            "status.hostIP": ADDRESS,
        }
        if path not in known:
            raise UnresolvedError(f"fieldRef {path} is not known to this node")
        return str(known[path])

    async def _data(self, kind: str, name: str) -> dict[str, str] | None:
        key = (kind, name)
        if key not in self._read:
            try:
                found = await self._api.get(f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{kind}/{name}")
            except ApiError as error:
                if error.status != 404:
                    raise
                self._read[key] = None
            else:
                content = found.get("data") or {}
                decode = kind == "secrets"
                self._read[key] = {k: base64.b64decode(v).decode() if decode else v for k, v in content.items()}
        return self._read[key]
