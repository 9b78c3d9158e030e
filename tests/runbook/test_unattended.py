"""Without a screen: what keeps a session from beginning is one sentence."""

from __future__ import annotations

import pytest

from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import UnavailableError
from alphapulse_tui.runbook.deed import Consent
from alphapulse_tui.runbook.unattended import act_unattended
from alphapulse_tui.session import Session


async def test_a_desk_that_dies_of_a_mistake_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(session: Session) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(Session, "open_desk", broken)
    consent = Consent(yes=True)
    with pytest.raises(UnavailableError, match="cannot be read: ZeroDivisionError: a mistake of ours"):
        await act_unattended(Profile(name="bare"), "", "pg.analyze", {}, consent=consent, read_only=False)
