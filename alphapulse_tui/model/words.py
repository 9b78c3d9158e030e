"""Figures as people read them: ages, durations, sizes, times of day. Used by panels, headless tables and the postmortem."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86400


def age(seconds: float) -> str:
    """A duration in its largest fitting unit, kubectl's way.

    >>> age(0.4), age(59), age(61), age(7300), age(200000)
    ('0s', '59s', '1m', '2h', '2d')
    """
    whole = int(max(0.0, seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h"
    return f"{whole // DAY}d"


def clock(seconds: float) -> str:
    """A duration as a clock counts it.

    >>> clock(41), clock(3725)
    ('00:41', '1:02:05')
    """
    whole = int(max(0.0, seconds))
    hours, rest = divmod(whole, HOUR)
    minutes, left = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def size(count: float) -> str:
    """Bytes in binary units.

    >>> size(0), size(1536), size(3 * 1024**3)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def utc(unix_seconds: float) -> str:
    """A moment as the time of day in UTC.

    >>> utc(0)
    '00:00:00Z'
    """
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%H:%M:%SZ")


def figure(value: float | None, unit: str) -> str:
    """A metric with its unit; a missing one says so, because absent is not zero.

    >>> figure(812.4, "ms"), figure(0.123, "%"), figure(None, "ms")
    ('812ms', '0.12%', 'no data')
    """
    if value is None:
        return "no data"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text}{unit}"


def bar(percent: float, width: int) -> str:
    """A gauge of ``width`` cells.

    >>> bar(50, 4)
    '##--'
    """
    filled = max(0, min(width, round(percent / 100 * width)))
    return "#" * filled + "-" * (width - filled)


def many(count: int, thing: str) -> str:
    """A number of things.

    >>> many(1, "lock"), many(3, "lock")
    ('1 lock', '3 locks')
    """
    return f"{count} {thing}" if count == 1 else f"{count:,} {thing}s"
