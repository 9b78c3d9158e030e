"""kubectl, unchanged: the independent client of the lab's Kubernetes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.lab import servers
from tests.lab_handle import LabHandle


class Kubectl:
    """Runs kubectl as one of the lab's users."""

    def __init__(self, program: Path, folder: Path, user: str = "oncall") -> None:
        self.program = program
        self._folder = folder
        self._user = user

    def as_user(self, user: str) -> Kubectl:
        """The same as ``admin``, ``oncall`` or ``viewer``."""
        return Kubectl(self.program, self._folder, user)

    def run(self, *words: str, stdin: str = "", timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """One command; its exit code is the caller's business."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._folder / f"{self._user}.kubeconfig"),
            "HOME": str(self._folder),
        }
        return subprocess.run(
            [self.program, *words],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *words: str, stdin: str = "", timeout: float = 60.0) -> str:
        """One command that must succeed; its output."""
        done = self.run(*words, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout.strip()

    def get(self, *words: str) -> Any:
        """``kubectl get ... -o json``."""
        return json.loads(self("get", *words, "-o", "json"))

    def pods(self, app: str) -> list[Any]:
        """Pods of an app that nobody has told to go."""
        return [
            pod for pod in self.get("pods", "-l", f"app={app}")["items"] if "deletionTimestamp" not in pod["metadata"]
        ]

    def ready(self, app: str) -> list[str]:
        """Names of an app's ready pods."""
        return [pod["metadata"]["name"] for pod in self.pods(app) if _is_ready(pod)]

    def container(self, pod: str) -> Any:
        """The status of a pod's only container; none before there is one."""
        statuses = self.get("pod", pod).get("status", {}).get("containerStatuses")
        return statuses[0] if statuses else None


def _is_ready(pod: Any) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


@pytest.fixture(scope="session")
def kubectl(lab: LabHandle) -> Kubectl:
    """kubectl from the PATH, else built, on the lab's cluster with every pod ready."""
    lab.wait("kubernetes", "api", timeout=900.0)
    on_path = shutil.which("kubectl")
    program = Path(on_path) if on_path else asyncio.run(servers.ensure(["kubectl"], lambda step: None))["kubectl"]
    return Kubectl(program, lab.directory / "kubernetes")
