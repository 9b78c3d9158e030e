"""Twenty starts and stops in a row, five of them ended by ``kill -9``, leave no process, no port and no directory."""

from __future__ import annotations

import os
import random
import signal

import psutil
import pytest

from alphapulse_tui.lab.launch import end, launch
from tests.lab.test_life import listening, lives, postgres_segment, shared_memory
from tests.lab_handle import LabHandle, new_directory, processes_below
from tests.waiting import wait_until

LIVES, KILLED = 20, 5
SEED = 20261127

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("only", [("postgres", "standins"), ()], ids=["two targets", "the whole lab"])
def test_twenty_lives(only: tuple[str, ...]) -> None:
    chance = random.Random(SEED)
    killed = set(chance.sample(range(LIVES), KILLED))
    directory, segments = new_directory(), set()
    for life in range(LIVES):
        warden = launch(directory, only=only)
        lab = LabHandle(directory)
        lab.wait(timeout=300.0)
        processes = processes_below(warden.pid)
        ports = {port for one in processes for port in listening(one.net_connections("tcp"))}
        assert ports
        segments |= {postgres_segment(directory, server) for server in ("postgres-primary", "postgres-replica-0")}
        if life in killed:
            victim = chance.choice([lab.status().pid, warden.pid])
            os.kill(victim, signal.SIGKILL)
        else:
            end(directory)
        warden.wait(15)

        def left() -> list[psutil.Process]:
            return [one for one in processes if lives(one)]  # noqa: B023 - used at once

        wait_until(lambda: not left(), 10, f"every process of life {life} to be gone")
        assert not ports & set(listening(psutil.net_connections("tcp"))), f"life {life}"
        assert not directory.is_locked()
    directory.remove()
    assert not directory.root.exists()
    assert segments.isdisjoint(shared_memory())
