"""What the faults ``target-slow``, ``target-garbled`` and ``target-refusing`` share: a toxic of the fault proxy before a target."""

from __future__ import annotations

from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import TARGETS, Lab
from alphapulse_tui.lab.proxy.table import make_toxic


class ProxiedTarget:
    """A fault that is one toxic."""

    mended_by = "taking the proxy away (`alphapulse lab mend`)"
    parameters = tuple(TARGETS)

    def __init__(self, name: str, summary: str, toxic: str, options: dict[str, str] | None = None) -> None:
        self.name = name
        self.summary = summary
        self._toxic = toxic
        self._options = options or {}

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Put the proxy before the target.

        Raises:
            LabError: Another toxic is there already, or the target has no server that listens.
        """
        there = [one for one in lab.fronts.active() if one.split()[0] == parameter]
        if there:
            raise LabError(f"A proxy stands before {parameter} already ({there[0]}): `alphapulse lab mend all` first.")
        return await lab.fronts.put(parameter, self._toxic, make_toxic(self._toxic, self._options))

    async def mend(self, lab: Lab, parameter: str) -> None:
        """Take the proxy away and wait until the target is whole; nothing happens to a proxy that somebody else put there."""
        if f"{parameter} {self._toxic}" in lab.fronts.active():
            await lab.fronts.take_away(parameter)
        await lab.healthy(parameter)
