"""What every action that speaks to the API server shares: one connection, opened when it is first needed."""

from __future__ import annotations

from alphapulse_tui.actions.contract import Action
from alphapulse_tui.actions.kubernetes_link import WriteLink
from alphapulse_tui.config.settings import Profile


class KubernetesAction(Action):
    """An action with a way to the API server. One on another target that needs it too (a Vault pod's restart) names this class first."""

    target = "kubernetes"

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._opened: WriteLink | None = None

    @property
    def link(self) -> WriteLink:
        """The way to the API server.

        Raises:
            ActionProblem: the profile has no cluster.
        """
        if self._opened is None:
            self._opened = WriteLink(self.profile)
        return self._opened

    async def close(self) -> None:
        """Close connections."""
        if self._opened is not None:
            await self._opened.close()
        await super().close()
