"""The lab's directory: whose it is, what is kept, which ports and secrets it gives."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from alphapulse_tui.lab.directory import (
    Credentials,
    LabDirectory,
    default_directory,
    passable,
    reachable,
    temporary_folder,
    write_private,
)
from alphapulse_tui.lab.errors import DirectoryBusyError, LabError
from alphapulse_tui.lab.ports import Ports
from alphapulse_tui.lab.spec import Account


def test_a_strangers_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LabError, match="not empty and not a lab's directory"):
        LabDirectory(tmp_path).prepare()
    LabDirectory(tmp_path).remove()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_data_goes_and_ports_and_secrets_stay(tmp_path: Path) -> None:
    place = LabDirectory(tmp_path / "lab")
    place.prepare()
    port = Ports(place.root / "ports.json")["redis-cluster-0"]
    password = Credentials(place.root / "secrets").password("redis-oncall")
    place.data("redis", "0").joinpath("nodes.conf").write_text("old")
    place.prepare()
    assert not (place.root / "redis").exists()
    assert Ports(place.root / "ports.json")["redis-cluster-0"] == port
    assert Credentials(place.root / "secrets").password("redis-oncall") == password
    assert stat.S_IMODE((place.root / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((place.root / "secrets" / "redis-oncall").stat().st_mode) == 0o600


def test_the_lock_is_held_once_and_released_by_closing(tmp_path: Path) -> None:
    place = LabDirectory(tmp_path / "lab")
    assert not place.is_locked()
    held = place.lock()
    assert place.is_locked()
    with pytest.raises(DirectoryBusyError, match=f"process {os.getpid()} since"):
        place.lock()
    os.close(held)
    assert not place.is_locked()


def test_a_closed_or_long_temporary_folder_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 10)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert temporary_folder(None) == Path("/tmp")
    closed = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(closed))
    assert temporary_folder(None) == closed
    assert temporary_folder(Account("stranger", 65534, 65534)) == Path("/tmp")
    closed.rmdir()


def test_a_socket_path_is_always_short_enough(tmp_path: Path) -> None:
    deep = LabDirectory(tmp_path / ("deep" * 30))
    assert deep.control_socket.parent != deep.root
    assert len(os.fsencode(deep.control_socket)) < 100
    assert LabDirectory(Path("/tmp/lab")).control_socket == Path("/tmp/lab/control.sock")


def test_what_an_account_can_reach(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    program = home / "postgres"
    program.touch()
    program.chmod(0o755)
    stranger, owner = Account("nobody", 65534, 65534), Account("owner", os.getuid(), os.getgid())
    assert not reachable(program, stranger)
    assert not passable(home, stranger)
    assert reachable(program, owner) or os.getuid() != home.stat().st_uid
    assert passable(Path("/"), stranger)


def test_the_directory_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAPULSE_LAB_DIRECTORY", "/somewhere/else")
    assert default_directory() == Path("/somewhere/else")
    monkeypatch.delenv("ALPHAPULSE_LAB_DIRECTORY")
    assert default_directory().name == f"alphapulse-lab-{os.getuid()}"


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match=r"file/lab cannot be used as the lab's directory: Not a directory"):
        LabDirectory(tmp_path / "file" / "lab").lock()
    with pytest.raises(LabError, match=r"file/lab cannot be used as the lab's directory: Not a directory"):
        LabDirectory(tmp_path / "file" / "lab").is_locked()


def test_a_full_disk_is_one_sentence_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = LabDirectory(tmp_path / "lab")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=12_000_000))
    with pytest.raises(
        LabError, match=r"Only 12 MB are free where .*/lab lies, and a lab needs \d+: free some, or name another"
    ):
        place.lock()
    assert list(place.root.iterdir()) == []
    monkeypatch.undo()
    os.close(place.lock())


def test_a_disk_that_fills_up_leaves_the_old_file_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ports.json"
    write_private(path, "old")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        LabError, match=r"ports\.json cannot be written: No space left on device: free some, or name another"
    ):
        write_private(path, "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("ports.json", "old")]
