from __future__ import annotations

import os
from pathlib import Path

import pytest

from alphapulse_tui.config import paths
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.config.settings import BackupsTarget, Contact, PostgresServer, VaultNode
from alphapulse_tui.errors import ConfigError
from alphapulse_tui.model.alerts import ALERT_PROCEDURES
from alphapulse_tui.model.thresholds import Thresholds
from tests.empty_home import secret_file

LAB = """
default_profile = "lab"

[profiles.lab]
environment = "drill"

[profiles.lab.kubernetes]
kubeconfig = "kubernetes/oncall.kubeconfig"

[profiles.lab.postgres]
primary = { host = "127.0.0.1", port = 5440, user = "oncall", database = "alphapulse_prod", passfile = "pgpass" }
replicas = [ { host = "127.0.0.1", port = 5441, user = "oncall" } ]

[profiles.lab.redis]
nodes = [ { name = "redis-cluster-0", host = "127.0.0.1", port = 7000 } ]
password_file = "~/redis-password"

[profiles.lab.vault]
nodes = [ { name = "vault-0", address = "http://127.0.0.1:8200" } ]

[profiles.lab.prometheus]
url = "http://127.0.0.1:9090"
[profiles.lab.alertmanager]
url = "http://127.0.0.1:9093/am"
[profiles.lab.api]
health_url = "http://127.0.0.1:8080/health"
[profiles.lab.backups]
endpoint = "http://127.0.0.1:9000"
credentials_file = "aws"

[profiles.lab.thresholds]
postgres_idle = 60

[profiles.lab.contacts]
L2 = { name = "Mia", how = "phone" }

[profiles.lab.alerts]
HighLatency = "vault-latency"
ReplicaLag = "pg-replication-lag"
VaultSealed = ""
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alphapulse.toml"
    file.write_text(LAB)
    return file


def test_a_whole_profile(file: Path, home: Path) -> None:
    profile = load_profile(config=str(file)).profile
    assert (profile.name, profile.environment, profile.production, profile.colour) == ("lab", "drill", False, "blue")
    assert profile.kubernetes is not None
    assert profile.kubernetes.kubeconfig == str(file.parent / "kubernetes" / "oncall.kubeconfig")
    assert profile.kubernetes.namespace == "alphapulse"
    assert profile.postgres is not None
    assert profile.postgres.primary == PostgresServer(
        name="primary", host="127.0.0.1", port=5440, user="oncall", database="alphapulse_prod",
        passfile=str(file.parent / "pgpass"), sslmode="prefer",
    )  # fmt: skip
    assert [(r.name, r.port, r.database) for r in profile.postgres.replicas] == [("replica-0", 5441, "oncall")]
    assert profile.redis is not None
    assert profile.redis.password_file == str(home / "redis-password")
    assert profile.vault is not None
    assert profile.vault.nodes == (VaultNode("vault-0", "http://127.0.0.1:8200"),)
    assert profile.backups == BackupsTarget("alphapulse-backups", "http://127.0.0.1:9000", "", str(file.parent / "aws"))
    assert profile.thresholds == Thresholds(postgres_idle=60)
    assert profile.contacts["L2"] == Contact("Mia", "phone")
    assert profile.contacts["L1"] == Contact("On-Call Engineer", "PagerDuty")
    own = {"HighLatency": "vault-latency", "ReplicaLag": "pg-replication-lag", "VaultSealed": ""}
    assert profile.alerts == ALERT_PROCEDURES | own


def test_each_value_knows_where_it_came_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "ana")
    monkeypatch.setenv("VAULT_CACERT", "/etc/ca.pem")
    loaded = load_profile("lab", str(file))
    origins = {
        ("environment",): f"{file} line 5",
        ("postgres", "primary", "port"): f"{file} line 11",
        ("postgres", "primary", "user"): f"{file} line 11",
        ("vault", "ca_file"): "environment variable VAULT_CACERT",
        ("colour",): "default",
        ("thresholds", "postgres_idle"): f"{file} line 32",
        ("thresholds", "redis_memory_warning"): "default",
        ("alerts", "ReplicaLag"): f"{file} line 39",
        ("alerts", "APIDown"): "default",
    }
    assert {path: loaded.origin(path) for path in origins} == origins
    assert loaded.profile.vault is not None
    assert loaded.profile.vault.ca_file == "/etc/ca.pem"


def test_every_file_is_found_from_the_profiles_folder_and_the_postmortems_from_the_home(
    tmp_path: Path, home: Path
) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\nnotices = 'notices.json'\nincident = { postmortem_folder = '~/pm' }\n")
    profile = load_profile(config=str(file)).profile
    assert (profile.notices, profile.incident.postmortem_folder) == (f"{tmp_path}/notices.json", f"{home}/pm")
    file.write_text("[profiles.a]\nincident = { postmortem_folder = '.bug' }\n")
    profile = load_profile(config=str(file)).profile
    assert (profile.notices, profile.incident.postmortem_folder) == ("", ".bug")


def test_a_section_that_is_left_out_is_not_filled_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://production:8200")
    monkeypatch.setenv("PGHOST", "production")
    monkeypatch.setenv("KUBECONFIG", "/production")
    file = tmp_path / "alphapulse.toml"
    file.write_text("[profiles.a]\n")
    profile = load_profile(config=str(file)).profile
    assert (profile.vault, profile.postgres, profile.kubernetes) == (None, None, None)


def test_the_file_is_found_by_option_then_variable_then_home(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = secret_file(paths.config_file(), "[profiles.usual]\n")
    assert load_profile().file == usual
    monkeypatch.setenv("ALPHAPULSE_CONFIG", str(file))
    assert load_profile().file == file
    assert load_profile(config=str(usual)).file == usual


NO_PROFILE = [
    ("", "has no [profiles.NAME]; `alphapulse config init` shows how one looks", ""),
    ("[profiles.a]\n[profiles.b]\n", "has several profiles and no default_profile; use --profile: a, b", ""),
    (
        "[profiles.staging]\n[profiles.production]\n",
        'has no profile "prodution"; did you mean "production"?',
        "prodution",
    ),
    ("[profiles.a]\n", 'has no profile "x\\x1by"; there is only "a"', "x\x1by"),
    ('default_profile = "b"\n[profiles.a]\n', 'has no profile "b"; there is only "a"', ""),
]


@pytest.mark.parametrize(("text", "sentence", "name"), NO_PROFILE)
def test_a_profile_that_is_not_there(tmp_path: Path, text: str, sentence: str, name: str) -> None:
    file = tmp_path / "alphapulse.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_profile(name, str(file))
    assert caught.value.sentence == f"{file} {sentence}"


def test_a_file_that_was_named_but_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^--config names /nowhere, which does not exist; `alphapulse config init`"):
        load_profile(config="/nowhere")
    monkeypatch.setenv("ALPHAPULSE_CONFIG", "/nowhere")
    with pytest.raises(ConfigError, match=r"^environment variable ALPHAPULSE_CONFIG names /nowhere, which"):
        load_profile()


def test_a_file_that_nobody_can_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    long = f"/{'x' * 300}"
    for named, sentence in (
        (long, rf"^{long} cannot be looked at: File name too long$"),
        ("~nobody99/x", r"^--config names ~nobody99/x, but there is no such home folder; write the path out$"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            load_profile(config=named)
    monkeypatch.setenv("XDG_CONFIG_HOME", long)
    with pytest.raises(ConfigError, match="cannot be looked at: File name too long"):
        load_profile()


def test_a_home_folder_below_a_name_that_is_too_long_hides_no_profile(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", f"/{'x' * 300}")
    assert load_profile(config=str(file)).profile.name == "lab"


def test_without_a_file_a_profile_is_made_of_what_is_discovered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(home / ".kube" / "config", "current-context: x\n")
    monkeypatch.setenv("VAULT_ADDR", "https://vault:8200")
    monkeypatch.setenv("PGHOST", "db")
    loaded = load_profile()
    profile = loaded.profile
    assert (profile.name, profile.environment, loaded.file) == ("default", "default", None)
    assert profile.production, "nobody said that it is not"
    assert profile.kubernetes is not None
    assert profile.kubernetes.kubeconfig == str(home / ".kube" / "config")
    assert profile.vault is not None
    assert profile.vault.nodes == (VaultNode("vault", "https://vault:8200"),)
    assert profile.postgres is not None
    assert profile.postgres.primary is not None
    assert profile.postgres.primary.host == "db"
    assert profile.redis is None
    assert loaded.origin(("vault", "nodes", 0, "address")) == "environment variable VAULT_ADDR"
    assert loaded.origin(("postgres", "primary", "host")) == "environment variable PGHOST"
    assert len(loaded.notices) == 1
    assert loaded.notices[0].startswith(
        f"no configuration file ({paths.config_file()}); discovered: kubernetes, postgres, vault;"
    )


def test_a_discovered_address_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAO_ADDR", "https://ana:hunter2@vault")
    with pytest.raises(ConfigError) as caught:
        load_profile()
    assert caught.value.sentence.startswith(
        "environment variable BAO_ADDR cannot be used: profiles.default.vault.nodes[0]"
    )
    assert "hunter2" not in caught.value.sentence


def test_without_a_file_there_is_no_other_profile() -> None:
    with pytest.raises(
        ConfigError, match=r'^no profile "production": there is no .*; `alphapulse config init` makes it$'
    ):
        load_profile("production")


@pytest.mark.parametrize("own_file", [False, True])
def test_the_profile_of_a_running_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_file: bool) -> None:
    if own_file:
        secret_file(paths.config_file(), "[profiles.production]\nproduction = true\n")
    with pytest.raises(ConfigError, match=r"^no lab is running \(.*\); `alphapulse lab up` starts one$"):
        load_profile("lab")
    monkeypatch.setenv("ALPHAPULSE_LAB_DIRECTORY", str(tmp_path / "lab"))
    written = secret_file(tmp_path / "lab" / "alphapulse.toml", LAB)
    loaded = load_profile("lab")
    assert (loaded.file, loaded.profile.environment) == (written, "drill")


def test_the_usual_place_of_the_lab_is_in_the_temporary_folder(home: Path) -> None:
    assert paths.lab_config_file() == home / f"alphapulse-lab-{os.getuid()}" / "alphapulse.toml"


def test_a_lab_file_of_somebody_else_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAPULSE_LAB_DIRECTORY", str(tmp_path))
    (tmp_path / "alphapulse.toml").write_text(LAB)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(ConfigError, match=r"belongs to another user; `alphapulse lab up` starts a lab of your own$"):
        load_profile("lab")


def test_a_profile_named_lab_in_ones_own_file_wins(file: Path) -> None:
    secret_file(paths.config_file(), "[profiles.lab]\nenvironment = 'mine'\n")
    assert load_profile("lab").profile.environment == "mine"
