"""Two faults of different servers at a time: both show, both are mended, and the platform is whole. (Pairs within Redis and Vault stand with
their faults.)"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.kubectl import Kubectl, kubectl
from tests.lab import test_data_faults as data
from tests.lab.kubernetes import test_bad_releases as releases
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

__all__ = ["kubectl"]

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(300)]


def one_node_sealed(lab: LabHandle) -> bool:
    return [lab.bao(ordinal, "status").returncode for ordinal in range(3)].count(2) == 1


def no_slot_left(lab: LabHandle) -> bool:
    try:
        lab.psql("SELECT 1", role="alphapulse_app")
    except subprocess.CalledProcessError as refused:
        return "remaining connection slots are reserved" in refused.stderr
    return False


DATA = {case.fault: case.shows for case in data.CASES if not case.parameter}
SHOWS: dict[str, Callable[[LabHandle], bool]] = {
    "vault-sealed-one": one_node_sealed,
    "connection-storm": no_slot_left,
    "replica-lag": DATA["replica-lag"],
    "lock-chain": DATA["lock-chain"],
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vault-sealed-one", "connection-storm"),
        ("api-crashloop-database", "replica-lag"),
        ("lock-chain", "bad-release-errors"),
    ],
)
def test_two_faults_show_and_are_mended_side_by_side(
    whole_lab: LabHandle, kubectl: Kubectl, one: str, other: str
) -> None:
    for fault in (one, other):
        whole_lab.break_(fault)
    assert [fault.split()[0] for fault in whole_lab.status().faults] == [one, other]
    for fault in (one, other):
        if fault in releases.RELEASES:
            releases.RELEASES[fault](releases.Seen(whole_lab, kubectl))
        else:
            wait_until(lambda fault=fault: SHOWS[fault](whole_lab), 20, f"the symptom of {fault}")
    assert len(whole_lab.mend()) == 2
    for target in ("postgres", "redis", "vault", "kubernetes", "api"):
        whole_lab.wait_healthy(target)
    assert not one_node_sealed(whole_lab)
    assert not no_slot_left(whole_lab)
    assert len(kubectl.ready("api")) == 3
