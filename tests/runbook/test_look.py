"""A check is green only when nothing that it has read is hidden from us."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks.look import look
from alphapulse_tui.runbook.checks.result import CheckResult, Passed, Scene


@dataclass(frozen=True)
class Snapshot:
    missing_grants: tuple[str, ...] = ()


def scene(**missing: str) -> Scene:
    readings = {
        key.replace("_", "-"): Reading(
            key.replace("_", "-"), 5.0, Link.LIVE, 0.0, Snapshot((grant,) if grant else ()), 10.0
        )
        for key, grant in missing.items()
    }
    return Scene(readings, 10.0, 10.0, Thresholds())


def reads(passed: Passed, *keys: str) -> CheckResult:
    def check(moment: Scene) -> CheckResult:
        for key in keys:
            moment.snapshot(key)
        return CheckResult(passed, "said", value="well")

    return look(check, MOMENT)


MOMENT = scene(
    postgres="GRANT pg_monitor TO oncall",
    postgres_locks="",
    kubernetes="pods [list]",
    api_crash="",
    redis="+info",
    vault="",
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("postgres-locks",), "pg_monitor"),
        (("api-crash", "vault"), "pods [list]"),
    ],
)
def test_what_hides_rows_is_never_green(keys: tuple[str, ...], expected: str) -> None:
    result = reads(Passed.YES, *keys)
    assert (result.passed, result.value) == (Passed.UNKNOWN, "unknown")
    assert expected in result.sentence


def test_what_is_not_known_names_the_grant_and_what_was_found_stays_found() -> None:
    assert "+info" in reads(Passed.UNKNOWN, "redis").sentence
    assert reads(Passed.NO, "postgres") == CheckResult(Passed.NO, "said", value="well")
    assert reads(Passed.YES, "redis").passed is Passed.YES, "Redis tells what it refuses, node by node"
    assert reads(Passed.YES, "vault").passed is Passed.YES


@pytest.mark.parametrize(("written", "found"), [("", 5.0), ("12", 12.0), ("soon", 5.0), ("nan", 5.0), ("1e999", 5.0)])
def test_a_value_that_is_no_number_is_the_default_and_no_crash(written: str, found: float) -> None:
    moment = Scene({}, 0.0, 0.0, Thresholds(), {"idle-seconds": written})
    assert moment.number("idle-seconds", 5.0) == found
