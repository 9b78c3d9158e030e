from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest

from alphapulse_tui import __version__, exits
from alphapulse_tui.cli import main
from alphapulse_tui.cli.lazy import LazyCommand
from alphapulse_tui.config import paths
from alphapulse_tui.config.secret import Secret
from alphapulse_tui.errors import AlphaPulseError, RefusedError
from alphapulse_tui.exits import ExitCode
from tests.cli.program import alphapulse
from tests.empty_home import without_home


def test_the_version_goes_to_stdout() -> None:
    assert alphapulse("--version") == (0, f"alphapulse {__version__}\n", "")


def test_help_lists_every_command_without_importing_one() -> None:
    code, out, err = alphapulse("--help")
    assert (code, err) == (0, "")
    for name, command in main.COMMANDS.items():
        assert f"{name}  " in out
        assert command.summary in out


USAGE = [
    (["sttus"], 'no command "sttus"; did you mean "status"? (see `alphapulse --help`)'),
    (
        ["\x1b[2J"],
        'no command "\\x1b[2J"; there are status, incident, runbook, act, config, lab, demo (see `alphapulse --help`)',
    ),
    (
        ["--profil"],
        "No such option '--profil'. (Did you mean one of: '--config', '--profile'?) (see `alphapulse --help`)",
    ),
    (["config", "shw"], "No such command 'shw'"),
    (["config", "show", "x"], "Got unexpected extra argument (x) (see `alphapulse config show --help`)"),
    (["--profile"], "Option '--profile' requires an argument (see `alphapulse --help`)"),
]


@pytest.mark.parametrize(("arguments", "sentence"), USAGE)
def test_a_wrong_call_gets_one_sentence_and_64(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"alphapulse: {sentence}")
    assert err.count("\n") == 1


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> click.Group:
    """A group of commands that fail, as one of the root's own."""
    group = click.Group("trouble")
    monkeypatch.setattr(main.root, "lazy_commands", {"trouble": LazyCommand(f"{__name__}:TROUBLE", "")})
    monkeypatch.setattr(f"{__name__}.TROUBLE", group)
    return group


TROUBLE: click.Command = click.Command("trouble")


def run_raising(group: click.Group, error: BaseException) -> int:
    @group.command("now")
    def now() -> None:
        raise error

    return main.run(["trouble", "now"])


def test_an_error_of_ours_is_its_sentence_and_its_code(
    command: click.Group, capsys: pytest.CaptureFixture[str]
) -> None:
    Secret("hunter2hunter2")
    assert run_raising(command, RefusedError("read-only: hunter2hunter2\nwas \x1b[2J used")) == ExitCode.REFUSED
    assert capsys.readouterr().err == "alphapulse: read-only: (redacted) was \\x1b[2J used\n"


def test_a_mistake_of_ours_is_one_sentence_and_its_traceback_is_in_the_log(
    command: click.Group, capsys: pytest.CaptureFixture[str]
) -> None:
    Secret("hunter2hunter2")
    assert run_raising(command, ZeroDivisionError("hunter2hunter2 \x1b]52;")) == ExitCode.CRASHED
    out, err = capsys.readouterr()
    log = paths.log_file()
    assert (out, err) == ("", f"alphapulse: crashed: ZeroDivisionError: (redacted) \\x1b]52;; details in {log}\n")
    text = log.read_text()
    assert "Traceback" in text
    assert "raise error" in text
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_mistake_of_ours_when_the_log_cannot_be_written(
    command: click.Group, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".local").write_text("")
    assert run_raising(command, KeyError("x")) == ExitCode.CRASHED
    err = capsys.readouterr().err
    assert err.startswith("alphapulse: crashed: KeyError: 'x'; the log cannot be written: cannot make the folder ")
    assert err.count("\n") == 1


HOMELESS = "no home folder: set HOME, or ALPHAPULSE_CONFIG and ALPHAPULSE_STATE"


def test_a_mistake_of_ours_without_a_home_folder(
    command: click.Group, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_home(monkeypatch)
    assert run_raising(command, KeyError("x")) == ExitCode.CRASHED
    assert capsys.readouterr().err == f"alphapulse: crashed: KeyError: 'x'; the log cannot be written: {HOMELESS}\n"


def test_without_a_home_folder_two_variables_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_home(monkeypatch)
    assert main.run(["status"]) == ExitCode.BAD_CONFIG
    assert capsys.readouterr().err == f"alphapulse: {HOMELESS}\n"
    (tmp_path / "a.toml").write_text("[profiles.a.postgres]\nprimary = { host = 'h' }\n[profiles.a.vault]\n"
                                     "nodes = [{ name = 'v', address = 'http://h' }]\n")  # fmt: skip
    monkeypatch.setenv(paths.CONFIG_VARIABLE, str(tmp_path / "a.toml"))
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path / "state"))
    for arguments in (["config", "show"], ["runbook", "list"], ["incident", "list"]):
        assert main.run(arguments) == ExitCode.OK


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c(command: click.Group, error: BaseException) -> None:
    assert run_raising(command, error) == ExitCode.INTERRUPTED


