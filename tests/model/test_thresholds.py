from __future__ import annotations

from dataclasses import fields, replace

import pytest

from alphapulse_tui.model.thresholds import ORDERED, PERCENTAGES, Thresholds

NAMES = {field.name for field in fields(Thresholds)}


def test_the_defaults_do_not_contradict_each_other() -> None:
    assert Thresholds().contradictions() == []


def test_the_runbooks_own_numbers() -> None:
    t = Thresholds()
    assert (t.postgres_slots_critical, t.redis_memory_critical, t.api_error_rate_critical) == (80, 90, 0.5)  # 4.2
    assert (t.api_p99_critical, t.api_no_ready_pod) == (500, 120)  # 4.2
    assert (t.postgres_idle, t.postgres_slow_query, t.postgres_replica_lag_critical) == (600, 1, 60)  # 2.1
    assert (t.redis_memory_warning, t.redis_hit_rate_warning) == (80, 85)  # 2.2
    assert (t.vault_latency_critical, t.api_error_rate_healed) == (500, 0.1)  # 2.3, 1.2
    assert (t.postgres_backup_age, t.redis_backup_age, t.vault_backup_age) == (900, 3600, 86400)  # 5.1


def test_every_rule_is_about_a_threshold_and_every_pair_has_one() -> None:
    assert NAMES >= PERCENTAGES
    assert {name for pair in ORDERED for name in pair} <= NAMES
    pairs = {(name, name.replace("_warning", "_critical")) for name in NAMES if name.endswith("_warning")}
    there = {pair for pair in pairs if pair[1] in NAMES}
    assert there <= {*ORDERED, *((high, low) for low, high in ORDERED)}


@pytest.mark.parametrize("pair", ORDERED)
def test_a_pair_the_wrong_way_round(pair: tuple[str, str]) -> None:
    lower, upper = pair
    wrong = replace(Thresholds(), **{lower: 2.0, upper: 1.0})
    assert (lower, f"is 2, beyond {upper} = 1: nothing could ever be a warning") in wrong.contradictions()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (-1.0, "is -1, but must be a number from 0 up"),
        (float("inf"), "is inf, but must be a number from 0 up"),
        (float("nan"), "is nan, but must be a number from 0 up"),
        (100.5, "is 100.5, but is a percentage: 0 to 100"),
    ],
)
def test_a_number_that_cannot_be_meant(value: float, sentence: str) -> None:
    assert replace(Thresholds(), redis_hit_rate_warning=value).contradictions() == [
        ("redis_hit_rate_warning", sentence)
    ]
