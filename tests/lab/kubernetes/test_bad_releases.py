"""Every bad release of the API: rolled out, seen by kubectl and over HTTP, mended by the lab."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from alphapulse_tui.lab.errors import LabError
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until
from tests.web import web

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


class Seen(NamedTuple):
    """What the independent clients look at."""

    lab: LabHandle
    kubectl: Kubectl

    def get(self, path: str) -> tuple[int, float]:
        """Status and seconds of one request at the edge."""
        began = time.monotonic()
        answer = web.get(f"http://127.0.0.1:{self.lab.ports['api']}{path}", timeout=8)
        return answer.status_code, time.monotonic() - began

    def pods(self) -> list[str]:
        """Addresses of the API's pods."""
        file = self.lab.directory / "kubernetes" / "discovery" / "api.json"
        return [one["targets"][0] for one in json.loads(file.read_text())]

    def crashed(self) -> str:
        """A pod whose container has ended at its start, once its end is told."""
        for pod in self.kubectl.pods("api"):
            for one in pod["status"].get("containerStatuses") or []:
                if one["lastState"].get("terminated") and not one["ready"]:
                    return str(pod["metadata"]["name"])
        return ""


def crashes(reason: str, code: int, last_words: str) -> Callable[[Seen], None]:
    """New pods end like this; the old ones go on."""

    def check(seen: Seen) -> None:
        name = str(wait_until(seen.crashed, 20, "a crashed pod"))
        ended = seen.kubectl.container(name)["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == (reason, code)
        assert last_words in seen.kubectl("logs", name, "--previous")
        assert len(seen.kubectl.ready("api")) == 2

    return check


def one_endpoint_fails(seen: Seen) -> None:
    assert [seen.get("/api/v1/summary/3")[0] for _ in range(3)] == [500] * 3
    assert seen.get("/api/v1/trades/3")[0] == 200
    pods = seen.kubectl.ready("api")
    assert len(pods) == 3
    logs = [seen.kubectl("logs", pod) for pod in pods]
    assert any(
        "ERROR /api/v1/summary: TypeError Object of type Decimal is not JSON serializable" in one for one in logs
    )


def one_endpoint_is_slow(seen: Seen) -> None:
    status, seconds = seen.get("/api/v1/trades/3")
    assert status == 200
    assert seconds > 0.8

    def quick(endpoint: str) -> tuple[int, int]:
        """Of the requests to all pods: how many took at most 0.75 s, and how many there were."""
        text = "".join(web.get(f"http://{pod}/metrics").text for pod in seen.pods())
        fast = re.findall(rf'_bucket{{endpoint="{endpoint}",le="0.75"}} (\d+)', text)
        every = re.findall(rf'_count{{endpoint="{endpoint}"}} (\d+)', text)
        return sum(map(int, fast)), sum(map(int, every))

    wait_until(lambda: quick("/api/v1/trades")[1] > 5 and quick("/api/v1/summary")[0], 30, "requests of both kinds")
    assert quick("/api/v1/trades")[0] == 0
    assert len(seen.kubectl.ready("api")) == 3


def lookups(lab: LabHandle) -> tuple[int, int]:
    """Hits and lookups of all Redis nodes since they started, by redis-cli."""
    text = "".join(lab.redis_cli(ordinal, "info", "stats") for ordinal in range(6))
    hits, misses = (sum(map(int, re.findall(rf"keyspace_{what}:(\d+)", text))) for what in ("hits", "misses"))
    return hits, hits + misses


def the_cache_forgets(seen: Seen) -> None:
    hits, asked = lookups(seen.lab)
    assert [seen.get(f"/api/v1/summary/{tenant}")[1] > 0.5 for tenant in (101, 102, 103)] == [True] * 3
    wait_until(lambda: lookups(seen.lab)[1] > asked + 50, 30, "fifty lookups")
    now_hits, now_asked = lookups(seen.lab)
    assert (now_hits - hits) / (now_asked - asked) < 0.4, "the hit rate has collapsed"
    assert seen.get("/api/v1/summary/3")[0] == 200
    assert len(seen.kubectl.ready("api")) == 3


def the_rollout_stands_still(seen: Seen) -> None:
    pods = [pod for pod in seen.kubectl.pods("api") if pod["spec"]["containers"][0]["image"].endswith(":v1.5.2")]
    assert pods
    assert {pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods} == {0}
    assert len(seen.kubectl.ready("api")) == 2
    name = pods[0]["metadata"]["name"]
    about = ("events", "--field-selector", f"involvedObject.name={name},reason=Unhealthy")
    wait_until(
        lambda: any("statuscode: 503" in one["message"] for one in seen.kubectl.get(*about)["items"]),
        20,
        "the probe's 503 in the events",
    )


def never_runs(reason: str, message: str, about: str) -> Callable[[Seen], None]:
    """New pods wait with this reason and never had a container; the old ones go on."""

    def waiting(seen: Seen) -> dict[str, str]:
        for pod in seen.kubectl.pods("api"):
            for one in pod["status"].get("containerStatuses") or []:
                found: dict[str, str] = one["state"].get("waiting") or {}
                if found.get("reason") == reason:
                    assert (one["restartCount"], one["lastState"]) == (0, {}) and "containerID" not in one
                    return found
        return {}

    def check(seen: Seen) -> None:
        found = wait_until(lambda: waiting(seen), 20, f"a pod in {reason}")
        assert message in found["message"]
        events = seen.kubectl.get("events", "--field-selector", "type=Warning")["items"]
        assert any(about in one["message"] for one in events)
        assert len(seen.kubectl.ready("api")) == 2

    return check


RELEASES: dict[str, Callable[[Seen], None]] = {
    "api-crashloop-database": crashes("Error", 1, "FATAL database: cannot connect to 127.0.0.1:1/alphapulse_prod"),
    "api-crashloop-redis": crashes("Error", 1, "FATAL redis: the cluster (REDIS_NODES) cannot be used"),
    "api-crashloop-vault": crashes("Error", 1, "FATAL vault: secret alphapulse/database cannot be read: http://127.0.0.1:1"),
    "api-crashloop-memory": crashes("OOMKilled", 137, ""),
    "api-secret-missing": never_runs(
        "CreateContainerConfigError", 'secret "alphapulse-signing" not found', 'Error: secret "alphapulse-signing" not found'
    ),
    "bad-release-image": never_runs(
        "ImagePullBackOff", "docker.io/alphapulse/api:v1.4.3-hotfix: not found", 'Failed to pull image "alphapulse/api:v1.4.3-hotfix"'
    ),
    "bad-release-errors": one_endpoint_fails,
    "bad-release-latency": one_endpoint_is_slow,
    "cache-cold": the_cache_forgets,
    "bad-release-never-ready": the_rollout_stands_still,
}  # fmt: skip


def template(kubectl: Kubectl) -> Any:
    return kubectl.get("deployment", "api")["spec"]["template"]


@pytest.mark.long
@pytest.mark.parametrize("fault", RELEASES)
def test_it_breaks_what_it_says_and_is_undone(fault: str, whole_lab: LabHandle, kubectl: Kubectl) -> None:
    before, cause = template(kubectl), kubectl.get("deployment", "api")["metadata"]["annotations"]
    whole_lab.break_(fault)
    assert template(kubectl) != before
    RELEASES[fault](Seen(whole_lab, kubectl))
    assert [one.split()[0] for one in whole_lab.mend(fault)] == [fault]
    assert template(kubectl) == before
    after = kubectl.get("deployment", "api")["metadata"]["annotations"]
    assert after["kubernetes.io/change-cause"] == cause["kubernetes.io/change-cause"]
    assert len(kubectl.ready("api")) == len(kubectl.pods("api")) == 3
    assert Seen(whole_lab, kubectl).get("/api/v1/summary/3")[0] == 200


@pytest.mark.long
@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("secret-key", "couldn't find key signing-key in Secret alphapulse/alphapulse-vault-token"),
        ("config-key", "couldn't find key RISK_LIMITS in ConfigMap alphapulse/alphapulse-platform"),
    ],
)
def test_a_missing_key_is_told_by_the_kubelet_and_undone(
    parameter: str, message: str, whole_lab: LabHandle, kubectl: Kubectl
) -> None:
    before = template(kubectl)
    whole_lab.break_("api-secret-missing", parameter)
    never_runs("CreateContainerConfigError", message, f"Error: {message}")(Seen(whole_lab, kubectl))
    whole_lab.mend("api-secret-missing")
    assert template(kubectl) == before


