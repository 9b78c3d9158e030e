"""Pods die with the lab, whoever is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Any

import psutil
import pytest

from alphapulse_tui.lab.launch import launch
from tests.lab.test_life import lives
from tests.lab_handle import LabHandle, new_directory, processes_below
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(180)]


@pytest.mark.parametrize("victim", ["daemon", "warden"])
def test_no_pod_outlives_a_killed_lab(victim: str) -> None:
    directory = new_directory()
    warden = launch(directory, tied=True)
    lab = LabHandle(directory)
    lab.wait("kubernetes", "api", timeout=90.0)
    processes = processes_below(warden.pid)
    ports = {port for process in processes for port in listening(process.net_connections("tcp"))}
    names = {one.name for one in lab.status().processes if one.state == "running"}
    assert {"kube-apiserver", "redis-cluster-5", "vault-0", "edge"} <= names
    assert sum(name.startswith("api-") for name in names) == 3
    assert len(ports) > 25

    os.kill(lab.status().pid if victim == "daemon" else warden.pid, signal.SIGKILL)
    warden.wait(15)

    def living() -> list[psutil.Process]:
        return [one for one in processes if lives(one)]

    wait_until(lambda: not living(), 10, "every process to be gone")
    assert not listening(psutil.net_connections("tcp")) & ports
    directory.remove()


def listening(connections: Iterable[Any]) -> set[int]:
    """The ports among psutil's connections that somebody listens on."""
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
