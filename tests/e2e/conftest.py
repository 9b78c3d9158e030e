"""What every end-to-end test starts from: the whole platform with nothing broken, and a state folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.cockpit import processes_of
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle

__all__ = ["kubectl"]


@pytest.fixture
def platform(whole_lab: LabHandle, kubectl: Kubectl) -> LabHandle:
    """The lab with every target ready and nothing broken, before and after."""
    whole_lab.wait(timeout=600.0)
    return whole_lab


@pytest.fixture
def state() -> Iterator[Path]:
    """An empty state folder with a path that is short enough for sockets; whoever still lives on it is ended with it."""
    folder = Path(tempfile.mkdtemp(prefix="apstate-"))
    yield folder
    left = processes_of(folder)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)
    shutil.rmtree(folder)
