"""A saved lab comes back: data, keys, seals and objects as they were, nothing broken, on the same ports."""

from __future__ import annotations

import pytest

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.launch import end, launch
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle, new_directory
from tests.waiting import wait_until

__all__ = ["kubectl"]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

BROKEN = ("vault-sealed-all", "connection-storm", "redis-master-killed")


def keys(lab: LabHandle) -> int:
    """How many keys the masters hold."""
    masters = [n for n in range(6) if lab.redis_cli(n, "role").startswith("master")]
    assert len(masters) == 3
    return sum(int(lab.redis_cli(n, "dbsize")) for n in masters)


def replicas(kubectl: Kubectl) -> dict[str, tuple[int, int]]:
    """Deployment to (wanted, ready)."""
    return {
        one["metadata"]["name"]: (one["spec"]["replicas"], one["status"].get("readyReplicas", 0))
        for one in kubectl.get("deployments")["items"]
    }


@pytest.mark.long
def test_a_broken_lab_is_restored(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    lab = whole_lab
    lab.wait()
    ports = lab.ports
    tenants = lab.psql("SELECT count(*), count(DISTINCT plan) FROM tenants", role="alphapulse_app")
    held, deployments = keys(lab), replicas(kubectl)
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in kubectl.get("pods")["items"]}
    assert "saved postgres, redis, vault, kubernetes" in lab.save()

    lab.psql("UPDATE tenants SET plan = 'free'", role="alphapulse_app")
    for words in (("set", "maxmemory-policy", "noeviction"), ("rewrite",)):
        lab.redis_cli(5, "config", *words)
    kubectl.as_user("admin")("delete", "deployment", "agent-workers")
    for fault in BROKEN:
        lab.break_(fault)
    with pytest.raises(LabError, match=r"vault-sealed-all, .* is in force"):
        lab.save()

    said = lab.restore()
    assert said.endswith(f"forgotten: {', '.join(BROKEN)}")
    status = lab.status(with_health=True)
    assert status.faults == []
    assert [one for one in status.targets if one.health] == []
    assert {name: status.ports[name] for name in ports} == ports
    assert lab.psql("SELECT count(*), count(DISTINCT plan) FROM tenants", role="alphapulse_app") == tenants
    assert lab.psql("SELECT state FROM pg_stat_replication WHERE state <> 'backup'") == "streaming"
    assert lab.redis_cli(5, "config", "get", "maxmemory-policy").splitlines()[1] == "allkeys-lru"
    # Workers and sessions go on writing and letting expire: as many as then, not more than a few apart.
    assert abs(keys(lab) - held) < 200
    assert [lab.bao(n, "status").returncode for n in range(3)] == [0, 0, 0]
    assert_whole(replicas(kubectl), deployments)
    after = kubectl.get("pods")["items"]
    assert pods.items() <= {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in after}.items()
    assert {entry["restartCount"] for pod in after for entry in pod["status"]["containerStatuses"]} == {0}
    # The platform still works as one: the API reads PostgreSQL, Redis and Vault, and the node still heals what dies.
    wait_until(
        lambda: "report-exporter" not in lab.psql("SELECT application_name FROM pg_stat_activity"), 5, "no storm"
    )
    name = next(pod["metadata"]["name"] for pod in after if pod["metadata"]["name"].startswith("api-"))
    kubectl("delete", "pod", name, "--wait=false")
    wait_until(lambda: name not in names(kubectl), 60, "the pod to be gone")
    wait_until(lambda: all(wanted == ready for wanted, ready in replicas(kubectl).values()), 60, "a new pod of the API")


def assert_whole(now: dict[str, tuple[int, int]], then: dict[str, tuple[int, int]]) -> None:
    """The same Deployments, with as many pods as then; the autoscaler may want more while they start."""
    assert now.keys() == then.keys()
    for name, (wanted, _) in now.items():
        assert wanted >= then[name][0], name


def names(kubectl: Kubectl) -> set[str]:
    return {pod["metadata"]["name"] for pod in kubectl.get("pods")["items"]}


def test_without_a_saved_state_there_is_nothing_to_restore() -> None:
    """A lab of the stand-ins alone: the cheapest there is."""
    directory = new_directory()
    warden = launch(directory, only=["standins"], ephemeral=True)
    lab = LabHandle(directory)
    with pytest.raises(LabError, match="no saved state: `alphapulse lab save` makes one"):
        lab.restore()
    end(directory)
    assert warden.wait(10) == 0
