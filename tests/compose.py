"""The platform as containers (docker-compose.test.yml): ``ALPHAPULSE_LAB=compose`` points the fixture ``lab`` at it.

``python -m tests.compose up | down`` does by hand what the fixture does. Passwords and configurations are made by the lab's own code, with
fixed ports, in a directory that the containers mount at the same path; the servers are filled by the lab's own code too, over those ports.
No faults and no pods: who breaks the lab, and what runs the images of the platform, are processes of the lab itself.

What can be proven without an engine is proven in tests/lab/test_compose.py; no engine has run this where it was written.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alphapulse_tui.lab import database, postgres, redis, vault
from alphapulse_tui.lab.control import LabStatus, TargetLine
from alphapulse_tui.lab.directory import LabDirectory, write_private
from alphapulse_tui.lab.errors import LabError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.profile import write_profile
from tests.lab_handle import LabHandle

FILE = Path(__file__).resolve().parent.parent / "docker-compose.test.yml"
VARIABLE = "ALPHAPULSE_COMPOSE_DIRECTORY"
TARGETS = ("postgres", "redis", "vault", "kubernetes", "prometheus", "alertmanager")
PORTS = {
    "postgres-primary": 15432,
    "postgres-replica-0": 15433,
    **{f"redis-cluster-{n}": 16379 + n for n in range(redis.NODES)},
    **{f"vault-{n}": 18200 + n for n in range(vault.NODES)},
    "s3": 19000,
    "prometheus": 19090,
    "alertmanager": 19093,
    "kube-apiserver": 16443,
}
"""As the Compose file publishes them on 127.0.0.1."""
FILLED_LATER = "postgres-replica-0"
"""Waits for the role that it replicates as, which the filling makes."""
_UP_SECONDS = 600.0
"""The first time the images are pulled."""

_HOST_BASED_ACCESS = """\
# As in the lab, but clients of the host come from the engine's gateway and not from 127.0.0.1.
local all          all                  scram-sha-256
host  all          postgres   0.0.0.0/0 reject
host  replication  replicator 0.0.0.0/0 scram-sha-256
host  all          all        0.0.0.0/0 scram-sha-256
"""


def prepare(directory: LabDirectory) -> Lab:
    """Make everything that the containers mount: passwords, configurations, sockets' folder; returns the lab to fill them with."""
    directory.prepare()
    write_private(directory.root / "ports.json", json.dumps(PORTS))
    lab = Lab(directory)
    for role in ("postgres", *postgres.ROLES):
        password = lab.credentials.password(f"postgres-{role}")
        lab.credentials.keep(f"pgpass-{role}", f"127.0.0.1:*:*:{role}:{password}")
    lab.credentials.password("s3-secret-key")
    for shared in ("postgres-postgres", "postgres-replicator", "s3-secret-key"):
        # The servers of these images are not root; the folder above is closed to everybody else on this machine.
        lab.credentials.path(shared).chmod(0o644)
    (directory.root / "pg_hba.conf").write_text(_HOST_BASED_ACCESS, encoding="utf-8")
    directory.data("postgres", "s").chmod(0o777)
    directory.data("kubernetes")
    for ordinal in range(redis.NODES):
        redis.node_spec(lab, ordinal)
    for ordinal in range(vault.NODES):
        vault.node_spec(lab, ordinal)
        configuration = directory.root / "vault" / str(ordinal) / "vault.hcl"
        # Behind a published port a server must listen on the namespace's own address too.
        write_private(
            configuration, configuration.read_text().replace('address         = "127.0.0.1:', 'address = "0.0.0.0:')
        )
    write_profile(lab)
    return lab


def compose(directory: LabDirectory, *words: str) -> None:
    """One ``docker compose`` command on the file.

    Raises:
        LabError: There is no Docker with Compose here, or it failed; carries its last line.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise LabError(
            "ALPHAPULSE_LAB=compose needs docker on the PATH: install Docker with Compose, or unset the variable."
        )
    done = subprocess.run(
        [docker, "compose", "--file", str(FILE), *words],
        env={**os.environ, VARIABLE: str(directory.root)},
        capture_output=True,
        text=True,
        timeout=_UP_SECONDS,
        check=False,
    )
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no word")
        raise LabError(f"docker compose {words[0]} ended with {done.returncode}: {last.strip()}")


async def fill(lab: Lab) -> None:
    """Roles, rows, cluster, keys, seals and secrets, by the lab's own code."""
    passwords = {role: lab.credentials.password(f"postgres-{role}") for role in postgres.ROLES}
    await database.fill(lambda name: postgres.connect(lab, "postgres", database=name), postgres.DATABASE, passwords)
    await redis.form_cluster(lab)
    await redis.write_keys(lab)
    await vault.initialise(lab)
    await asyncio.gather(vault.furnish(lab), *(vault.join(lab, ordinal) for ordinal in range(1, vault.NODES)))


def up(directory: LabDirectory) -> None:
    """Start and fill the containers; returns when all are healthy."""
    lab = prepare(directory)
    compose(directory, "up", "--detach", "--wait", "--scale", f"{FILLED_LATER}=0")
    asyncio.run(fill(lab))
    compose(directory, "up", "--detach", "--wait")
    folder = directory.root / "kubernetes"
    for user in ("oncall", "viewer"):
        # k3s signs no certificates for users of ours: the cockpit is its administrator here.
        shutil.copy(folder / "admin.kubeconfig", folder / f"{user}.kubeconfig")


def down(directory: LabDirectory) -> None:
    """End and forget the containers and their volumes."""
    compose(directory, "down", "--volumes", "--timeout", "5")


class ComposeHandle(LabHandle):
    """The containers as a lab: the same clients, without a daemon behind them."""

    def status(self, *, with_health: bool = False) -> LabStatus:
        """Everything is ready: ``up`` has waited for it. Health is what the tests' own clients see."""
        now = time.time()
        targets = [TargetLine(name, "ready", "a container", now, "") for name in TARGETS]
        return LabStatus(str(self.directory), str(self.profile), 0, 0, now, True, targets, [], [], PORTS, [])

    def break_(self, fault: str, parameter: str = "") -> str:
        """Refuse."""
        raise LabError(f"{fault} cannot be injected into containers: faults are the lab's own (unset ALPHAPULSE_LAB).")

    def mend(self, fault: str = "all", parameter: str = "") -> list[str]:
        """Nothing is ever broken."""
        return []


@contextmanager
def running_compose() -> Iterator[ComposeHandle]:
    """The containers for a pytest session."""
    directory = LabDirectory(Path(tempfile.mkdtemp(prefix="apcompose-")))
    try:
        up(directory)
        yield ComposeHandle(directory)
    finally:
        down(directory)
        directory.remove()


def main(words: list[str]) -> int:
    """``up`` or ``down``; the directory is ``ALPHAPULSE_COMPOSE_DIRECTORY`` or one below the temporary folder."""
    place = LabDirectory(Path(os.environ.get(VARIABLE, "") or Path(tempfile.gettempdir()) / "alphapulse-compose"))
    if words not in (["up"], ["down"]):
        sys.stderr.write("usage: python -m tests.compose up|down\n")
        return 64
    try:
        (up if words == ["up"] else down)(place)
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    print(place.profile)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
