"""For how long an alert may be silenced, and how a silence's matchers are written.

Read by ``actions.silences``, by the fixes menu and by the screen that asks. Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

DURATIONS: dict[str, int] = {"30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400}
"""What may be chosen; 4 hours at most: a silence that outlives its incident hides the next one (facts 4.2)."""


def choices(wall: float) -> tuple[tuple[str, str], ...]:
    """Each duration with the moment at which it would end, were it given at ``wall`` (unix seconds).

    >>> choices(0)[0]
    ('30m', 'until 00:30Z')
    """
    return tuple(
        (name, f"until {datetime.fromtimestamp(wall + seconds, UTC):%H:%MZ}") for name, seconds in DURATIONS.items()
    )


def exactly(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The matchers that mean just the alert with these labels: every label equal, none by a pattern; sorted by name.

    A label without a value is left out: for Alertmanager it is no label, and a matcher of it would match nothing more or less.
    """
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def written(matchers: Sequence[tuple[str, str]]) -> str:
    """Matchers as amtool and Alertmanager's page write them.

    >>> written([("alertname", "APIDown"), ("pod", 'a"b')])
    'alertname="APIDown" pod="a\\\\"b"'
    """
    return " ".join(f"{name}={quoted(value)}" for name, value in matchers)


def quoted(value: str) -> str:
    """A label's value between quotation marks."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