def test_what_a_command_returns_is_the_exit_code(command: click.Group) -> None:
    command.add_command(click.Command("now", callback=lambda: ExitCode.UNKNOWN))
    assert main.run(["trouble", "now"]) == ExitCode.UNKNOWN
    command.add_command(click.Command("now", callback=lambda: None))
    assert main.run(["trouble", "now"]) == ExitCode.OK


def test_a_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needs_lab.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(main.root, "lazy_commands", {"demo": LazyCommand("needs_lab:demo", "")})
    assert main.run(["demo"]) == ExitCode.UNAVAILABLE
    assert capsys.readouterr().err.startswith(
        "alphapulse: the Python package no_such_library_at_all is missing; pip install "
    )


def test_without_a_command_the_cockpit_opens_on_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\n[profiles.b]\n")
    opened: list[object] = []

    def cockpit(profile: object, **options: object) -> int:
        opened.extend((profile, options))
        return 143

    monkeypatch.setattr(main, "load_attribute", {main.COCKPIT: cockpit}.__getitem__)
    assert main.run(["--config", str(file), "--profile", "b", "--read-only"]) == ExitCode.TERMINATED
    assert getattr(opened[0], "name", None) == "b"
    assert opened[1] == {"config": str(file), "read_only": True, "ascii_only": False}
    opened.clear()
    assert main.run(["--config", str(file), "--profile", "c"]) == ExitCode.BAD_CONFIG
    assert opened == []
    assert capsys.readouterr().err == f'alphapulse: {file} has no profile "c"; there are a, b\n'


def test_every_exit_code_is_documented_and_every_error_has_one() -> None:
    tree = ast.parse(inspect.getsource(exits))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    documented = {
        assign.targets[0].id
        for assign, doc in pairwise(body)
        if isinstance(assign, ast.Assign) and isinstance(assign.targets[0], ast.Name) and isinstance(doc, ast.Expr)
    }
    assert documented == set(ExitCode.__members__)
    kinds = AlphaPulseError.__subclasses__()
    assert len(kinds) >= 6
    for kind in kinds:
        assert kind.exit_code is not ExitCode.CRASHED, kind


@pytest.mark.parametrize("arguments", [["--help"], ["config", "--help"], ["config", "show", "--json"]])
def test_an_early_end_of_the_reader_is_no_complaint(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\n")
    command = [sys.executable, "-m", "alphapulse_tui", "--config", str(file), *arguments]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, b"")


@pytest.mark.parametrize("arguments", [["--help"], ["config", "show"]])
def test_an_output_that_cannot_be_written(arguments: list[str]) -> None:
    code, _, err = alphapulse(*arguments, shell_tail="> /dev/full")
    assert code == ExitCode.CANNOT_CREATE
    assert err.splitlines()[-1] == "alphapulse: the output cannot be written: No space left on device"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["config", "show"], ExitCode.OK), (["nosuch"], ExitCode.USAGE), (["--help"], ExitCode.OK)]
)
@pytest.mark.parametrize("tail", ["2>/dev/full", "2>&-"])
def test_where_stderr_takes_nothing_data_and_code_still_come(arguments: list[str], code: ExitCode, tail: str) -> None:
    left, out, _ = alphapulse(*arguments, shell_tail=tail)
    assert (left, bool(out)) == (code, code is ExitCode.OK)


BARE = [
    ("<&-", {}),
    ("<&- >&-", {}),
    ("<&- >&- 2>&-", {}),
    ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ("", {"TERM": "dumb", "LANG": "xx_XX.bogus"}),
    ("", {"HOME": "/nonexistent"}),
]


@pytest.mark.parametrize(("tail", "env"), BARE)
def test_a_bare_environment_is_no_reason_to_fail(tail: str, env: dict[str, str]) -> None:
    code, _, err = alphapulse("config", "show", env=env, shell_tail=tail)
    assert code == ExitCode.OK
    assert "Traceback" not in err


def test_a_folder_name_that_the_locale_cannot_write(tmp_path: Path) -> None:
    folder = tmp_path / "café"
    folder.mkdir()
    (folder / "a.toml").write_text("[profiles.a]\n", "utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, out, err = alphapulse("--config", os.fspath(folder / "a.toml"), "config", "show", env=env)
    assert (code, err) == (0, "")
    assert out.startswith("profile a (")


@pytest.mark.parametrize("arguments", [["config", "show", "--json"], ["status", "--json"]])
def test_json_stays_json_in_every_encoding(arguments: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "日本 café"
    folder.mkdir()
    (folder / "a.toml").write_text("[profiles.a]\nkubernetes = { kubeconfig = 'nowhere \U0001f631' }\n", "utf-8")
    env = {"PYTHONIOENCODING": "latin-1", "ALPHAPULSE_CONFIG": str(folder / "a.toml")}
    _, out, _ = alphapulse(*arguments, env=env)
    assert json.loads(out)["profile"] == "a"
    assert "nowhere \U0001f631" in json.dumps(json.loads(out), ensure_ascii=False)
