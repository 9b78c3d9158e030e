"""What the API's pods complain of: the error lines of their logs, the same ones counted (runbook 4.2, "check logs").

A survey, read while somebody looks: the last lines of a few pods, those that are not ready first. Made by ``surveys``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_tui.model.api import LogGroup, LogsSnapshot
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_objects import Object, Objects, metadata, named
from alphapulse_tui.sources.moments import unix
from alphapulse_tui.text import clean, clean_lines

MOST_PODS = 6
TAIL = 300
"""Lines of each pod."""

SINCE = 600
"""Seconds: older complaints belong to another incident."""

MOST_GROUPS = 30

_COMPLAINT = re.compile(
    r"""
    (?i:  # Any of these words, but "no error", "0 error(s)", "non-fatal", "error=nil" and an empty "error" of JSON.
        (?<!\bno\ )(?<!\b0\ )(?<!\bnon-)(?<!without\ )
        \b(?:error|exception|traceback|fatal|panic|critical)\b
        (?!["']?\s*[=:]\s*(?:0\b|no\b|none\b|null\b|<?nil\b|false\b|""|''))
    )
    | \b\w+(?:Error|Exception)\b  # The name of one: OperationalError.
    | (?i:\b(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?(?:err|crit|alert|emerg|emergency)\b)  # A level cut short.
    """,
    re.VERBOSE,
)
_VARIES = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\s*")


class LogsSource(Source[LogsSnapshot]):
    """One Deployment's pods."""

    target = "api-logs"
    interval = 10.0
    deadline = 9.0

    def __init__(self, kubeconfig: str, context: str, namespace: str, app: str = "api") -> None:
        self._objects = Objects(kubeconfig, context, namespace)
        self._app = app

    async def read(self) -> LogsSnapshot:
        """List the pods, read the last lines of some."""
        objects = self._objects
        objects.begin()
        here = f"in namespace {clean(objects.namespace)}"
        deployment = await objects.read(
            objects.path("/apis/apps/v1", "deployments", self._app), f"apps deployments: get {here}"
        )
        listed = await objects.read(
            objects.path("/api/v1", "pods"),
            f"pods: list {here}",
            {"labelSelector": selector_of(deployment), "limit": "500"},
        )
        pods = sorted(listed.get("items") or [], key=_unready_first)[:MOST_PODS]
        logs = await asyncio.gather(*(self._log(pod, f"pods/log: get {here}") for pod in pods))
        read = [(named(pod), log) for pod, log in zip(pods, logs, strict=True) if log is not None]
        if pods and not read:
            raise Unreachable("; ".join(objects.missing) or "no log could be read")
        return LogsSnapshot(grouped(read), sum(len(log) for _, log in read), len(read), tuple(objects.missing))

    def judge(self, snapshot: LogsSnapshot) -> tuple[Finding, ...]:  # noqa: ARG002 - a complaint is evidence, not a verdict
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._objects.close()

    async def _log(self, pod: Object, grant: str) -> list[str] | None:
        container = next(
            (str(one.get("name")) for one in (pod.get("spec") or {}).get("containers") or [] if one.get("name")), ""
        )
        query = {
            "container": container,
            "tailLines": str(TAIL),
            "sinceSeconds": str(SINCE),
            "timestamps": "true",
            "limitBytes": "524288",
        }
        path = f"{self._objects.path('/api/v1', 'pods', str(metadata(pod).get('name', '')))}/log"
        try:
            body = await self._objects.text(path, grant, query)
        except SourceProblem as problem:
            self._objects.missing.append(f"{named(pod)}: {clean(problem, 200)}")
            return None
        return clean_lines(body)


def grouped(logs: Sequence[tuple[str, Sequence[str]]]) -> tuple[LogGroup, ...]:
    """The complaints, those that differ only in numbers and time together, most often first."""
    found: dict[str, LogGroup] = {}
    for pod, lines in logs:
        for line in lines:
            if not _COMPLAINT.search(line):
                continue
            stamp, _, rest = line.partition(" ")
            text = clean(redact(_STAMP.sub("", rest or line)), 512)
            key = _VARIES.sub("#", text)
            before = found.get(key)
            pods = before.pods if before else ()
            moments = [moment for moment in (before.last_at if before else None, unix(stamp)) if moment is not None]
            found[key] = LogGroup(
                text,
                (before.count if before else 0) + 1,
                pods if pod in pods else (*pods, pod),
                max(moments, default=None),
            )
    return tuple(sorted(found.values(), key=lambda group: (-group.count, group.text))[:MOST_GROUPS])


def _unready_first(pod: Mapping[str, Any]) -> tuple[bool, str]:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready, str(metadata(pod).get("name", ""))
