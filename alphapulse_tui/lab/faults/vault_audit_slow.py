"""``vault-audit-slow``: Vault's audit device takes up to a seventh of a second for each entry.

What breaks: every node is given an audit device in its configuration (``audit "file"``, read at SIGHUP), whose file is a pipe of one page. What
reads it takes something in 10 ms of each 160 ms only, as a disk that waits for each fsync, or a syslog that is behind.

How it shows: no request is answered before its entry is written, so whatever is audited takes up to a seventh of a second, reads too;
``vault_audit_log_request`` is over 50 ms at the 99th percentile, while ``sys/health``, which is not audited, is as quick as ever.

What mends it: whoever frees the device: procedure ``vault-latency`` tells it apart from slow nodes, and restarts none. ``lab mend`` takes the
device away again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from alphapulse_tui.lab import vault
from alphapulse_tui.lab.errors import FaultRefusedError, NotReadyError
from alphapulse_tui.lab.platform import Lab

_FULL_SECONDS = 0.15
_OPEN_SECONDS = 0.01
"""In which the writers that wait get their turn."""
_PAGE = 4096
"""The smallest pipe that the kernel makes."""
_MARK = "\n# Lab fault vault-audit-slow.\n"
_STANZA = """\
audit "file" "drill" {{
  description = "a slow device"
  options {{
    file_path = "{path}"
  }}
}}
"""
_TAKEN_SECONDS = 20.0


class VaultAuditSlow:
    """See the module."""

    name = "vault-audit-slow"
    summary = "Vault's audit device is slow: whatever is audited takes up to a seventh of a second."
    mended_by = "freeing the device, by procedure vault-latency (`alphapulse lab mend vault-audit-slow`)"
    parameters = ()
    needs = ("vault",)

    def __init__(self) -> None:
        self._taking: asyncio.Task[None] | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Make the pipe, have each node open it, and wait until entries come.

        Raises:
            FaultRefusedError: A node is sealed or does not run.
            NotReadyError: No entry came.
        """
        codes = [await vault.health_code(lab, ordinal) for ordinal in range(vault.NODES)]
        if sorted(codes) != [200, 429, 429]:
            raise FaultRefusedError("Vault is not whole now: `alphapulse lab mend all` first.")
        came = asyncio.Event()
        path = _pipe(lab)
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self._taking = lab.spawn(_take(path, came), "slow audit device")
        for ordinal in range(vault.NODES):
            with _configuration(lab, ordinal).open("a", encoding="utf-8") as file:
                file.write(_MARK + _STANZA.format(path=path))
        leader = codes.index(200)
        _reload(lab, leader)
        end = time.monotonic() + _TAKEN_SECONDS
        while not (came.is_set() and await _has_device(lab, leader)):
            if time.monotonic() > end:
                raise NotReadyError(f"{vault.node_name(leader)} has written no entry within {_TAKEN_SECONDS:.0f} s.")
            await vault.call(lab, leader, "GET", "auth/token/lookup-self", holder="oncall")
            await asyncio.sleep(0.1)
        # The leader makes the device's salt with the first entry. A standby that has not heard of it yet could write none, and would say so.
        made = int((await vault.call(lab, leader, "GET", "sys/leader"))["raft_committed_index"])
        for ordinal in (ordinal for ordinal in range(vault.NODES) if ordinal != leader):
            while int((await vault.call(lab, ordinal, "GET", "sys/leader")).get("raft_applied_index", 0)) < made:
                if time.monotonic() > end:
                    raise NotReadyError(f"{vault.node_name(ordinal)} is behind after {_TAKEN_SECONDS:.0f} s.")
                await asyncio.sleep(0.1)
            _reload(lab, ordinal)
        return f"Vault: the audit device takes up to {_FULL_SECONDS * 1000:.0f} ms for an entry"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Take the device out of the configuration, and stop being slow when nobody has it open any more."""
        for ordinal in range(vault.NODES):
            file = _configuration(lab, ordinal)
            file.write_text(file.read_text(encoding="utf-8").partition(_MARK)[0], encoding="utf-8")
            _reload(lab, ordinal)
        await lab.healthy("vault")
        end = time.monotonic() + _TAKEN_SECONDS
        while any([await _has_device(lab, ordinal) for ordinal in range(vault.NODES)]):
            if time.monotonic() > end:
                raise NotReadyError(f"Vault has kept the audit device for {_TAKEN_SECONDS:.0f} s.")
            await asyncio.sleep(0.1)
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait((self._taking,))
        _pipe(lab).unlink(missing_ok=True)


def _pipe(lab: Lab) -> Path:
    """One for all, on one host: raft holds the device's path, and it must be the same in every node's configuration."""
    return lab.directory.data("vault") / "audit.pipe"


def _configuration(lab: Lab, ordinal: int) -> Path:
    return lab.directory.data("vault", str(ordinal)) / "vault.hcl"


def _reload(lab: Lab, ordinal: int) -> None:
    """Have the node read its configuration again; one that does not run reads it when it starts."""
    process = lab.supervisor.running(vault.node_name(ordinal))
    if process is not None:
        process.signal(signal.SIGHUP)


async def _has_device(lab: Lab, ordinal: int) -> bool:
    if await vault.health_code(lab, ordinal) != 200:
        return False
    return bool((await vault.call(lab, ordinal, "GET", "sys/audit", holder="root")).get("data"))


async def _take(path: Path, came: asyncio.Event) -> None:
    """Keep the pipe full, but for the moments in which those who wait may write."""
    # Both ends are open here, so that it is never without a reader or a writer.
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PAGE)
        filling = b"\n" * _PAGE
        while True:
            with contextlib.suppress(BlockingIOError):
                os.write(pipe, filling)
            await asyncio.sleep(_FULL_SECONDS)
            end = time.monotonic() + _OPEN_SECONDS
            while time.monotonic() < end:
                with contextlib.suppress(BlockingIOError):
                    if os.read(pipe, _PAGE).strip():
                        came.set()
                await asyncio.sleep(0.001)
    finally:
        os.close(pipe)


FAULT = VaultAuditSlow()