@pytest.mark.long
def test_pods_start_by_themselves_once_the_secret_is_made(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    whole_lab.break_("api-secret-missing", "secret")
    admin = kubectl.as_user("admin")
    admin("-n", "alphapulse", "create", "secret", "generic", "alphapulse-signing", "--from-literal=key=k")
    try:
        kubectl("rollout", "status", "deployment/api", "--timeout=60s")
        assert len(kubectl.ready("api")) == 3
    finally:
        whole_lab.mend("api-secret-missing")
        admin("-n", "alphapulse", "delete", "secret", "alphapulse-signing")


@pytest.mark.long
def test_a_higher_limit_mends_the_lack_of_memory_and_stays(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    whole_lab.break_("api-crashloop-memory")
    try:
        kubectl("set", "resources", "deployment/api", "-c", "api", "--limits=memory=300Mi")
        kubectl("rollout", "status", "deployment/api", "--timeout=60s")
        whole_lab.mend()
        limits = template(kubectl)["spec"]["containers"][0]["resources"]["limits"]
        assert limits["memory"] == "300Mi"
    finally:
        kubectl("set", "resources", "deployment/api", "-c", "api", "--requests=memory=96Mi", "--limits=memory=384Mi")
        kubectl("rollout", "status", "deployment/api", "--timeout=60s")


def test_one_bad_release_at_a_time(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    whole_lab.break_("bad-release-never-ready")
    refused = r"Deployment api runs another bad release: `alphapulse lab mend bad-release-never-ready` first\."
    with pytest.raises(LabError, match=refused):
        whole_lab.break_("api-crashloop-redis")
    assert whole_lab.mend() == ["bad-release-never-ready"], "what was refused is not in force"
    assert len(kubectl.ready("api")) == 3
