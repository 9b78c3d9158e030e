"""The lab's real logs for the stand-ins of Loki and Sentry: every file that a pod or a server of the lab writes, with the time of each line.

The programs put no time into their lines, so that of a line is when its file was seen to have grown (:data:`LOOK_SECONDS` exact); what was
there before this process looked for the first time counts as written then.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab.kubernetes.agent.logs import ContainerLog, LogQuestion

LOOK_SECONDS = 1.0
NAMESPACE = "alphapulse"
_ORDINAL = re.compile(r"-\d+$")


@dataclass(frozen=True, slots=True)
class Stream:
    """One file with the labels that a log shipper would give it."""

    labels: dict[str, str]
    """``namespace``, ``pod`` and ``container``; a server that is no pod has its process's name for both."""
    log: ContainerLog


class LabLogs:
    """Every log of one lab."""

    def __init__(self, directory: Path) -> None:
        self._servers = directory / "logs"
        self._pods = directory / "kubernetes" / "logs"
        self._streams: dict[Path, Stream] = {}

    async def keep_looking(self) -> None:
        """Note for ever how the files grow."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Note once, and find files that are new or gone."""
        found = dict(self._files())
        for path, labels in found.items():
            self._streams.setdefault(path, Stream(labels, ContainerLog(path))).log.mark(time.time())
        for path in self._streams.keys() - found.keys():
            del self._streams[path]

    def streams(self) -> list[Stream]:
        """All there are now, looked at anew."""
        self.look()
        return list(self._streams.values())

    def _files(self) -> Iterator[tuple[Path, dict[str, str]]]:
        for path in self._servers.glob("*.log"):
            yield path, {"namespace": NAMESPACE, "pod": path.stem, "container": _ORDINAL.sub("", path.stem)}
        for path in self._pods.glob("*/*.log"):
            namespace, pod, _uid = path.parent.name.split("_")
            yield path, {"namespace": namespace, "pod": pod, "container": _ORDINAL.sub("", path.stem)}


def lines(stream: Stream, since: float) -> Iterator[tuple[int, str]]:
    """``(nanoseconds since 1970, line)`` of what was written at or after ``since`` (Unix seconds), oldest first."""
    if not stream.log.size():
        return
    text, _end = stream.log.read(LogQuestion(since=since, timestamps=True), time.time())
    for line in text.decode(errors="replace").splitlines():
        stamp, _, said = line.partition(" ")
        # A line break inside of splitlines' alphabet (a form feed) leaves a rest without a time of its own.
        if stamp.endswith("Z") and stamp[:1].isdigit():
            moment = datetime.datetime.fromisoformat(stamp)
            yield round(moment.timestamp() * 1_000_000) * 1000, said
