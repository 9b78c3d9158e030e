"""kubectl's own rule for when a rollout is done, and templates that are the same."""

from __future__ import annotations

import pytest

from alphapulse_tui.actions.kubernetes import digest, old_template
from alphapulse_tui.actions.kubernetes_rollout import standing
from alphapulse_tui.model.plan import Verdict
from tests.actions.objects import deployment, replica_set


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        ({"observedGeneration": 3}, Verdict.PENDING, "has not seen the change yet"),
        ({"updatedReplicas": None}, Verdict.PENDING, "0 of 3 pods are updated"),
        ({"replicas": 5}, Verdict.PENDING, "2 old pods are still there"),
        ({"availableReplicas": 1}, Verdict.PENDING, "1 of 3 updated pods are available"),
        (
            {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}], "updatedReplicas": 1},
            Verdict.CONTRADICTED,
            "no progress for 600 s",
        ),
        ({"conditions": None}, Verdict.VERIFIED, "3 of 3 pods are updated and available"),
    ],
)
def test_kubectls_rule_for_deployments(status, verdict, words):
    found = deployment()
    found["status"] |= status
    assert standing(found)[0] is verdict and words in standing(found)[1]


@pytest.mark.parametrize(
    ("spec", "status", "verdict"),
    [
        ({}, {"currentRevision": "a", "updateRevision": "a"}, Verdict.VERIFIED),
        ({}, {"currentRevision": "a", "updateRevision": "b"}, Verdict.PENDING),
        ({}, {"readyReplicas": 1}, Verdict.PENDING),
        ({}, {"replicas": 2}, Verdict.PENDING),
        ({"updateStrategy": {"type": "OnDelete"}}, {"readyReplicas": 0}, Verdict.VERIFIED),
        (
            {"updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {"currentRevision": "a", "updateRevision": "b"},
            Verdict.VERIFIED,
        ),
    ],
)
def test_kubectls_rule_for_stateful_sets(spec, status, verdict):
    found = deployment(**spec)
    found["kind"] = "StatefulSet"
    found["status"] |= status
    assert standing(found)[0] is verdict


@pytest.mark.parametrize(
    ("partition", "updated", "verdict", "words"),
    [
        (2, 0, Verdict.PENDING, "0 of 1 pods are updated; the partition holds 2 of 3 back"),
        (2, 1, Verdict.VERIFIED, "1 of 3 pods are updated, 3 ready; the partition holds 2 of 3 back"),
        (1, 1, Verdict.PENDING, "1 of 2 pods are updated; the partition holds 1 of 3 back"),
        (5, 0, Verdict.VERIFIED, "0 of 3 pods are updated, 3 ready; the partition holds 3 of 3 back"),
    ],
)
def test_a_partition_holds_pods_back_and_the_others_are_waited_for(partition, updated, verdict, words):
    found = deployment(updateStrategy={"rollingUpdate": {"partition": partition}})
    found["kind"] = "StatefulSet"
    found["status"] |= {"currentRevision": "a", "updateRevision": "b", "updatedReplicas": updated}
    assert standing(found) == (verdict, words)


def test_a_template_is_the_same_with_and_without_the_controllers_hash():
    assert digest(old_template(replica_set(2, "api:2"))) == digest(replica_set(2, "api:2")["spec"]["template"])
    assert digest(old_template(replica_set(2, "api:2"))) != digest(old_template(replica_set(1, "api:1")))
