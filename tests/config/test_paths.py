from __future__ import annotations

import socket
from pathlib import Path

import pytest

from alphapulse_tui.config import paths
from alphapulse_tui.errors import CannotCreateError, ConfigError
from tests.empty_home import without_home


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_the_usual_places(home: Path) -> None:
    assert paths.config_file() == home / ".config" / "alphapulse" / "alphapulse.toml"
    assert paths.journal_file("lab") == home / ".local" / "state" / "alphapulse" / "lab" / "journal.sqlite"
    assert paths.log_file() == home / ".local" / "state" / "alphapulse" / "alphapulse.log"


def test_one_variable_moves_everything_that_we_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LONGEST_SOCKET_PATH", 1000)  # pytest's own folders are long
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path / "s"))
    assert paths.journal_file("lab") == tmp_path / "s" / "lab" / "journal.sqlite"
    assert paths.log_file().parent == tmp_path / "s"
    assert paths.runtime_folder() == tmp_path / "s" / "run"


def test_sockets_are_in_the_runtime_folder_for_us_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LONGEST_SOCKET_PATH", 1000)  # pytest's own folders are long
    for unusable in (tmp_path / "gone", Path("/", "x" * 300)):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(unusable))
        assert paths.runtime_folder() == paths.state_folder() / "run"
    runtime = tmp_path / "xdg"
    (runtime / "alphapulse").mkdir(parents=True, mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert paths.runtime_folder() == runtime / "alphapulse"
    assert mode(runtime / "alphapulse") == 0o700


def test_a_folder_too_long_for_a_socket_is_replaced_by_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAPULSE_STATE", str(tmp_path / ("long" * 40)))
    folder = paths.runtime_folder()
    try:
        assert mode(folder) == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / ("x" * paths.LONGEST_SOCKET_NAME)))
        assert paths.runtime_folder() == folder
    finally:
        (folder / ("x" * paths.LONGEST_SOCKET_NAME)).unlink(missing_ok=True)
        folder.rmdir()


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreateError, match=r"cannot make the folder .*: File exists; ALPHAPULSE_STATE can name"):
        paths.private_folder(tmp_path / "file")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(CannotCreateError, match="is not a folder of ours"):
        paths.private_folder(tmp_path / "link")
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(CannotCreateError, match="is not a folder of ours"):
        paths.private_folder(tmp_path / "real")


def test_without_a_home_folder_one_sentence_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_home(monkeypatch)
    for place in (paths.config_file, paths.procedures_folder, paths.state_folder, paths.log_file):
        with pytest.raises(ConfigError, match=r"^no home folder: set HOME, or ALPHAPULSE_CONFIG and ALPHAPULSE_STATE$"):
            place()
    monkeypatch.setenv(paths.CONFIG_VARIABLE, str(tmp_path / "a.toml"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path))
    assert paths.procedures_folder() == tmp_path / "procedures"
    assert paths.log_file() == tmp_path / "alphapulse.log"
    assert paths.home_folder() == Path("/")
