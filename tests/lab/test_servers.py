"""The lab's PostgreSQL, Valkey and OpenBao, seen by psql, redis-cli and bao."""

from __future__ import annotations

import json
import stat
import subprocess
import tomllib

import pytest

from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab


def test_psql_sees_rows_roles_and_a_streaming_replica(whole_lab: LabHandle) -> None:
    assert int(whole_lab.psql("SELECT count(*) FROM trades", role="alphapulse_app")) >= 210000
    assert whole_lab.psql("SELECT count(*) FROM tenants", role="alphapulse_app", server="postgres-replica-0") == "120"
    assert whole_lab.psql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'") == (
        "postgres-replica-0"
    )
    assert whole_lab.psql("SELECT pg_is_in_recovery()", server="postgres-replica-0") == "t"
    reserved = whole_lab.psql(
        "SELECT string_agg(setting, ',' ORDER BY name) FROM pg_settings WHERE name IN "
        "('max_connections', 'reserved_connections', 'superuser_reserved_connections')"
    )
    assert reserved == "60,3,3"


def test_oncall_may_look_and_signal_but_not_read_tenants_data(whole_lab: LabHandle) -> None:
    rights = whole_lab.psql("SELECT pg_has_role('pg_monitor', 'USAGE'), pg_has_role('pg_signal_backend', 'USAGE')")
    assert rights == "t|t"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        whole_lab.psql("SELECT * FROM trades LIMIT 1")
    assert "permission denied" in refused.value.stderr


def test_the_superuser_is_refused_over_tcp_and_no_statement_with_a_password_is_remembered(whole_lab: LabHandle) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        whole_lab.psql("SELECT 1", role="postgres")
    assert "pg_hba.conf rejects" in refused.value.stderr
    assert whole_lab.psql("SELECT count(*) FROM pg_stat_statements WHERE query ILIKE '%password ''%'") == "0"


def test_redis_cli_sees_one_whole_cluster_and_the_acl(whole_lab: LabHandle) -> None:
    for ordinal in range(6):
        told = dict(line.split(":", 1) for line in whole_lab.redis_cli(ordinal, "cluster", "info").split())
        assert (told["cluster_state"], told["cluster_slots_ok"], told["cluster_known_nodes"]) == ("ok", "16384", "6")
    roles = [whole_lab.redis_cli(ordinal, "role").splitlines()[0] for ordinal in range(6)]
    assert sorted(roles) == ["master"] * 3 + ["slave"] * 3
    assert whole_lab.redis_cli(0, "config", "get", "maxmemory-policy").splitlines()[1] == "allkeys-lru"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        whole_lab.redis_cli(0, "get", "tenant:00002")
    assert "NOPERM" in refused.value.stdout + refused.value.stderr


def test_keys_exist_with_and_without_a_ttl(whole_lab: LabHandle) -> None:
    spaces = [
        whole_lab.redis_cli(ordinal, "info", "keyspace") for ordinal in range(6) if _is_master(whole_lab, ordinal)
    ]
    fields = [dict(pair.split("=") for pair in space.split("db0:")[1].split(",")) for space in spaces]
    keys, expiring = sum(int(one["keys"]) for one in fields), sum(int(one["expires"]) for one in fields)
    assert keys >= 3000
    assert 0 < expiring < keys


def _is_master(lab: LabHandle, ordinal: int) -> bool:
    return lab.redis_cli(ordinal, "role").startswith("master")


def test_bao_sees_three_unsealed_nodes_and_the_oncall_policy(whole_lab: LabHandle) -> None:
    seen = [json.loads(whole_lab.bao(ordinal, "status", "-format=json").stdout) for ordinal in range(3)]
    assert [(one["sealed"], one["n"], one["t"], one["type"]) for one in seen] == [(False, 5, 3, "shamir")] * 3
    assert whole_lab.bao(0, "read", "sys/storage/raft/autopilot/state", token="oncall").returncode == 0
    refused = whole_lab.bao(0, "kv", "get", "secret/alphapulse/database", token="oncall")
    assert "403" in refused.stderr
    secret = json.loads(
        whole_lab.bao(0, "kv", "get", "-format=json", "secret/alphapulse/database", token="alphapulse").stdout
    )
    assert secret["data"]["data"]["url"].startswith("postgresql://alphapulse_app:")


def test_the_profile_names_every_server_and_holds_no_secret(whole_lab: LabHandle) -> None:
    text = whole_lab.profile.read_text()
    profile = tomllib.loads(text)["profiles"]["lab"]
    assert profile["production"] is False
    assert profile["postgres"]["primary"]["port"] == whole_lab.ports["postgres-primary"]
    assert [node["name"] for node in profile["redis"]["nodes"]] == [f"redis-cluster-{n}" for n in range(6)]
    assert len(profile["vault"]["nodes"]) == 3
    for secret in whole_lab.secret("").iterdir():
        assert secret.read_text().strip() not in text


def test_secrets_are_closed_to_others_and_on_no_command_line(whole_lab: LabHandle) -> None:
    import psutil

    files = [*whole_lab.secret("").iterdir(), whole_lab.directory / "vault" / "shares"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    secrets = [file.read_text().strip() for file in files if not file.name.startswith("pgpass")]
    for process in psutil.Process(whole_lab.status().pid).children(recursive=True):
        line = " ".join(process.cmdline())
        assert not any(secret in line for secret in secrets), process.name()


def test_the_cockpits_own_loader_takes_the_profile(whole_lab: LabHandle) -> None:
    from alphapulse_tui.config.load import load_profile

    profile = load_profile("", str(whole_lab.profile)).profile
    assert profile.environment == "lab"
    assert profile.thresholds.postgres_idle == 10
