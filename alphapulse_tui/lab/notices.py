"""Tells the cockpit how far each target has come: one small JSON file that the lab's profile names, renewed at every report.

The cockpit knows no lab; it only shows what stands there while a target does not answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.platform import Progress, TargetState

PANELS = {"prometheus": ("alerts", "platform"), "alertmanager": ("alerts",), "api": ("platform",), "s3": ()}
"""Which panels wait for a target whose name is not a panel's own; none waits for the backups."""


def write_notices(path: Path, progress: Iterable[Progress]) -> None:
    """Write ``{panel: sentence}`` for every target that is not ready; an empty object when all are."""
    said: dict[str, str] = {}
    for one in progress:
        if one.state is TargetState.READY:
            continue
        for panel in PANELS.get(one.name, (one.name,)):
            sentence = f"{one.name}: {one.state.value}: {one.sentence}"
            said[panel] = f"{said[panel]}; {sentence}" if panel in said else sentence
    write_private(path, json.dumps(said))
