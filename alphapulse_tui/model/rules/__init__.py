"""The health rules: pure functions from a snapshot and thresholds to findings, worst first.

One module a target, named as its snapshot's. Where age matters the caller hands over ``now``; nothing here reads a clock. A missing grant
is a finding, never silence; what could not be asked is an *unknown* finding, never green.
"""

from __future__ import annotations

from collections.abc import Iterable

from alphapulse_tui.model.health import Finding, Health


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """``findings`` by urgency, then severity; equals stay in their order."""
    return tuple(
        sorted(findings, key=lambda found: (-found.health.urgency, -found.severity.urgency if found.severity else 1))
    )


def missing(target: str, grants: Iterable[str], source: str) -> list[Finding]:
    """A warning for each grant that we lack: what we cannot see must not look well."""
    return [
        Finding(target, Health.WARNING, f"not everything can be read: {grant}", subject=grant, source=source)
        for grant in grants
    ]


def span(seconds: float) -> str:
    """A duration in its largest whole unit, so that a sentence changes no more often than its reader's judgement would.

    >>> span(42), span(200), span(7300), span(200_000)
    ('42 s', '3 min', '2 h', '2 d')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
