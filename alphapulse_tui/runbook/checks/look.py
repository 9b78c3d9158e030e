"""Looking with a check, and what a missing grant makes of its answer: what we may not see proves nothing."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.runbook.checks.result import Check, CheckResult, Passed, Scene

HIDES_ROWS = ("postgres", "kubernetes")
"""Targets whose rows are simply not there for who lacks a grant: a session without its state, a namespace without pods."""


def look(check: Check, scene: Scene) -> CheckResult:
    """What ``check`` says now; green only when nothing that it has read is hidden from us, and the missing grant named."""
    scene = replace(scene, seen=set())
    result = check(scene)
    if result.passed is Passed.UNKNOWN and scene.awaited:
        result = replace(result, awaited=True)
    missing = _missing(scene)
    if not missing or result.passed is Passed.NO:
        return result
    names = "; ".join(grant for _, grant in missing)
    if result.passed is Passed.UNKNOWN:
        return replace(result, sentence=f"{result.sentence} (missing right: {names})")
    if any(target in HIDES_ROWS for target, _ in missing):
        said = f"not verified, rows may be hidden from us (missing right: {names}); what is seen: {result.sentence}"
        return replace(result, passed=Passed.UNKNOWN, sentence=said, value="unknown")
    return result


def _missing(scene: Scene) -> list[tuple[str, str]]:
    """Target and grant, of every target that was read or surveyed."""
    targets = dict.fromkeys(target_of(key) for key in sorted(scene.seen))
    found = []
    for key in dict.fromkeys([*targets, *sorted(scene.seen)]):
        reading = scene.readings.get(key)
        grants = getattr(reading.snapshot, "missing_grants", ()) if reading is not None else ()
        found += [(target_of(key), grant) for grant in grants]
    return list(dict.fromkeys(found))


def target_of(key: str) -> str:
    """The target behind a reading: ``postgres-locks`` is of ``postgres``, and what is read of the API's pods of ``kubernetes``."""
    return "kubernetes" if key in ("api-crash", "api-logs") else key.split("-")[0]
