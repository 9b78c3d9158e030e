"""``bad-release-image``: a release of the API whose image is in no registry.

What breaks: the Deployment's template names the tag ``v1.4.3-hotfix``, which nobody has built. One old pod goes, two new ones come, and the
node cannot pull what they are to run.

How it shows: two pods in ErrImagePull and ImagePullBackOff, 0 of 1 ready, without a restart and without a log; the image and why it cannot be
pulled stand in their events; two of three pods serve; after a minute ``ProgressDeadlineExceeded``.

What mends it: rolling back to the revision before, or setting an image that there is. ``lab mend`` puts the image back, and does nothing when a
person has mended it.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.bad_release import Stuck
from alphapulse_tui.lab.kubernetes.client import Object
from alphapulse_tui.lab.kubernetes.images import API_IMAGE

TAG = "v1.4.3-hotfix"
"""No tag of a release (:data:`~alphapulse_tui.lab.kubernetes.images.RELEASE`): nobody has built it."""


class BadReleaseImage(Stuck):
    """See the module."""

    mended_by = "a rollback of Deployment api, or an image that there is"

    def spoiling(self) -> Object:
        """The image."""
        return {"image": f"{API_IMAGE}:{TAG}"}

    def restoring(self, container: Object) -> Object:
        """The image as it was."""
        return {"image": container["image"]}

    def spoils(self, container: Object) -> bool:
        """By its image."""
        return bool(container["image"] == f"{API_IMAGE}:{TAG}")


FAULT = BadReleaseImage(
    "bad-release-image",
    "A release of the API whose image cannot be pulled: its new pods never run.",
    cause=f"release {TAG}",
    reason="ImagePullBackOff",
    broken="its new pods cannot pull their image",
)
