"""Whose turn it is: the share of the traffic that each app gets, and its ready pods, one after the other.

Both come from files that are read again when they change: ``routes.json`` has the weights (:mod:`alphapulse_tui.lab.kubernetes.mesh`), and
``ready/<app>.json`` the addresses (the node agent). The shares are exact and not drawn: of 100 requests a weight of 5 gets five, evenly spread
(the smooth weighted round robin of nginx, commit 52327e0), so that a canary's share can be counted after seconds.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

DEFAULT_APP = "api"
"""Gets everything where there are no weights: without Kubernetes, and before it is there."""


class Watched:
    """The JSON of a file, read again when the file has changed; none while there is no such file or no JSON in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = 0
        self._content: Any = None

    def read(self) -> tuple[Any, bool]:
        """The content, and whether it is another than at the last time."""
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed == self._seen:
            return self._content, False
        self._seen, self._content = changed, None
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._content = json.loads(self._file.read_text(encoding="utf-8"))
        return self._content, True


class Pods:
    """The ready pods of one app."""

    def __init__(self, file: Path) -> None:
        self._file = Watched(file)
        self._addresses: list[str] = []
        self._turn = 0

    def in_turn(self) -> list[str]:
        """All addresses, beginning with the next in turn."""
        entries, changed = self._file.read()
        if changed:
            self._addresses = [entry["targets"][0] for entry in entries or []]
        if not self._addresses:
            return []
        self._turn = (self._turn + 1) % len(self._addresses)
        return self._addresses[self._turn :] + self._addresses[: self._turn]


class Split:
    """The apps by weight."""

    def __init__(self, folder: Path, routes: str = "routes.json") -> None:
        self._routes = Watched(folder / routes)
        self._ready = folder / "ready"
        self._pods: dict[str, Pods] = {}
        self._weights = {DEFAULT_APP: 1}
        self._credit = {DEFAULT_APP: 0}

    def next_app(self) -> str:
        """Who gets this request; the empty string when every weight is 0."""
        routes, changed = self._routes.read()
        if changed:
            self._weights = {one["app"]: one["weight"] for one in routes or [{"app": DEFAULT_APP, "weight": 1}]}
            self._credit = dict.fromkeys(self._weights, 0)
        total = sum(self._weights.values())
        if not total:
            return ""
        for app, weight in self._weights.items():
            self._credit[app] += weight
        chosen = max(self._credit, key=lambda app: self._credit[app])
        self._credit[chosen] -= total
        return chosen

    def pods(self, app: str) -> list[str]:
        """Addresses of an app's ready pods, beginning with the next in turn."""
        if app not in self._pods:
            self._pods[app] = Pods(self._ready / f"{app}.json")
        return self._pods[app].in_turn()
