"""Readiness: HTTP and TCP, with the thresholds of the pod's own ``readinessProbe``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import aiohttp

from alphapulse_tui.lab.kubernetes.agent.status import ADDRESS
from alphapulse_tui.lab.kubernetes.client import Object


@dataclass(frozen=True, slots=True)
class Verdict:
    """What changed: the container became ready, or no longer is."""

    ready: bool
    message: str
    """Why not, in the kubelet's words."""


class Prober:
    """Asks HTTP and TCP questions; one session for all pods of the node."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def watch(self, probe: Object, ports: dict[str, int], port: int | None) -> AsyncGenerator[Verdict]:
        """Probe for ever; yields at the first answer that meets a threshold, at every change, and at every failure."""
        period = float(probe.get("periodSeconds", 10))
        failures_needed = int(probe.get("failureThreshold", 3))
        successes_needed = int(probe.get("successThreshold", 1))
        ready, successes, failures = False, 0, 0
        await asyncio.sleep(float(probe.get("initialDelaySeconds", 0)))
        # Until the first success the container is asked more often, so that a start is not rounded up to a period.
        while True:
            problem = await self.ask(probe, ports, port)
            if problem:
                successes, failures = 0, failures + 1
                if failures >= failures_needed:
                    ready = False
                    yield Verdict(ready=False, message=problem)
            else:
                successes, failures = successes + 1, 0
                if successes >= successes_needed and not ready:
                    ready = True
                    yield Verdict(ready=True, message="")
            await asyncio.sleep(period if ready or failures >= failures_needed else min(period, 0.2))

    async def ask(self, probe: Object, ports: dict[str, int], port: int | None) -> str:
        """One question: empty when the container is ready, else why not."""
        timeout = float(probe.get("timeoutSeconds", 1))
        action = probe.get("httpGet") or probe.get("tcpSocket") or {}
        number = _port(action.get("port"), ports, port)
        if number is None:
            return f"Readiness probe errored: no port {action.get('port')!r} in the container"
        try:
            async with asyncio.timeout(timeout):
                if "httpGet" in probe:
                    return await self._http(f"http://{ADDRESS}:{number}{action.get('path', '/')}")
                _, writer = await asyncio.open_connection(ADDRESS, number)
                writer.close()
                return ""
        except TimeoutError:
            return f"Readiness probe failed: no answer from {ADDRESS}:{number} within {timeout:g} s"
        except (OSError, aiohttp.ClientError) as error:
            return f"Readiness probe failed: {error}"

    async def _http(self, url: str) -> str:
        async with self._session.get(url, allow_redirects=False) as response:
            await response.read()
            if 200 <= response.status < 400:
                return ""
            return f"Readiness probe failed: HTTP probe failed with statuscode: {response.status}"


def _port(wanted: object, ports: dict[str, int], only: int | None) -> int | None:
    """The local port behind a probe's port: by name, else the container's only one (its declared number means nothing here)."""
    if isinstance(wanted, str) and wanted in ports:
        return ports[wanted]
    return only
