"""Free loopback ports by name, which no other lab of this machine gets, even one that starts at the same moment.

A port that nobody listens on is not yet ours: another lab may have chosen it a second ago and not started its server. So each chosen port
is **claimed**: this process holds a unix socket in the kernel's abstract namespace under a name made of the number. Such a name can be
bound once on a machine, and goes with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
from pathlib import Path

import msgspec

from alphapulse_tui.lab.directory import write_private
from alphapulse_tui.lab.errors import LabError

_FIRST, _COUNT = 15000, 7000
_TRIES = 2000


class Ports:
    """Ports by name, chosen once and remembered in ``ports.json``, so that a pod keeps its port across restarts.

    Programs of the lab that only read them make no claim: that is done for a port that is chosen or renewed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ports: dict[str, int] = {}
        self._claims: dict[int, int] = {}
        """Port to the descriptor that holds its claim."""
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            self._ports = msgspec.json.decode(file.read_bytes(), type=dict[str, int])

    def __getitem__(self, name: str) -> int:
        """The port of that name, chosen now if it has none.

        Raises:
            LabError: There is no free one.
        """
        if name not in self._ports:
            self._ports[name] = self._free()
            self._save()
        return self._ports[name]

    def renew_taken(self) -> None:
        """Claim the remembered ports and forget those that a stranger took since the last lab; before anything of this lab listens."""
        kept = {name: port for name, port in self._ports.items() if _can_listen(port) and self._claim(port)}
        if kept != self._ports:
            self._ports = kept
            self._save()

    def known(self) -> dict[str, int]:
        """All ports given out so far."""
        return dict(self._ports)

    def release(self) -> None:
        """Give the claims back; what listens goes on."""
        for claim in self._claims.values():
            os.close(claim)
        self._claims.clear()

    def _free(self) -> int:
        """A port that is free now, too low to be picked for an outgoing connection, and whose cluster-bus twin (+10000) is free too."""
        taken = set(self._ports.values())
        for _ in range(_TRIES):
            port = _FIRST + secrets.randbelow(_COUNT)
            if port not in taken and _can_listen(port) and _can_listen(port + 10000) and self._claim(port):
                return port
        raise LabError(
            f"No free port on 127.0.0.1 between {_FIRST} and {_FIRST + _COUNT}: stop what occupies them (another lab: `alphapulse lab down`)."
        )

    def _claim(self, port: int) -> bool:
        """Whether the port is this process's now."""
        if port in self._claims:
            return True
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0alphapulse-lab-port-{port}")
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        self._claims[port] = claim.detach()
        return True

    def _save(self) -> None:
        write_private(self._file, json.dumps(self._ports, indent=1) + "\n")


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a connection of the last lab in TIME_WAIT does not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
