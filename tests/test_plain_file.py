"""Files that somebody named: what is no plain file is refused or read for a moment only, never waited for."""

from __future__ import annotations

import os
import pty
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.kubernetes_apply import read_manifest
from alphapulse_tui.config.discover.kubernetes import contexts
from alphapulse_tui.config.discover.postgres import read_service
from alphapulse_tui.config.load import read_profile_file
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.plain_file import read_plain, read_soon
from alphapulse_tui.runbook.load import load_procedure
from alphapulse_tui.runbook.names import procedure_name


def test_a_plain_file_is_read_to_its_end_or_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    for read in (read_plain, read_soon):
        assert read(file, 1000) == b"x" * 100
        assert read(file, 10) == b"x" * 11
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none", 10)
        with pytest.raises(IsADirectoryError):
            read(tmp_path, 10)


def test_what_is_no_plain_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe, not a file"):
        read_plain(tmp_path / "pipe", 10)
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_plain(Path("/dev/zero"), 10)
    master, slave = pty.openpty()
    try:
        with pytest.raises(OSError, match="it is a device, not a file"):
            read_plain(Path(os.ttyname(slave)), 10)
    finally:
        os.close(master)
        os.close(slave)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device or address"):
            read_plain(tmp_path / "socket", 10)


def test_a_pipe_is_waited_for_while_it_is_written_to_and_no_longer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_soon(pipe, 10) == b""  # Nobody writes.
    assert read_soon(Path("/dev/zero"), 10) == bytes(11)
    keeper = os.open(pipe, os.O_RDWR)
    try:
        os.write(keeper, b"half")
        with pytest.raises(TimeoutError, match=r"did not end within 0\.1 s"):
            read_soon(pipe, 10, 0.1)
    finally:
        os.close(keeper)

    def write() -> None:
        with pipe.open("wb") as end:
            end.write(b"whole")

    keeper = os.open(pipe, os.O_RDWR)  # So that it never looks as if nobody wrote.
    writing = threading.Thread(target=write)
    writing.start()
    threading.Timer(0.3, os.close, (keeper,)).start()
    assert read_soon(pipe, 10) == b"whole"
    writing.join()


def service(file: Path) -> object:
    os.environ["PGSERVICEFILE"] = str(file)
    return read_service("any")


@pytest.mark.parametrize(
    "read",
    [load_procedure, lambda file: contexts(str(file)), service, lambda file: read_manifest(str(file), "alphapulse")],
    ids=["procedure", "kubeconfig", "service file", "manifest"],
)
def test_no_file_of_the_users_own_is_waited_for(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", "")
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(
        (AlphaPulseError, ActionProblem), match=r"pipe\.yaml.* cannot be read: it is a pipe, not a file"
    ):
        read(pipe)
    assert procedure_name(pipe) == ""


def test_a_profile_file_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphapulse_tui.config.load.PATIENCE", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keeper = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(AlphaPulseError, match="cannot be read: it is no plain file, and did not end within"):
            read_profile_file(pipe)
    finally:
        os.close(keeper)
