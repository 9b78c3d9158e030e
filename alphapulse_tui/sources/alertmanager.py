"""Alertmanager's API v2 as it is written on the wire: alerts and silences. Read by ``sources.alerts``, and by ``actions.silences`` before and
after a change.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from alphapulse_tui.model.alerts import Silence
from alphapulse_tui.model.silences import quoted
from alphapulse_tui.text import clean

ALERTS = "/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true"
SILENCES = "/api/v2/silences"
SILENCE = "/api/v2/silence/"

SUPPRESSED = "suppressed"
"""``status.state`` of an alert that notifies nobody."""

IN_FORCE = "active"
"""``status.state`` of a silence that suppresses; the others are ``pending`` and ``expired``."""


class AlertStatus(msgspec.Struct, rename="camel"):
    """Whether an alert notifies anybody."""

    state: str = ""
    silenced_by: list[str] = []
    inhibited_by: list[str] = []


class ManagedAlert(msgspec.Struct, rename="camel"):
    """An alert of Alertmanager."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    status: AlertStatus = msgspec.field(default_factory=AlertStatus)


class Matcher(msgspec.Struct, rename="camel"):
    """One condition on a label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True
    """Alertmanager before 0.22 leaves it out: then it is true."""

    @property
    def text(self) -> str:
        """As amtool writes it; for showing only."""
        operator = ("=~" if self.is_equal else "!~") if self.is_regex else ("=" if self.is_equal else "!=")
        return clean(f"{self.name}{operator}{quoted(self.value)}", 512)


class SilenceStatus(msgspec.Struct):
    """Where a silence stands."""

    state: str = ""


class ManagedSilence(msgspec.Struct, rename="camel"):
    """A silence of Alertmanager."""

    id: str
    matchers: list[Matcher]
    ends_at: datetime
    updated_at: datetime
    created_by: str = ""
    comment: str = ""
    status: SilenceStatus = msgspec.field(default_factory=SilenceStatus)

    @property
    def in_force(self) -> bool:
        """Whether it suppresses now."""
        return self.status.state == IN_FORCE

    def means(self, matchers: tuple[tuple[str, str], ...]) -> bool:
        """Whether it means just these labels by equality, and nothing else."""
        plain = all(one.is_equal and not one.is_regex for one in self.matchers)
        return plain and tuple(sorted((one.name, one.value) for one in self.matchers)) == matchers


def shown(silence: ManagedSilence) -> Silence:
    """As the model has it, its texts made harmless."""
    return Silence(
        id=clean(silence.id, 64),
        matchers=tuple(one.text for one in silence.matchers),
        created_by=clean(silence.created_by, 128),
        comment=clean(silence.comment, 512),
        ends_at=silence.ends_at.timestamp(),
    )
