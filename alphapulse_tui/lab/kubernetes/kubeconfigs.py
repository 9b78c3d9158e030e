"""Kubeconfig files: who may do what in the lab's cluster.

``admin`` may do everything (tests); ``oncall`` is what the cockpit's profile names: the smallest Role that its reads and fixes need;
``viewer`` may only look, so that denied actions can be seen. What they may stands in the files that :mod:`.access` applies.
"""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.kubernetes.pki import Pair, Pki

CLUSTER = "alphapulse-lab"


def write(folder: Path, server: str, pki: Pki, namespace: str) -> dict[str, Path]:
    """Write one file a user into ``folder``; returns user -> path."""
    pairs = {
        "admin": pki.admin,
        "oncall": pki.oncall,
        "viewer": pki.viewer,
        "controller-manager": pki.controller_manager,
    }
    paths = {}
    for user, pair in pairs.items():
        paths[user] = folder / f"{user}.kubeconfig"
        write_private(
            paths[user], yaml.safe_dump(_content(user, pair, server, pki.authority, namespace), sort_keys=False)
        )
    return paths


def _content(user: str, pair: Pair, server: str, authority: Path, namespace: str) -> dict[str, object]:
    """Certificates are embedded: the file can be copied, and works from every directory."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CLUSTER,
        "clusters": [
            {"name": CLUSTER, "cluster": {"server": server, "certificate-authority-data": _embedded(authority)}}
        ],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": user, "namespace": namespace}}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _embedded(pair.certificate),
                    "client-key-data": _embedded(pair.key),
                },
            }
        ],
    }


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
