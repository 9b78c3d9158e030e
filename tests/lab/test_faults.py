"""Each fault is injected for real, seen by an independent client, and mended."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from alphapulse_tui.lab.errors import LabError, UnknownFaultError
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


def _sealed(lab: LabHandle) -> list[int]:
    return [ordinal for ordinal in range(3) if lab.bao(ordinal, "status").returncode == 2]


def test_one_sealed_vault_node(whole_lab: LabHandle) -> None:
    said = whole_lab.break_("vault-sealed-one")
    sealed = _sealed(whole_lab)
    assert said == f"Vault: vault-{sealed[0]} is sealed"
    assert len(sealed) == 1
    assert whole_lab.status(with_health=True).faults == ["vault-sealed-one"]
    assert whole_lab.mend("vault-sealed-one") == ["vault-sealed-one"]
    assert _sealed(whole_lab) == []


@pytest.mark.long
def test_all_vault_nodes_sealed_and_unsealed_by_hand(whole_lab: LabHandle) -> None:
    whole_lab.break_("vault-sealed-all")
    assert _sealed(whole_lab) == [0, 1, 2]
    for ordinal in range(3):
        for share in whole_lab.shares()[1:4]:
            assert whole_lab.bao(ordinal, "operator", "unseal", share).returncode == 0
    wait_until(lambda: _sealed(whole_lab) == [], 20, "the nodes to be unsealed by the shares of the lab")
    wait_until(lambda: _has_leader(whole_lab), 20, "a leader")
    assert whole_lab.mend() == ["vault-sealed-all"]
    assert whole_lab.status().faults == []


def _has_leader(lab: LabHandle) -> bool:
    told = lab.bao(0, "status", "-format=json").stdout
    return bool(json.loads(told).get("leader_address")) if told else False


def test_a_connection_storm_takes_every_ordinary_slot(whole_lab: LabHandle) -> None:
    whole_lab.break_("connection-storm")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        whole_lab.psql("SELECT 1", role="alphapulse_app")
    assert "remaining connection slots are reserved" in refused.value.stderr
    groups = dict(row.split("|") for row in whole_lab.psql(_BY_APPLICATION).splitlines())
    assert int(groups["report-exporter"]) > int(groups["api-leak"]) >= 10
    assert groups["pgbouncer"] == "6"
    assert {"pg_dump", "dba-maintenance"} <= groups.keys()
    whole_lab.mend("connection-storm")
    wait_until(lambda: "report-exporter" not in whole_lab.psql(_BY_APPLICATION), 5, "the sessions to be gone")
    assert whole_lab.psql("SELECT 1", role="alphapulse_app") == "1"


def test_terminated_sessions_of_the_storm_do_not_come_back(whole_lab: LabHandle) -> None:
    whole_lab.break_("connection-storm")
    ended = whole_lab.psql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name IN ('report-exporter', 'api-leak')"
    )
    assert int(ended) > 20  # the API's and the workers' own pools hold up to 25 of the 54 slots
    wait_until(lambda: "report-exporter" not in whole_lab.psql(_BY_APPLICATION), 5, "the sessions to be gone")
    assert whole_lab.psql("SELECT 1", role="alphapulse_app") == "1"
    groups = dict(row.split("|") for row in whole_lab.psql(_BY_APPLICATION).splitlines())
    assert (groups["pgbouncer"], groups["pg_dump"], groups["dba-maintenance"]) == ("6", "1", "1")


_BY_APPLICATION = (
    "SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1"
)


def test_forgotten_transactions_hold_locks(whole_lab: LabHandle) -> None:
    whole_lab.break_("idle-in-transaction")
    states = whole_lab.psql(
        "SELECT application_name, state FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY 1"
    )
    assert states.splitlines() == [
        "api-import|idle in transaction (aborted)",
        "report-exporter|idle in transaction",
        "settlement-worker|idle in transaction",
    ]
    with pytest.raises(subprocess.CalledProcessError) as blocked:
        whole_lab.psql("SET lock_timeout = 200; UPDATE tenants SET plan = plan WHERE id = 7", role="alphapulse_app")
    assert "lock timeout" in blocked.value.stderr
    whole_lab.mend("idle-in-transaction")
    whole_lab.psql("SET lock_timeout = 2000; UPDATE tenants SET plan = plan WHERE id = 7", role="alphapulse_app")
    assert whole_lab.psql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0"


@pytest.mark.long
def test_a_killed_redis_master_is_replaced_by_its_replica(whole_lab: LabHandle) -> None:
    before = {ordinal for ordinal in range(6) if _role(whole_lab, ordinal) == "master"}
    said = whole_lab.break_("redis-master-killed")
    after = {ordinal for ordinal in range(6) if _role(whole_lab, ordinal) == "master"}
    killed, promoted = before - after, after - before
    assert len(killed) == len(promoted) == 1
    assert said == f"Redis: redis-cluster-{killed.pop()} is dead, redis-cluster-{promoted.pop()} was promoted"
    whole_lab.mend("redis-master-killed")
    assert sorted(_role(whole_lab, ordinal) for ordinal in range(6)) == ["master"] * 3 + ["slave"] * 3


def _role(lab: LabHandle, ordinal: int) -> str:
    try:
        return lab.redis_cli(ordinal, "role").splitlines()[0]
    except subprocess.CalledProcessError:
        return "dead"


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("postgres", "postgres-primary"),
        ("redis", "redis-cluster-0"),
        ("vault", "vault-0"),
        ("kubernetes", "kube-apiserver"),
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("api", "api"),
        ("s3", "s3"),
    ],
)
def test_a_hung_target_accepts_and_never_answers(whole_lab: LabHandle, target: str, port: str) -> None:
    whole_lab.wait(target)
    whole_lab.wait_healthy(target)  # A pod that the test before has killed may still be on its way.
    whole_lab.break_("target-hung", target)
    status = whole_lab.status()
    alive = [one for one in status.processes if one.state in ("running", "frozen")]
    assert {one.state for one in alive if one.target == target} == {"frozen"}
    assert {one.state for one in alive if one.target != target} <= {"running"}
    with socket.create_connection(("127.0.0.1", status.ports[port]), timeout=2) as connection:
        connection.sendall(b"PING\r\n\r\n")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert whole_lab.mend("target-hung", target) == [f"target-hung {target}"]
    healths = {one.name: one.health for one in whole_lab.status(with_health=True).targets}
    assert healths[target] == ""


def test_an_unknown_fault_is_answered_with_the_nearest(whole_lab: LabHandle) -> None:
    with pytest.raises(UnknownFaultError, match=r"no fault 'vault-seal'\. Did you mean .*vault-sealed-one"):
        whole_lab.break_("vault-seal")
    with pytest.raises(UnknownFaultError, match=r"target-hung cannot be applied to 'redsi'\. Did you mean redis"):
        whole_lab.break_("target-hung", "redsi")


def test_a_fault_in_force_is_not_injected_twice(whole_lab: LabHandle) -> None:
    whole_lab.break_("idle-in-transaction")
    with pytest.raises(LabError, match="in force already"):
        whole_lab.break_("idle-in-transaction")
