"""Follow the log of one container: a bounded buffer, and the next run taken up where a container ends and starts again.

Read raw, line by line; every line is cleaned and redacted before it is kept. An open stream that says nothing is alive, so the snapshot is told
again every interval. The previous run cannot grow: it is read again now and then, because a crash loop makes another one of it. Made by
``Session.read_log``, as long as somebody looks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.pod_log import LogLine, PodLog
from alphapulse_tui.redact import redact
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_link import Gone, Link
from alphapulse_tui.sources.moments import unix
from alphapulse_tui.text import clean, clean_lines

KEPT = 5000
"""Lines; at 200 bytes each 1 MB."""

TAIL = 500
"""Lines of the past that are asked for."""

COALESCE = 0.2
"""Seconds between two publications at least: a log of 10,000 lines a second is not 10,000 repaints."""

SILENCE = 3600.0
"""Seconds without a line after which the stream is opened anew."""

LINE = 4096
"""UTF-8 bytes of a line that are kept."""


class PodLogSource(Source[PodLog]):
    """One container's present log, or the one of its run before."""

    target = "pod-log"
    interval = 5.0
    deadline = 5.0

    def __init__(
        self, kubeconfig: str, context: str, namespace: str, pod: str, container: str = "", *, previous: bool = False
    ) -> None:
        self._link = Link(kubeconfig, context)
        self._namespace = namespace
        self._pod = pod
        self._container = container
        self._previous = previous
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._count = 0
        self._last = 0.0
        self._note = ""
        self._grew = asyncio.Event()

    async def read(self) -> PodLog:
        """The last lines, once."""
        query = self._query() | {"limitBytes": str(4 * 1024 * 1024)}
        try:
            body = await self._link.get(self._path(), self._grant(), query)
        except (SourceProblem, Gone) as problem:
            if not self._previous or "not found" not in str(problem):
                raise _told(problem) from None
            self._note = "it has not run before: there is no previous log"
            return self._snapshot()
        self._lines.clear()
        self._count, self._last, self._note = 0, 0.0, ""
        for line in clean_lines(body):
            self._take(line)
        return self._snapshot()

    async def follow(self, publish: Callable[[PodLog], None]) -> None:
        """The present log as it grows; a run before is read again every interval."""
        if self._previous:
            await super().follow(publish)
            return
        publish(self._snapshot())
        telling = asyncio.create_task(self._tell(publish))
        try:
            while True:
                await self._stream()
                self._note = "the container ended; waiting for its next run"
                self._grew.set()
                await asyncio.sleep(2.0)
        finally:
            telling.cancel()

    def judge(self, snapshot: PodLog) -> tuple[Finding, ...]:  # noqa: ARG002 - a log is read by people
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._link.close()

    async def _stream(self) -> None:
        """One open stream, until the container ends. What was read before is not read again."""
        query = self._query() | {"follow": "true"}
        if self._last:
            query |= {"sinceTime": datetime.fromtimestamp(int(self._last), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        before = self._last
        try:
            async for raw in self._link.watch(self._path(), self._grant(), query, SILENCE):
                self._note = ""
                for line in clean_lines(raw):
                    self._take(line, after=before)
        except Gone as gone:
            raise _told(gone) from None

    def _take(self, line: str, after: float = 0.0) -> None:
        stamp, _, text = line.partition(" ")
        at = unix(stamp)
        if at is None:
            text = line
        elif at <= after:
            return
        else:
            self._last = max(self._last, at)
        self._count += 1
        self._lines.append(LogLine(self._count, at, clean(redact(text), LINE)))
        self._grew.set()

    async def _tell(self, publish: Callable[[PodLog], None]) -> None:
        """Publish what came, a few times a second; what did not change, every interval."""
        while True:
            try:
                async with asyncio.timeout(self.interval):
                    await self._grew.wait()
            except TimeoutError:
                pass
            self._grew.clear()
            publish(self._snapshot())
            await asyncio.sleep(COALESCE)

    def _snapshot(self) -> PodLog:
        return PodLog(
            clean(self._pod, 256),
            clean(self._container, 128),
            self._previous,
            tuple(self._lines),
            self._count - len(self._lines),
            self._note,
        )

    def _query(self) -> dict[str, str]:
        query = {"tailLines": str(TAIL), "timestamps": "true"}
        if self._container:
            query["container"] = self._container
        return query | ({"previous": "true"} if self._previous else {})

    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods/{self._pod}/log"

    def _grant(self) -> str:
        return f"pods/log: get in namespace {clean(self._namespace)}"


def _told(problem: Exception) -> SourceProblem:
    return problem if isinstance(problem, SourceProblem) else Unreachable("the log is no longer kept")
