"""How well something is, and how several judgements roll up into one.

Used by every snapshot's rules, the verdict line, the headless ``status`` command and the panels' words and colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Health(Enum):
    """One judgement. ``UNKNOWN`` means *not verified*: it is never drawn green and never rolls up into ``OK``."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def urgency(self) -> int:
        """Place in a worst-first order: critical, unknown, warning, ok (3 to 0)."""
        return _URGENCY[self]


_URGENCY = {Health.OK: 0, Health.WARNING: 1, Health.UNKNOWN: 2, Health.CRITICAL: 3}


def worst(healths: Iterable[Health]) -> Health:
    """The most urgent of ``healths``; of none at all it is ``UNKNOWN``, because nothing was verified.

    >>> worst([Health.OK, Health.UNKNOWN]).value
    'unknown'
    """
    return max(healths, key=lambda health: health.urgency, default=Health.UNKNOWN)


class Severity(Enum):
    """The runbook's four incident severities (runbook 1.1)."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @property
    def urgency(self) -> int:
        """3 for P0 down to 0 for P3."""
        return 3 - int(self.value[1])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found wrong, said in the words of the trade.

    ``subject`` names the object as the target does (``vault-1``, ``pid 4121``); ``sentence`` is shown in the verdict line as it stands;
    ``procedure`` is the id of the procedure that mends it, or empty; ``severity`` is what the runbook makes of it (runbook 4.2), or none.
    """

    target: str
    health: Health
    sentence: str
    subject: str = ""
    procedure: str = ""
    severity: Severity | None = None
    source: str = ""
    """Where the rule comes from: ``runbook 4.2``."""
    values: tuple[tuple[str, str], ...] = ()
    """What the procedure is opened with, parameter to value: the object that this is about."""
