from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alphapulse_tui.cli.main import run
from alphapulse_tui.config import paths
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.exits import ExitCode
from alphapulse_tui.model.thresholds import Thresholds
from tests.cli.program import alphapulse
from tests.empty_home import secret_file

CANARIES = [
    "canary-file-1",
    "canary-variable-2",
    "canary-service-3",
    "canary-helper-4",
    "canary-kube-5",
    "canary-aws-6",
]


def test_show_works_with_nothing_at_all() -> None:
    code, out, err = alphapulse("config", "show")
    assert code == ExitCode.OK
    assert out.startswith("profile default (no file: made of what the environment offers)\n")
    assert "vault" in out
    assert "not configured" in out
    assert err == (
        f"alphapulse: no configuration file ({paths.config_file()}); discovered: nothing; "
        "`alphapulse config init` makes a file\n"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alphapulse.toml"
    file.write_text(
        "[profiles.a]\n[profiles.a.postgres]\nprimary = { service = 'db' }\n"
        "replicas = [{ host = 'r', passfile = 'pgpass' }]\n"
        "[profiles.a.redis]\nnodes = [{ name = 'r', host = 'h' }]\n"
        "[profiles.a.vault]\nnodes = [{ name = 'v', address = 'http://h' }]\n"
        "[profiles.a.kubernetes]\n"
    )
    return file


@pytest.fixture
def canaries(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A secret in every place where one can be found."""
    secret_file(tmp_path / "pgpass", f"*:*:*:*:{CANARIES[0]}\n")
    monkeypatch.setenv("REDISCLI_AUTH", CANARIES[1])
    secret_file(home / ".pg_service.conf", f"[db]\nhost=db\npassword={CANARIES[2]}\n")
    helper = secret_file(home / "helper", f"#!/bin/sh\necho {CANARIES[3]}\n", 0o700)
    secret_file(home / ".vault", f'token_helper = "{helper}"\n')
    user = f"users: [{{name: u, user: {{token: {CANARIES[4]}}}}}]"
    context = "contexts: [{name: c, context: {cluster: k, user: u}}]"
    secret_file(home / ".kube" / "config", f"current-context: c\n{user}\n{context}\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARIES[5])
    return CANARIES


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_show_tells_where_every_login_comes_from_and_never_what_it_is(
    file: Path, home: Path, canaries: list[str], option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--config", str(file), "config", "show", *option]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    for source in (
        f"password file {file.parent}/pgpass line 1",
        "environment variable REDISCLI_AUTH",
        f"in {home}/.pg_service.conf line 1",
        f"token helper {home}/helper",
        f"token, context c in {home}/.kube/config",
        "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ):
        assert source in out
    assert [canary for canary in canaries if canary in out] == []


def test_show_as_json(file: Path, canaries: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", "--json", "--config", str(file), "--profile", "a"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert (shown["profile"], shown["file"], shown["notices"]) == ("a", str(file), [])
    settings = {row["key"]: (row["value"], row["origin"]) for row in shown["settings"]}
    assert settings["redis.nodes[0].port"] == (6379, "default")
    assert settings["redis.nodes[0].host"] == ("h", f"{file} line 6")
    assert settings["production"] == (False, "default")
    assert settings["api"] == (None, "not configured")
    assert settings["postgres.primary.host"][0] == "db"
    assert settings["postgres.primary.passfile"][0] is None
    assert [login["problem"] for login in shown["logins"]] == [None] * 6


def test_show_tells_which_login_cannot_be_used(
    file: Path, canaries: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "pgpass").chmod(0o644)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    assert run(["--config", str(file), "config", "show"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "not usable: password file" in out
    assert "has group or world access" in out
    assert "not usable: ended at 2020-01-01 00:00Z; log in again" in out


def test_show_cleans_and_redacts_what_was_pasted_into_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text('[profiles.a.contacts]\nL1 = { name = "\\u001b[2Jana", how = "password=hunter2hunter2" }\n')
    assert run(["--config", str(file), "config", "show"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "\\x1b[2Jana" in out
    assert "hunter2" not in out


def test_validate_prints_each_problem_and_exits_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\nx = 1\n[profiles.b]\ncolour = 2\n")
    assert run(["config", "validate", "--config", str(file)]) == ExitCode.BAD_CONFIG
    out, err = capsys.readouterr()
    assert [line.split(": ")[0] for line in out.splitlines()] == [f"{file} line 2", f"{file} line 4"]
    assert err == "alphapulse: 2 problems\n"
    file.write_text("[profiles.a]\n[profiles.b]\n")
    assert run(["config", "validate", "--config", str(file)]) == ExitCode.OK
    assert capsys.readouterr() == (f"{file}: 2 profiles, nothing wrong\n", "")


def test_validate_tells_of_every_key_that_the_cockpit_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text('[profiles.a.keys]\nincidnt = "z"\nnote = "hyper"\n[profiles.b.keys]\nescalate = "a"\n')
    assert run(["config", "validate", "--config", str(file)]) == ExitCode.BAD_CONFIG
    assert capsys.readouterr().out.splitlines() == [
        f"{file} line 2: profiles.a.keys: no command 'incidnt'; did you mean 'incident'?",
        f"{file} line 3: profiles.a.keys.note: 'hyper' is no key; write a letter, a digit, f1 to f12, or a name such as 'slash'",
        f"{file} line 5: profiles.b.keys: 'a' is both 'acknowledge' and 'escalate'; give one of them another key",
    ]


def test_validate_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "validate"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == f"alphapulse: nothing to check: there is no {paths.config_file()}; `alphapulse config init` makes it\n"
    )


def test_init_writes_a_file_that_is_valid_and_never_overwrites(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret_file(home / ".kube" / "config", "current-context: c\ncontexts: [{name: c, context: {}}]\n")
    assert run(["config", "init"]) == ExitCode.OK
    file = paths.config_file()
    assert capsys.readouterr().out == f"{file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(["config", "validate"]) == ExitCode.OK
    assert load_profile().profile.production
    file.write_text("mine")
    assert run(["config", "init"]) == ExitCode.CANNOT_CREATE
    assert capsys.readouterr().err.endswith(
        f"{file} exists and is not overwritten; move it away, or name another with --config\n"
    )
    assert file.read_text() == "mine"


def test_init_where_nothing_can_be_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "f").write_text("")
    assert run(["config", "init", "--config", str(home / "f" / "alphapulse.toml")]) == ExitCode.CANNOT_CREATE
    assert capsys.readouterr().err == f"alphapulse: {home}/f/alphapulse.toml cannot be written: File exists\n"


def test_init_on_a_full_disk_leaves_nothing_behind(home: Path) -> None:
    file = home / "alphapulse.toml"
    command = [sys.executable, "-m", "alphapulse_tui", "config", "init", "--config", str(file)]
    full = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *command]
    done = subprocess.run(full, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.CANNOT_CREATE
    assert done.stderr == f"alphapulse: {file} cannot be written: File too large\n"
    assert not file.exists()


def test_every_line_of_the_starter_is_valid_when_it_is_uncommented(tmp_path: Path) -> None:
    file = tmp_path / "alphapulse.toml"
    assert run(["config", "init", "--config", str(file)]) == ExitCode.OK
    example = [
        line[2:] if line.startswith(("# [", "# ]", "#   {")) or _is_setting(line) else line
        for line in file.read_text().splitlines()
    ]
    example.remove('primary = { service = "alphapulse" }    # an entry of ~/.pg_service.conf, or:')
    file.write_text("\n".join(example))
    profile = load_profile(config=str(file)).profile
    assert None not in (
        profile.kubernetes,
        profile.postgres,
        profile.redis,
        profile.vault,
        profile.prometheus,
        profile.api,
    )
    assert profile.thresholds == Thresholds()


def _is_setting(line: str) -> bool:
    """A commented-out setting, as opposed to a sentence."""
    return line.startswith("# ") and line[2:].partition(" = ")[0].isidentifier() and " = " in line
