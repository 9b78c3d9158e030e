"""Set the memory limit of *one* container, named (runbook 2.4).

The runbook's ``kubectl set resources`` without ``-c`` gives every container the limit, sidecars too, and a strategic merge with a mistyped name
adds a container (facts 2.4.1). Here the name is tested in the request. The request never exceeds the limit; whether nodes and quota have room
is read and said before.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_containers import container_named, container_of
from alphapulse_tui.actions.kubernetes_link import Object
from alphapulse_tui.actions.kubernetes_rollout import wanted
from alphapulse_tui.actions.kubernetes_workload import (
    KIND,
    NAME,
    Change,
    Workload,
    WorkloadAction,
    annotate,
    owner_warnings,
    status_command,
)
from alphapulse_tui.actor import actor_at_host
from alphapulse_tui.model.kubernetes import MEMORY_GIVEN
from alphapulse_tui.model.plan import Plan
from alphapulse_tui.model.quantities import memory, quantity
from alphapulse_tui.model.words import size
from alphapulse_tui.text import clean

CHANGE_CAUSE = "kubernetes.io/change-cause"

LEAST = 4 * 1024 * 1024
"""Bytes; the kubelet refuses to start a container with less than its runtime needs."""

TWICE = "2x"
"""Value of ``memory``: twice the present limit."""

KEEP = "keep"
"""Value of ``request``: leave it as it is."""


class SetMemory(WorkloadAction):
    """Change limit, and where it must be the request, of one container's memory; every pod is replaced."""

    id = "kubernetes.set-memory"
    title = "set memory limit"
    source = "runbook 2.4"
    parameters = (
        KIND,
        NAME,
        Parameter("container", "one container; without it the only one"),
        Parameter(
            "memory",
            "the new limit; 2x for twice the present one; of two the larger",
            default="8Gi or 2x",
            required=True,
        ),
        Parameter("request", "the new request; without it the old one, or the limit where that is less"),
    )

    async def change(self, workload: Workload, params: Mapping[str, str]) -> Change:
        """The limit of the named container, and its request where it must follow."""
        place, container = container_of(workload, params.get("container", ""))
        resources = container.get("resources") or {}
        old, request = (str((resources.get(one) or {}).get("memory", "")) for one in ("limits", "requests"))
        new = _new_limit(params.get("memory", ""), old)
        asked = params.get("request", "")
        follows = quantity(request) is not None and (quantity(request) or 0.0) > new
        new_request = memory(_amount(asked, "request")) if asked not in ("", KEEP) else memory(new) if follows else ""
        name = clean(container["name"], 128)
        refusal = _refusal(old, new, request, new_request)
        rooms, warnings = await self._room(workload, new, quantity(new_request or request) or 0.0)
        moved = (
            f", its request from {request or 'none'} to {new_request}" if new_request and new_request != request else ""
        )
        return Change(
            title=f"set memory limit of {workload.name}/{name} to {memory(new)}",
            sentence=f"Sets the memory limit of container {name} from {old or 'none'} to {memory(new)}{moved}, "
            f"and replaces the {wanted(workload.raw)} pods of {workload.short} for it.",
            operations=_operations(workload, place, container, memory(new), new_request),
            what=f"test that containers[{place}] is {name} with limit {old or 'none'}, set {memory(new)}",
            shell=_shell(workload, name, memory(new), new_request),
            preconditions={"container": name, "limit": old, "request": request, "new": memory(new)},
            written_out={"container": name, "memory": memory(new)},
            facts=rooms,
            warnings=(*_lowers(old, new), *warnings, *owner_warnings(workload)),
            undo=f"set it back to {old}"
            if old
            else "none from here: before there was no limit; roll back to the revision before",
            undo_action=self.id if old else "",
            undo_params=_back(workload, name, old, request) if old else {},
            refusal=refusal,
        )

    def missing(self, workload: Workload, plan: Plan) -> str:
        """The limit in the spec is the proof that it was stored."""
        gone = super().missing(workload, plan)
        if gone:
            return gone
        found = container_named(workload, plan.preconditions["container"])
        limit = quantity(str(((found.get("resources") or {}).get("limits") or {}).get("memory", "")))
        return (
            ""
            if limit == quantity(plan.preconditions["new"])
            else f"{workload.short} does not have the limit that was planned"
        )

    async def _room(self, workload: Workload, limit: float, request: float) -> tuple[dict[str, str], tuple[str, ...]]:
        """What nodes and quota have to say: facts for the plan, and warnings."""
        pods = wanted(workload.raw)
        facts = {"replicas x limit": f"{pods} x {memory(limit)} = {size(pods * limit)}"}
        warnings: list[str] = []
        try:
            listed = await self.link.read("/api/v1/nodes", "nodes [list], cluster-wide", {"limit": "500"})
        except ActionProblem as problem:
            warnings.append(f"whether the nodes have room is not known: {problem}")
        else:
            facts |= _on_nodes(listed.get("items") or [], limit, pods, warnings)
        path = f"/api/v1/namespaces/{workload.namespace}/resourcequotas"
        try:
            quotas = await self.link.read(path, "resourcequotas [list]")
        except ActionProblem as problem:
            warnings.append(f"whether the quota has room is not known: {problem}")
        else:
            facts |= _in_quota(
                quotas.get("items") or [], {"limits.memory": limit, "requests.memory": request}, warnings
            )
        return facts, tuple(warnings)


