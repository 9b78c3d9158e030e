"""Another image for one container: what is sent, what is refused, and what is said of an image that nobody has seen."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.api_server import API, NAMESPACE, PODS, action, server
from tests.actions.objects import deployment, replica_set

__all__ = ["action", "server"]

HEX = "a" * 64


def two_containers() -> dict[str, Any]:
    """A Deployment of two containers."""
    made = deployment()
    made["spec"]["template"]["spec"]["containers"] = [
        {"name": "proxy", "image": "proxy:1"},
        {"name": "api", "image": "corp/api:v1"},
    ]
    return made


def node(*images: str) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "status": {"images": [{"names": list(images)}]}}


def stuck(image: str, message: str) -> dict[str, Any]:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
    return {"metadata": {"name": "api-x"}, "status": {"containerStatuses": [{"image": image, "state": waiting}]}}


@pytest.fixture
def image(server, action):
    """The action on a Deployment of two containers, a node that has v1 and v2, and a revision that ran v0."""
    server.answers |= {
        f"GET {NAMESPACE}/deployments/api": (200, two_containers()),
        f"GET {NAMESPACE}/replicasets": (200, {"items": [replica_set(1, "corp/api:v0")]}),
        "GET /api/v1/nodes": (200, {"items": [node("docker.io/corp/api:v1", "docker.io/corp/api:v2")]}),
        f"GET {PODS}": (200, {"items": []}),
    }
    return action("kubernetes.set-image")


ONE = {**API, "container": "api"}


async def test_only_the_named_container_is_changed_and_its_image_is_tested(server, image):
    plan = await image.plan({**ONE, "image": "v2", "cause": "the fix of the fees"})
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE and plan.warnings == ()
    assert "Gives container api of deployment/api image corp/api:v2 instead of corp/api:v1" in plan.sentence
    assert "set image deployment/api api=corp/api:v2" in plan.shell
    assert plan.victims[0].facts["on the nodes"] == "1 of 1 have it"
    assert plan.undo_params == {"kind": "Deployment", **ONE, "image": "corp/api:v1"}
    assert (await image.execute(plan)).outcome is Outcome.DONE
    operations = server.asked[-1][2]
    path = "/spec/template/spec/containers/1"
    assert operations[:5] == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/generation", "value": 4},
        {"op": "test", "path": f"{path}/name", "value": "api"},
        {"op": "test", "path": f"{path}/image", "value": "corp/api:v1"},
        {"op": "replace", "path": f"{path}/image", "value": "corp/api:v2"},
    ]
    assert operations[5]["value"].endswith(": the fix of the fees") and "change-cause" in operations[5]["path"]
    assert len(operations) == 6


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (f"sha256:{HEX}", f"corp/api@sha256:{HEX}"),
        (":v3", "corp/api:v3"),
        ("r.example:5000/corp/api:v3", "r.example:5000/corp/api:v3"),
    ],
)
async def test_a_tag_a_digest_or_a_whole_name(image, asked, meant):
    assert (await image.plan({**ONE, "image": asked})).preconditions["new"] == meant


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("v1", "its image is corp/api:v1 already"),
        ("docker.io/corp/api:v1", "its image is corp/api:v1 already"),
    ],
)
async def test_the_image_that_runs_is_refused(image, asked, words):
    assert (await image.plan({**ONE, "image": asked})).refusal == words


@pytest.mark.parametrize("asked", ["", "no name", "UPPER/api:v1", "api:", f"sha256:{HEX[1:]}!", "v1\x1b[31m"])
async def test_what_is_no_image_is_refused(image, asked):
    with pytest.raises(ActionProblem, match="must be a tag, a digest or the name of an image"):
        await image.plan({**ONE, "image": asked})


async def test_an_image_that_a_pod_cannot_pull_is_refused(server, image):
    server.answers[f"GET {PODS}"] = (200, {"items": [stuck("corp/api:v9", "docker.io/corp/api:v9: not found")]})
    refused = await image.plan({**ONE, "image": "v9"})
    assert refused.refusal == "api-x cannot pull it now: the registry has no such image or tag"
    # A registry that is away for a moment says nothing of the image.
    server.answers[f"GET {PODS}"] = (200, {"items": [stuck("corp/api:v9", "dial tcp: i/o timeout")]})
    assert (await image.plan({**ONE, "image": "v9"})).refusal == ""


async def test_what_nobody_has_seen_is_said_and_what_a_revision_ran_is_known(server, image):
    unseen = await image.plan({**ONE, "image": "v9"})
    assert unseen.refusal == "" and "whether the registry has this image is not known from here" in unseen.warnings[0]
    assert unseen.victims[0].facts["on the nodes"] == "0 of 1 have it"
    ran = await image.plan({**ONE, "image": "v0"})
    assert ran.warnings == () and ran.victims[0].facts["ran before"] == "as revision 1"
    server.answers.pop("GET /api/v1/nodes")
    assert "not known" in (await image.plan({**ONE, "image": "v9"})).victims[0].facts["on the nodes"]


async def test_a_name_that_moves_is_warned_of(image):
    plan = await image.plan({**ONE, "image": "latest"})
    assert "may mean another image tomorrow" in plan.warnings[0]


async def test_a_container_must_be_named_and_there(image):
    with pytest.raises(ActionProblem, match="has 2 containers: name one of proxy, api"):
        await image.plan({**API, "image": "v2"})
    with pytest.raises(ActionProblem, match='no container "aip"'):
        await image.plan({**API, "container": "aip", "image": "v2"})


async def test_servers_that_keep_data_and_paused_rollouts_are_refused(server, image):
    paused = two_containers()
    paused["spec"]["paused"] = True
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, paused)
    assert "is paused: resume it first" in (await image.plan({**ONE, "image": "v2"})).refusal
    redis = two_containers() | {"kind": "StatefulSet"}
    server.answers[f"GET {NAMESPACE}/statefulsets/redis-cluster"] = (200, redis)
    asked = {"kind": "StatefulSet", "name": "redis-cluster", "container": "api", "image": "v2"}
    assert "planned work with a backup" in (await image.plan(asked)).refusal


async def test_the_proof_is_the_rollout_with_that_image(server, image):
    plan = await image.plan({**ONE, "image": "v2"})
    assert (await image.verify(plan)).verdict is Verdict.CONTRADICTED, "nothing is stored yet"
    done = two_containers()
    done["spec"]["template"]["spec"]["containers"][1]["image"] = "corp/api:v2"
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, done)
    assert (await image.verify(plan)).verdict is Verdict.VERIFIED
    done["status"]["updatedReplicas"] = 1
    assert (await image.verify(plan)).verdict is Verdict.PENDING
