"""How far a rollout is, by kubectl's own rules: generation observed, pods updated, none left over, all available (facts 3.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphapulse_tui.model.plan import Verdict


def standing(workload: Mapping[str, Any]) -> tuple[Verdict, str]:
    """Whether the workload's pods are what its spec says, in one sentence. Counters that the server leaves out are 0."""
    metadata, spec, status = workload["metadata"], workload.get("spec") or {}, workload.get("status") or {}
    if int(status.get("observedGeneration") or 0) < int(metadata.get("generation") or 0):
        return Verdict.PENDING, "the controller has not seen the change yet"
    if workload.get("kind") == "StatefulSet":
        return _stateful(spec, status)
    return _deployment(spec, status)


def figures(workload: Mapping[str, Any]) -> dict[str, str]:
    """Named figures for before and after."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    desired = wanted(workload)
    annotations = workload["metadata"].get("annotations") or {}
    named = {
        "replicas": str(desired),
        "updated": f"{int(status.get('updatedReplicas') or 0)} of {desired}",
        "ready": f"{int(status.get('readyReplicas') or 0)} of {desired}",
        "available": f"{int(status.get('availableReplicas') or 0)} of {desired}",
    }
    revision = annotations.get("deployment.kubernetes.io/revision") or status.get("updateRevision")
    images = [str(one.get("image", "")) for one in _containers(spec.get("template") or {})]
    return named | ({"revision": str(revision)} if revision else {}) | {"image": ", ".join(images)}


def wanted(workload: Mapping[str, Any]) -> int:
    """Replicas that the spec asks for; a spec that says nothing means 1."""
    replicas = (workload.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[Verdict, str]:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            seconds = spec.get("progressDeadlineSeconds", 600)
            return (
                Verdict.CONTRADICTED,
                f"the rollout made no progress for {seconds} s and counts as failed; nothing rolls back by itself",
            )
    replicas = spec.get("replicas")
    desired = 1 if replicas is None else int(replicas)
    total, updated, available = (
        int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if updated < desired:
        return Verdict.PENDING, f"{updated} of {desired} pods are updated"
    if total > updated:
        return Verdict.PENDING, f"{total - updated} old pods are still there"
    if available < updated:
        return Verdict.PENDING, f"{available} of {updated} updated pods are available"
    return Verdict.VERIFIED, f"{available} of {desired} pods are updated and available, none is left over"


def _stateful(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[Verdict, str]:
    replicas = spec.get("replicas")
    desired = 1 if replicas is None else int(replicas)
    total, ready, updated = (int(status.get(name) or 0) for name in ("replicas", "readyReplicas", "updatedReplicas"))
    if on_delete(spec):
        return (
            Verdict.VERIFIED,
            f"stored; its pods follow only when they are deleted (OnDelete), {updated} of {desired} have",
        )
    if total != desired:
        return Verdict.PENDING, f"{total} of {desired} pods are there"
    if ready < desired:
        return Verdict.PENDING, f"{ready} of {desired} pods are ready"
    held = min(partition(spec), desired)
    if held:
        kept = f"the partition holds {held} of {desired} back"
        if updated < desired - held:
            return Verdict.PENDING, f"{updated} of {desired - held} pods are updated; {kept}"
        return Verdict.VERIFIED, f"{updated} of {desired} pods are updated, {ready} ready; {kept}"
    if desired and status.get("updateRevision") != status.get("currentRevision"):
        return Verdict.PENDING, f"{updated} of {desired} pods are updated"
    return Verdict.VERIFIED, f"{ready} of {desired} pods are updated and ready"


def on_delete(spec: Mapping[str, Any]) -> bool:
    """Whether pods are replaced only when somebody deletes them."""
    return (spec.get("updateStrategy") or {}).get("type") == "OnDelete"


def partition(spec: Mapping[str, Any]) -> int:
    """Below which ordinal a StatefulSet's pods keep the template before: so many are held back (kubectl waits for the others only)."""
    return int(((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)


def _containers(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (template.get("spec") or {}).get("containers") or []
