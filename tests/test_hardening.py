from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, os, resource, sys
from alphapulse_tui.hardening import harden_process
harden_process()
mask = os.umask(0)
dumpable = __import__("ctypes").CDLL(None).prctl(3, 0, 0, 0, 0)
names = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
text = json.dumps([mask, resource.getrlimit(resource.RLIMIT_CORE), dumpable, sorted(os.environ), names])
open(sys.argv[1], "w").write(text)
"""


@pytest.fixture
def hardened(tmp_path: Path) -> list[object]:
    """umask, core limits, dumpable, variables and the first three descriptors of a process started with all of them closed."""
    environment = {**os.environ, "TEXTUAL_LOG": "/tmp/log", "TEXTUAL_DRIVER": "evil:Driver", "TEXTUAL_FPS": "30"}
    command = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", PROBE, str(tmp_path / "found")]
    subprocess.run(command, env=environment, check=True, timeout=30)
    found: list[object] = json.loads((tmp_path / "found").read_text())
    return found


def test_nothing_leaves_the_process_by_accident(hardened: list[object]) -> None:
    umask, core, dumpable, variables, descriptors = hardened
    assert (umask, core, dumpable) == (0o077, [0, 0], 0)
    assert isinstance(variables, list)
    assert {"TEXTUAL_LOG", "TEXTUAL_DRIVER"} & set(variables) == set()
    assert "TEXTUAL_FPS" in variables
    assert descriptors == ["/dev/null"] * 3
