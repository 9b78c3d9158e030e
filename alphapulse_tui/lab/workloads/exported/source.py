"""What a source of the exporter is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Key = TypeVar("Key", bound="tuple[str, ...]")
"""The values of a metric's labels."""


class Source(Protocol):
    """Figures of one kind of server."""

    name: str
    """Prefix of its ``_up``: ``pg``, ``redis``, ``vault``, ``kube``."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its client raises when the server cannot be asked."""

    async def figures(self) -> list[Metric]:
        """Ask now; cut off after a second."""

    async def forget(self) -> None:
        """Drop connections that failed, so that the next scrape makes new ones."""


def up(name: str, value: int) -> Metric:
    """``<name>_up``: whether the server could be asked."""
    return gauge(f"{name}_up", "Whether the server answered", no_labels(value))


def gauge(name: str, text: str, values: Mapping[Key, float], labels: tuple[str, ...] = ()) -> Metric:
    """A gauge with a value for each combination of labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def counter(name: str, text: str, values: Mapping[Key, float], labels: tuple[str, ...] = ()) -> Metric:
    """A counter; ``name`` without ``_total``."""
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def no_labels(value: float) -> dict[tuple[str, ...], float]:
    """The one value of a metric without labels."""
    return {(): value}
