"""Whether there is room: nodes, autoscalers and quota, each missing by itself when we may not read it (facts 3.3).

A survey, read while somebody looks. Nodes belong to no namespace, so a namespaced login cannot read them; then their part says so. Made by
``surveys``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.model.cluster import Autoscaler, CapacitySnapshot, Node, QuotaLine
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.quantities import quantity
from alphapulse_tui.sources.contract import Denied, Source
from alphapulse_tui.sources.kubernetes_objects import Objects, metadata, named
from alphapulse_tui.sources.moments import unix
from alphapulse_tui.text import clean

PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
"""Conditions of a node that should not hold."""


class CapacitySource(Source[CapacitySnapshot]):
    """The cluster's nodes, the namespace's autoscalers and quotas."""

    target = "kubernetes-capacity"
    interval = 5.0
    deadline = 5.0

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        self._objects = Objects(kubeconfig, context, namespace)

    async def read(self) -> CapacitySnapshot:
        """Ask for all of them; raises when not one of them may be read."""
        objects = self._objects
        objects.begin()
        here = f"in namespace {clean(objects.namespace)}"
        nodes, usage, autoscalers, quotas = await asyncio.gather(
            objects.items("/api/v1/nodes", "nodes: list (cluster-wide)"),
            objects.items("/apis/metrics.k8s.io/v1beta1/nodes", "metrics.k8s.io nodes: list (cluster-wide)"),
            objects.items(
                objects.path("/apis/autoscaling/v2", "horizontalpodautoscalers"),
                f"autoscaling horizontalpodautoscalers: list {here}",
            ),
            objects.items(objects.path("/api/v1", "resourcequotas"), f"resourcequotas: list {here}"),
        )
        if nodes is None and autoscalers is None and quotas is None:
            raise Denied("; ".join(objects.missing))
        used = {named(one): one.get("usage") or {} for one in usage or ()}
        return CapacitySnapshot(
            nodes=tuple(sorted((node_of(one, used.get(named(one), {})) for one in nodes or ()), key=_worst_first)),
            autoscalers=tuple(autoscaler_of(one) for one in autoscalers or ()),
            quotas=tuple(line for one in quotas or () for line in quota_lines(one)),
            missing=tuple(objects.missing),
        )

    def judge(self, snapshot: CapacitySnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey is looked at, it does not page
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._objects.close()


def node_of(raw: Mapping[str, Any], usage: Mapping[str, Any]) -> Node:
    """The model's node."""
    status = raw.get("status") or {}
    conditions = {str(one.get("type")): one.get("status") for one in status.get("conditions") or []}
    room = status.get("allocatable") or {}
    return Node(
        name=named(raw),
        ready=conditions.get("Ready") == "True",
        pressures=tuple(one for one in PRESSURES if conditions.get(one) == "True"),
        unschedulable=bool((raw.get("spec") or {}).get("unschedulable")),
        memory=quantity(str(room.get("memory", ""))) or 0.0,
        cpu=quantity(str(room.get("cpu", ""))) or 0.0,
        memory_used=quantity(str(usage.get("memory", ""))),
        cpu_used=quantity(str(usage.get("cpu", ""))),
        version=clean((status.get("nodeInfo") or {}).get("kubeletVersion", ""), 64),
        created_at=unix(metadata(raw).get("creationTimestamp")) or 0.0,
    )


def _worst_first(node: Node) -> tuple[bool, bool, str]:
    return node.ready, not node.pressures, node.name


def autoscaler_of(raw: Mapping[str, Any]) -> Autoscaler:
    """The model's autoscaler: counters that the server leaves out are 0."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    aimed = spec.get("scaleTargetRef") or {}
    conditions = {str(one.get("type")): one for one in status.get("conditions") or []}
    limited = conditions.get("ScalingLimited") or {}
    broken = next(
        (
            one
            for name in ("AbleToScale", "ScalingActive")
            if (one := conditions.get(name)) and one.get("status") == "False"
        ),
        None,
    )
    return Autoscaler(
        name=named(raw),
        uid=clean(metadata(raw).get("uid", ""), 64),
        kind=clean(aimed.get("kind", ""), 64),
        workload=clean(aimed.get("name", ""), 256),
        least=int(spec.get("minReplicas") or 1),
        most=int(spec.get("maxReplicas") or 0),
        current=int(status.get("currentReplicas") or 0),
        desired=int(status.get("desiredReplicas") or 0),
        figures=tuple(_figure(one, status) for one in spec.get("metrics") or []),
        limited=clean(limited.get("reason", ""), 64) if limited.get("status") == "True" else "",
        problem=f"{clean(broken.get('reason', ''), 64)}: {clean(broken.get('message', ''), 300)}" if broken else "",
        scaled_at=unix(status.get("lastScaleTime")),
    )


def _figure(wanted: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """``cpu 84% of 60%``; a metric that is no resource is named by its type."""
    resource = wanted.get("resource") or {}
    if not resource:
        return clean(wanted.get("type", "metric"), 64)
    name = str(resource.get("name", ""))
    target = (resource.get("target") or {}).get("averageUtilization")
    if target is None:
        return clean(name, 64)
    current = next(
        (
            (one["resource"].get("current") or {}).get("averageUtilization")
            for one in status.get("currentMetrics") or []
            if (one.get("resource") or {}).get("name") == name
        ),
        None,
    )
    return clean(f"{name} {'<unknown>' if current is None else f'{current}%'} of {target}%", 64)


def quota_lines(raw: Mapping[str, Any]) -> list[QuotaLine]:
    """One line a bounded resource; what is no quantity is left out."""
    status = raw.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    lines = []
    for resource, most in sorted(hard.items()):
        limit, taken = quantity(str(most)), quantity(str(used.get(resource, "0")))
        if limit is not None and taken is not None:
            lines.append(QuotaLine(named(raw), clean(resource, 64), taken, limit))
    return lines
