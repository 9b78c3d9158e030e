"""Each of the targets that stand on Kubernetes and the monitoring, frozen: it says so, and is whole again after the thaw."""

from __future__ import annotations

import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.matrix import quick
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.mark.parametrize("target", quick(["kubernetes", "api", "prometheus", "alertmanager"], {"api"}))
def test_a_frozen_target_says_so_and_thaws(whole_lab: LabHandle, kubectl: Kubectl, target: str) -> None:
    whole_lab.wait(target, timeout=90.0)

    def complaint() -> str:
        return next(one.health for one in whole_lab.status(with_health=True).targets if one.name == target)

    whole_lab.break_("target-hung", target)
    assert complaint()
    whole_lab.mend("target-hung", target)
    assert complaint() == ""
    wait_until(lambda: len(kubectl.ready("api")) == 3, 60, "the API's pods to be ready")
