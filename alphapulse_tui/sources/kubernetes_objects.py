"""Reading single objects and lists for the surveys: raw JSON, one object at a time, and a refusal that leaves the rest standing.

The panels' source watches; surveys look only while somebody does, so they list and forget. Used by ``sources.kubernetes_events``,
``sources.kubernetes_capacity``, ``sources.api_crash`` and ``sources.api_logs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from alphapulse_tui.sources.contract import Denied, SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_link import Gone, Link
from alphapulse_tui.text import clean

Object = dict[str, Any]


class Objects:
    """The namespace's objects. ``missing`` collects what could not be read, one sentence each; :meth:`begin` empties it."""

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        self.link = Link(kubeconfig, context)
        self.namespace = namespace
        self.missing: list[str] = []

    def begin(self) -> None:
        """A new reading."""
        self.missing = []

    def path(self, group: str, plural: str, name: str = "") -> str:
        """``/apis/apps/v1/namespaces/N/deployments/api`` for ``group`` ``/apis/apps/v1``."""
        return f"{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def read(self, path: str, grant: str, params: Mapping[str, str] | None = None) -> Object:
        """The object at ``path``.

        Raises:
            Denied: we may not; the sentence names the missing grant.
            Unreachable: no answer, or none that is an object.
        """
        try:
            body = await self.link.get(path, grant, params)
            found = msgspec.json.decode(body)
        except Gone:
            raise Unreachable(f"{grant}: the server no longer keeps what was asked for") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as garbled:
            raise Unreachable(f"{grant}: the answer cannot be understood: {clean(garbled, 200)}") from None
        if not isinstance(found, dict):
            raise Unreachable("something answers in the API server's place, but not as it does")
        return found

    async def optional(self, path: str, grant: str, params: Mapping[str, str] | None = None) -> Object | None:
        """The object, or none with its reason in ``missing``: a missing right or API takes only its own part away."""
        try:
            return await self.read(path, grant, params)
        except Denied as refusal:
            self.missing.append(f"missing grant: {clean(refusal)}" if str(refusal) == grant else clean(refusal))
        except SourceProblem as problem:
            self.missing.append(f"{grant}: {clean(problem)}")
        return None

    async def items(self, path: str, grant: str, params: Mapping[str, str] | None = None) -> list[Object] | None:
        """The items of a list, or none with its reason in ``missing``."""
        found = await self.optional(path, grant, {"limit": "500", **(params or {})})
        return None if found is None else [one for one in found.get("items") or [] if isinstance(one, dict)]

    async def text(self, path: str, grant: str, params: Mapping[str, str]) -> bytes:
        """A body that is no JSON: a log. Raises as :meth:`read`."""
        return await self.link.get(path, grant, params)

    async def close(self) -> None:
        """Close connections."""
        await self.link.close()


def metadata(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object's metadata, whatever it is."""
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def named(one: Mapping[str, Any]) -> str:
    """An object's name, clean."""
    return clean(metadata(one).get("name", ""), 256)
