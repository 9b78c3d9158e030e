"""The servers that are built from Go modules once: Kubernetes' control plane, etcd, Prometheus, Alertmanager.

:mod:`.catalogue` declares them, :mod:`.locate` finds what is there, :mod:`.build` builds what is missing into the user's cache. The folders
``kubernetes/``, ``prometheus/`` and ``alertmanager/`` hold one ``go.mod`` and ``go.sum`` each, which pin versions and hashes.
"""

from __future__ import annotations

from alphapulse_tui.lab.servers.build import Progress, ensure
from alphapulse_tui.lab.servers.catalogue import CONTROL_PLANE, MONITORING, SERVERS, Server
from alphapulse_tui.lab.servers.locate import Listed, listing

__all__ = ["CONTROL_PLANE", "MONITORING", "SERVERS", "Listed", "Progress", "Server", "ensure", "listing"]
