"""The kubelet's words of a container that never ran become names: the image and why, the Secret, the key and the variable."""

from __future__ import annotations

import pytest

from alphapulse_tui.model.api import Variable
from alphapulse_tui.model.never_ran import why_never_ran

VARIABLES = (
    Variable("SIGNING_KEY", "Secret signing (not read)", ("Secret", "signing"), "key"),
    Variable("OLD_KEY", "Secret signing (not read)", ("Secret", "signing"), "old"),
    Variable("LIMITS", "ConfigMap p", ("ConfigMap", "p"), "LIMITS"),
)
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/corp/api:v9": '
    'failed to resolve reference "docker.io/corp/api:v9": docker.io/corp/api:v9: not found'
)


@pytest.mark.parametrize(
    ("waiting", "message", "words"),
    [
        ("ErrImagePull", NOT_FOUND, "image corp/api:v9 cannot be pulled: the registry has no such image or tag"),
        ("ImagePullBackOff", f'Back-off pulling image "corp/api:v9": ErrImagePull: {NOT_FOUND}', "no such image or tag"),
        # Kubelets before 1.31 do not repeat the reason.
        ("ImagePullBackOff", 'Back-off pulling image "corp/api:v9"', 'does not say why: the events may (Back-off pulling image "corp/api:v9")'),
        ("ErrImagePull", "pull access denied, repository does not exist or may require authorization", "the registry refuses"),
        ("ErrImagePull", "toomanyrequests: You have reached your pull rate limit", "limits how often"),
        ("ErrImagePull", 'Get "https://r.example/v2/": dial tcp: lookup r.example: no such host', "cannot be reached from the node"),
        ("InvalidImageName", "couldn't parse image name", "it is no valid name of an image"),
        ("CreateContainerConfigError", 'secret "signing" not found', 'Secret "signing" is not there, and its variable SIGNING_KEY, OLD_KEY asks'),
        ("CreateContainerConfigError", "couldn't find key old in Secret ns/signing", '"signing" has no key "old", and its variable OLD_KEY'),
        ("CreateContainerConfigError", "couldn't find key LIMITS in ConfigMap ns/p", 'ConfigMap "p" has no key "LIMITS"'),
        ("CreateContainerConfigError", 'configmap "other" not found', 'ConfigMap "other" is not there'),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "runAsNonRoot"),
    ],
)  # fmt: skip
def test_the_reason_is_told_by_name(waiting: str, message: str, words: str) -> None:
    assert words in why_never_ran(waiting, message, "corp/api:v9", VARIABLES)


def test_the_name_of_an_image_is_no_reason() -> None:
    said = why_never_ran("ErrImagePull", 'image "corp/denied:v1": i/o timeout', "corp/denied:v1")
    assert said == "image corp/denied:v1 cannot be pulled: the registry cannot be reached from the node"
