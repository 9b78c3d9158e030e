"""Where pods listen, as files: what Prometheus and the edge read (``file_sd``).

Kubernetes' own EndpointSlices cannot say it: they refuse loopback addresses. ``<app>.json`` names every running pod of an app (what to
scrape), ``ready/<app>.json`` only the ready ones (where to send requests). The labels become those of every metric of the pod: ``version`` is the
release, ``track`` tells a canary from the stable pods.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.kubernetes.agent.pod import PodWorker
from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS

APP_LABEL = "app"
TRACK_LABEL = "track"


class Discovery:
    """Keeps the files; writes one only when what it says has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[Path, str] = {}

    def update(self, pods: Iterable[PodWorker]) -> None:
        """Write what these pods say."""
        running: dict[str, list[dict[str, object]]] = {}
        ready: dict[str, list[dict[str, object]]] = {}
        for pod in sorted(pods, key=lambda one: one.name):
            app = pod.labels.get(APP_LABEL)
            launches = [
                container.launch for container in pod.containers if container.launch and "running" in container.state
            ]
            if app is None or not launches:
                continue
            labels = {"app": app, "namespace": pod.namespace, "pod": pod.name, "version": _version(pod)}
            if TRACK_LABEL in pod.labels:
                labels["track"] = pod.labels[TRACK_LABEL]
            entry: dict[str, object] = {"targets": [f"{ADDRESS}:{launches[0].port}"], "labels": labels}
            running.setdefault(app, []).append(entry)
            if pod.ready:
                ready.setdefault(app, []).append(entry)
        for path in self._written:
            # An app whose last pod is gone: an empty list, since Prometheus keeps the last content of a file that vanished.
            (ready if path.parent.name == "ready" else running).setdefault(path.stem, [])
        for folder, content in ((self._folder, running), (self._folder / "ready", ready)):
            for app, entries in content.items():
                self._write(folder / f"{app}.json", json.dumps(entries, indent=1))

    def _write(self, path: Path, text: str) -> None:
        if self._written.get(path) != text:
            write_private(path, text + "\n")
            self._written[path] = text


def _version(pod: PodWorker) -> str:
    """The tag of the first container's image."""
    return str(pod.containers[0].spec["image"]).rpartition(":")[2]
