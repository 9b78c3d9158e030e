"""Who may do what in the lab's cluster: the manifests of ``deploy/privileges/kubernetes``, as a platform team would apply them."""

from __future__ import annotations

import yaml

from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.privileges import privileges


def objects() -> list[Object]:
    """Every object of every file, by file name."""
    files = sorted(privileges("kubernetes").glob("*.yaml"))
    return [item for file in files for item in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
