"""The target ``api`` answers for itself, not for what it stands on."""

from __future__ import annotations

import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle

pytestmark = pytest.mark.lab


@pytest.mark.long
def test_a_sealed_vault_is_the_vaults_complaint(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    assert kubectl.ready("api")
    whole_lab.break_("vault-sealed-all")
    whole_lab.break_("target-hung", "api")
    assert whole_lab.mend("target-hung", "api") == ["target-hung api"]
    assert {one.name: one.health for one in whole_lab.status(with_health=True).targets}["api"] == ""
    assert whole_lab.mend() == ["vault-sealed-all"]
