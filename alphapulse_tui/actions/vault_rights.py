"""Whether our token may make a change, asked before a person confirms it: ``sys/capabilities-self``, as the survey of rights asks it."""

from __future__ import annotations

import asyncio

from alphapulse_tui.actions.vault_node import addresses, ca_file, target
from alphapulse_tui.config.discover import vault as discover
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.errors import AlphaPulseError
from alphapulse_tui.model.rights import NEEDS
from alphapulse_tui.sources.contract import SourceProblem
from alphapulse_tui.sources.vault import Address
from alphapulse_tui.sources.vault_rights import VaultRightsSource


async def forbidden(profile: Profile, action: str) -> str:
    """The grants that the token lacks for ``action`` (its id), as a sentence; empty when it lacks none, and where it cannot be asked: the
    leader itself says so then.
    """
    try:
        credential = await asyncio.to_thread(discover.token, target(profile))
    except AlphaPulseError:
        return ""
    if credential is None:
        return ""
    nodes = [Address(name, address) for name, address in addresses(profile)]
    source = VaultRightsSource(nodes, lambda: credential.load().reveal(), ca_file(profile))
    try:
        survey = await source.read()
    except SourceProblem:
        return ""
    finally:
        await source.close()
    lacks = [grant for right, grant in survey.missing if right in NEEDS[action]]
    return f"our Vault token may not do that: it needs {'; '.join(lacks)}" if lacks else ""