def _new_limit(text: str, old: str) -> float:
    """The limit asked for, the larger of several; :data:`TWICE` is twice the old one, and nothing where there is none beside an amount."""
    now = quantity(old)
    amounts = [_amount(part, "memory") for part in text.split(" or ") if part != TWICE]
    if now is not None and TWICE in text.split(" or "):
        amounts.append(2 * now)
    if not amounts:
        raise ActionProblem("it has no limit that could be doubled: name an amount such as 8Gi")
    return max(amounts)


def _lowers(old: str, new: float) -> tuple[str, ...]:
    """A warning where the limit falls: to a container that was killed for want of memory it is the contrary of a remedy."""
    now = quantity(old)
    fewer = now is not None and new < now
    return (f"this LOWERS the limit from {old} to {memory(new)}: what needs more than that is killed",) if fewer else ()


def _amount(text: str, name: str) -> float:
    found = quantity(text)
    if found is None or found < LEAST:
        raise ActionProblem(f'"{name}" must be an amount of memory such as 512Mi or 8Gi, not "{clean(text, 40)}"')
    return found


def _refusal(old: str, new: float, request: str, new_request: str) -> str:
    if old and quantity(old) == new and (not new_request or quantity(new_request) == quantity(request)):
        return f"its limit is {old} already"
    least = quantity(new_request) if new_request else quantity(request)
    if least is not None and least > new:
        return f"the request {new_request or request} would exceed the limit {memory(new)}: choose a smaller request"
    return ""


def _operations(workload: Workload, place: int, container: Object, limit: str, request: str) -> list[Mapping[str, Any]]:
    """Guarded by name and old values; a JSON patch can only add to a parent that is there."""
    path = f"/spec/template/spec/containers/{place}"
    guards: list[Mapping[str, Any]] = [{"op": "test", "path": f"{path}/name", "value": container["name"]}]
    wanted_now = {"limits": limit} | ({"requests": request} if request else {})
    changes: list[Mapping[str, Any]] = []
    resources = container.get("resources")
    if not isinstance(resources, dict) or not resources:
        value = {kind: {"memory": amount} for kind, amount in wanted_now.items()}
        changes.append({"op": "add", "path": f"{path}/resources", "value": value})
    else:
        for kind, amount in wanted_now.items():
            there = resources.get(kind)
            if isinstance(there, dict) and "memory" in there:
                guards.append({"op": "test", "path": f"{path}/resources/{kind}/memory", "value": there["memory"]})
            if isinstance(there, dict) and there:
                changes.append({"op": "add", "path": f"{path}/resources/{kind}/memory", "value": amount})
            else:
                changes.append({"op": "add", "path": f"{path}/resources/{kind}", "value": {"memory": amount}})
    cause = f"{MEMORY_GIVEN} {clean(container['name'], 64)} set to {limit} by {actor_at_host()}"
    return [*guards, *changes, *annotate(workload.raw, "", {CHANGE_CAUSE: cause})]


def _shell(workload: Workload, container: str, limit: str, request: str) -> str:
    requests = f" --requests=memory={request}" if request else ""
    return (
        f"kubectl -n {workload.namespace} set resources {workload.short} -c {shlex.quote(container)} "
        f"--limits=memory={limit}{requests} && {status_command(workload)}"
    )


def _back(workload: Workload, container: str, limit: str, request: str) -> dict[str, str]:
    back = {"kind": workload.kind, "name": workload.name, "container": container, "memory": limit}
    return back | ({"request": request} if request else {})


def _on_nodes(nodes: list[Any], limit: float, pods: int, warnings: list[str]) -> dict[str, str]:
    """Allocatable memory of the nodes that take pods, and a warning where the new limit does not fit."""
    rooms = [
        quantity(str(((one.get("status") or {}).get("allocatable") or {}).get("memory", ""))) or 0.0
        for one in nodes
        if not (one.get("spec") or {}).get("unschedulable")
    ]
    if not rooms:
        warnings.append("no node takes pods")
        return {}
    if limit > max(rooms):
        warnings.append(
            f"no node has {memory(limit)}: the largest has {size(max(rooms))}; a pod that uses its limit takes a node down"
        )
    elif pods * limit > sum(rooms):
        warnings.append(
            f"{pods} pods at their limit need {size(pods * limit)}, the nodes have {size(sum(rooms))} in all: "
            "memory is promised more than once"
        )
    return {"nodes": f"{len(rooms)} with {size(sum(rooms))} allocatable"}


def _in_quota(quotas: list[Any], added: Mapping[str, float], warnings: list[str]) -> dict[str, str]:
    """What the quota has left of each bounded memory; a rollout needs room for one more pod while both are there."""
    facts = {}
    for quota in quotas:
        status = quota.get("status") or {}
        for resource, amount in added.items():
            hard = quantity(str((status.get("hard") or {}).get(resource, "")))
            if hard is None:
                continue
            left = hard - (quantity(str((status.get("used") or {}).get(resource, "0"))) or 0.0)
            facts[f"quota {resource}"] = f"{size(max(0.0, left))} of {size(hard)} left"
            if amount > left:
                warnings.append(
                    f"quota {resource} has {size(max(0.0, left))} left, a new pod needs {memory(amount)}: it will not start"
                )
    return facts
