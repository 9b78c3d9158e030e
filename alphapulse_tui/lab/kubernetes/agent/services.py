"""What every pod of the node shares: one object instead of eight parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alphapulse_tui.lab.kubernetes.agent.events import Events
from alphapulse_tui.lab.kubernetes.agent.probes import Prober
from alphapulse_tui.lab.kubernetes.client import KubeApi, Object
from alphapulse_tui.lab.kubernetes.images import Images
from alphapulse_tui.lab.process import Supervisor

_KEPT_LOGS = 2


@dataclass(frozen=True, slots=True)
class Services:
    """The node's means."""

    api: KubeApi
    supervisor: Supervisor
    images: Images
    events: Events
    prober: Prober
    logs: Path
    """The folder of the pods' logs, one folder a pod."""

    def log_path(self, pod: Object, container: str, run: int) -> Path:
        """The file for one run of a container; of the runs before it only the last is kept, as the kubelet does."""
        metadata = pod["metadata"]
        folder = self.logs / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        old = folder / f"{container}-{run - _KEPT_LOGS}.log"
        old.unlink(missing_ok=True)
        return folder / f"{container}-{run}.log"
