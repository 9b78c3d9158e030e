"""docs/pictures/lab.svg: the lab's processes and what talks to what, seen in a running lab.

Part of ``make pictures``; by itself ``python -m tests.lab_picture``.

Processes come from the lab's status; an arrow is a TCP connection that one of them had open to a port on which another one listened, in
one of a few looks. Only where a box stands is chosen here; what is new finds a place by itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import psutil

from tests.lab_handle import LabHandle, running_lab

FILE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "lab.svg"
LOOKS = 20
LOOK_SECONDS = 0.1
PLACES = {
    "edge": (0, 0), "prometheus": (1, 0), "alertmanager": (2, 0), "standins": (3, 0),
    "api": (0, 1), "exporter": (1, 1), "kubernetes": (2, 1), "lab": (3, 1),
    "postgres": (0, 2), "redis": (1, 2), "vault": (2, 2), "backup-agent": (3, 2), "s3": (3, 3),
}  # fmt: skip
"""Column and row of a box: who asks stands above or beside whom it asks."""
NOTES = {
    "lab": ("with supervisor, faults,", "node agent (kubelet)"),
    "standins": ("Slack, PagerDuty, status page,", "Loki, Grafana, Sentry, ..."),
}
"""What is said of a box beside the names of its processes."""
COLUMNS, WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 4, 210, 92, 70, 70, 20


@dataclass(frozen=True)
class Seen:
    """A lab as it was seen."""

    boxes: Mapping[str, tuple[str, ...]]
    """Box to the names of its processes."""
    arrows: frozenset[tuple[str, str]]
    """(who connected, who listened)."""


def write(lab: LabHandle) -> None:
    """Draw what is seen of a running lab."""
    FILE.write_text(draw(look(lab)), encoding="utf-8")


def look(lab: LabHandle) -> Seen:
    """Look at a running lab some times: connections come and go."""
    status = lab.status()
    owners: dict[int, str] = {status.pid: "lab", status.warden: "lab"}
    names: dict[str, list[str]] = {"lab": ["warden", "daemon"]}
    for one in status.processes:
        if one.state == "running":
            box = one.name if one.name in PLACES else one.target or one.name
            owners[one.pid] = box
            names.setdefault(box, []).append(one.name)
    arrows: set[tuple[str, str]] = set()
    for _ in range(LOOKS):
        arrows |= _arrows(owners)
        time.sleep(LOOK_SECONDS)
    return Seen({box: tuple(_short(found)) for box, found in names.items()}, frozenset(arrows))


def _arrows(owners: Mapping[int, str]) -> set[tuple[str, str]]:
    """Connections between boxes that are open now."""
    listening: dict[int, str] = {}
    opened: list[tuple[str, int, int]] = []
    for one in psutil.net_connections("tcp"):
        box = _owner(one.pid, owners)
        if box and one.status == psutil.CONN_LISTEN:
            listening[one.laddr.port] = box
        elif box and one.raddr:
            opened.append((box, one.laddr.port, one.raddr.port))
    return {
        (box, listening[to])
        for box, own, to in opened
        if to in listening and own not in listening and listening[to] != box
    }


def _owner(pid: int | None, owners: Mapping[int, str]) -> str:
    """The box of a process, or of the nearest one above it (PostgreSQL's backends); empty for strangers."""
    try:
        while pid and pid not in owners:
            pid = psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return ""
    return owners[pid] if pid else ""


def _short(names: Iterable[str]) -> list[str]:
    """``redis-cluster-0 ... 5`` is one line, and so are the pods of a Deployment."""
    groups: dict[str, list[str]] = {}
    for name in names:
        stem = re.sub(r"(-[0-9a-z]{6,10}-[0-9a-z]{5}|-\d+)$", "", name)
        groups.setdefault(stem, []).append(name)
    return [
        found[0] if len(found) == 1 else f"{stem} x {len(found)}" for stem, found in sorted(groups.items())
    ]  # fmt: skip


def draw(seen: Seen) -> str:
    """The picture as SVG."""
    places = _places(seen.boxes)
    rows = 1 + max(row for _, row in places.values())
    width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP_X
    height = 2 * MARGIN + rows * HEIGHT + (rows - 1) * GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        "<title>The lab: its processes, and who connects to whom</title>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#5b6b7b"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    parts += [_arrow(places[one], places[other]) for one, other in sorted(seen.arrows)]
    parts += [_box(name, lines, places[name]) for name, lines in sorted(seen.boxes.items())]
    return "\n".join([*parts, "</svg>", ""])


def _places(boxes: Mapping[str, object]) -> dict[str, tuple[int, int]]:
    """Where each box stands; those that nobody has placed fill the free places from the last row on."""
    places = {name: PLACES[name] for name in boxes if name in PLACES}
    taken, rows = set(places.values()), 1 + max(row for _, row in PLACES.values())
    free = (
        (column, row) for row in range(rows - 1, rows + 50) for column in range(COLUMNS) if (column, row) not in taken
    )
    return places | {name: next(free) for name in sorted(boxes) if name not in PLACES}


def _corner(place: tuple[int, int]) -> tuple[float, float]:
    return MARGIN + place[0] * (WIDTH + GAP_X), MARGIN + place[1] * (HEIGHT + GAP_Y)


def _box(name: str, lines: tuple[str, ...], place: tuple[int, int]) -> str:
    x, y = _corner(place)
    own = () if lines == (name,) else lines
    text = [f'<text x="{x + 12}" y="{y + 22}" font-weight="bold" font-size="14">{escape(name)}</text>']
    text += [
        f'<text x="{x + 12}" y="{y + 42 + 16 * number}" fill="#33414e">{escape(line)}</text>'
        for number, line in enumerate((*own, *NOTES.get(name, ()))[-4:])
    ]
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3f8" stroke="#8fa3b5"/>'
        + "".join(text)
    )


def _arrow(one: tuple[int, int], other: tuple[int, int]) -> str:
    """From border to border along the line between the middles; over the heads of those that stand between in one row."""
    (x1, y1), (x2, y2) = ((x + WIDTH / 2, y + HEIGHT / 2) for x, y in map(_corner, (one, other)))
    dx, dy = x2 - x1, y2 - y1
    if dy == 0 and abs(one[0] - other[0]) > 1:
        top, above = y1 - HEIGHT / 2, y1 - HEIGHT / 2 - GAP_Y / 3
        path = f"M{x1:.0f} {top:.0f}V{above:.0f}H{x2 + 30:.0f}V{top:.0f}"
    else:
        share = min(WIDTH / 2 / abs(dx) if dx else 9.0, HEIGHT / 2 / abs(dy) if dy else 9.0)
        path = f"M{x1 + dx * share:.0f} {y1 + dy * share:.0f}L{x2 - dx * share:.0f} {y2 - dy * share:.0f}"
    return f'<path d="{path}" fill="none" stroke="#5b6b7b" stroke-width="1.3" marker-end="url(#a)"/>'


if __name__ == "__main__":
    with running_lab() as running:
        running.wait()
        write(running)
