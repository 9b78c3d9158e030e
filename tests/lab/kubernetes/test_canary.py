"""A canary: a release on a few pods, with the share of the traffic that its weight says, told apart in the metrics."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until
from tests.web import web

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def weigh(kubectl: Kubectl, canary: int) -> None:
    """As a procedure does it: guarded by the generation, both weights in one patch."""
    generation = kubectl.get("virtualservice", "api")["metadata"]["generation"]
    route = "/spec/http/0/route"
    patch = [
        {"op": "test", "path": "/metadata/generation", "value": generation},
        {"op": "test", "path": f"{route}/1/destination/host", "value": "api-canary"},
        {"op": "replace", "path": f"{route}/0/weight", "value": 100 - canary},
        {"op": "replace", "path": f"{route}/1/weight", "value": canary},
    ]
    kubectl("patch", "virtualservice", "api", "--type=json", "-p", json.dumps(patch))


def releases(lab: LabHandle, requests: int) -> Counter[str]:
    """Which pods answer ``/health``: stable or canary."""
    seen: Counter[str] = Counter()
    with httpx.Client(base_url=f"http://127.0.0.1:{lab.ports['api']}") as client:
        for _ in range(requests):
            seen["canary" if client.get("/health").json()["pod"].startswith("api-canary-") else "stable"] += 1
    return seen


@pytest.fixture
def canary(kubectl: Kubectl, whole_lab: LabHandle) -> Iterator[str]:
    """A pod of the canary with the release that fails on one endpoint; gone afterwards, its weight first."""
    kubectl("set", "image", "deployment/api-canary", "api=alphapulse/api:v1.5.0")
    kubectl("scale", "deployment/api-canary", "--replicas=1")
    kubectl("rollout", "status", "deployment/api-canary", "--timeout=60s")
    yield kubectl.ready("api-canary")[0]
    weigh(kubectl, 0)
    kubectl("scale", "deployment/api-canary", "--replicas=0")
    kubectl("rollout", "undo", "deployment/api-canary")
    wait_until(lambda: not kubectl.pods("api-canary"), 30, "the canary to be gone")


@pytest.mark.long
def test_a_canary_gets_its_share_and_its_errors_are_its_own(
    canary: str, kubectl: Kubectl, whole_lab: LabHandle
) -> None:
    assert releases(whole_lab, 20) == {"stable": 20}, "a weight of 0 is nothing, whatever runs"
    weigh(kubectl, 5)
    wait_until(lambda: releases(whole_lab, 25)["canary"], 10, "the first request for the canary")
    # Exactly one request of twenty, ours and the steady load's together.
    assert 5 <= releases(whole_lab, 200)["canary"] <= 15
    weigh(kubectl, 50)
    wait_until(lambda: releases(whole_lab, 10)["canary"] >= 3, 10, "half of the requests")

    whole_lab.wait("prometheus", timeout=900)
    errors = 'sum by (version, track) (rate(api_requests_total{status="500"}[30s])) > 0'

    def failing() -> list[dict[str, str]]:
        url = f"http://127.0.0.1:{whole_lab.ports['prometheus']}/api/v1/query"
        found = web.get(url, params={"query": errors}).json()["data"]["result"]
        return [one["metric"] for one in found]

    # Errors of a release that a test before rolled out are in the window for half a minute more.
    wait_until(
        lambda: failing() == [{"version": "v1.5.0", "track": "canary"}], 60, "the canary's errors, and no others"
    )
    weigh(kubectl, 0)
    wait_until(lambda: releases(whole_lab, 10)["canary"] == 0, 10, "no request for the canary")


def test_weights_that_are_none_are_refused(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    wrong = kubectl.run(
        "patch", "virtualservice", "api", "--type=json", "-p",
        '[{"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 105}]',
    )  # fmt: skip
    assert wrong.returncode != 0
    assert "should be less than or equal to 100" in wrong.stderr
    assert whole_lab.status().faults == []
