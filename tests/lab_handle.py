"""The fixture ``lab``: one lab of real servers for a whole pytest session, and independent clients to check it with.

The lab is tied to the pytest process and removed at the end. A test that breaks something says so with :meth:`LabHandle.break_`; the
function-scoped fixture ``whole_lab`` mends everything before and after.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.lab import postgres, redis, vault
from alphapulse_tui.lab.control import LabStatus, Request, ask, ask_status
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.launch import end, launch
from tests.waiting import wait_until

CORE = ("postgres", "redis", "vault")


class LabHandle:
    """A living lab: where it is, how to break it, and clients that share no code with the cockpit."""

    def __init__(self, directory: LabDirectory) -> None:
        self.at = directory
        self.directory = directory.root
        self.profile = directory.profile
        self.psql_path = postgres.installed_programs() / "psql"
        self.redis_cli_path = redis.command_line_client()
        self.bao_path = vault.server()

    def status(self, *, with_health: bool = False) -> LabStatus:
        """What the daemon says."""
        return ask_status(self.at, with_health=with_health)

    def wait(self, *targets: str, timeout: float = 90.0) -> None:
        """Wait until these targets are ready (all by default); fail with the sentence of one that failed."""

        def done() -> bool:
            chosen = [one for one in self.status().targets if not targets or one.name in targets]
            for one in chosen:
                assert one.state != "failed", f"{one.name}: {one.sentence}"
            assert len(chosen) >= len(targets), f"the lab lacks one of {targets}"
            return all(one.state == "ready" for one in chosen)

        wait_until(done, timeout, f"{', '.join(targets) or 'all targets'} of the lab", interval=0.2)

    def break_(self, fault: str, parameter: str = "") -> str:
        """Inject a fault and return its sentence."""
        return str(ask(self.at, Request("break", fault, parameter), timeout=120.0))

    def mend(self, fault: str = "all", parameter: str = "") -> list[str]:
        """Undo a fault, or all."""
        mended = ask(self.at, Request("mend", fault, parameter), timeout=120.0)
        return [str(one) for one in mended]

    def save(self) -> str:
        """Save the state, to come back to it."""
        return str(ask(self.at, Request("save"), timeout=300.0))

    def restore(self) -> str:
        """Come back to the saved state."""
        return str(ask(self.at, Request("restore"), timeout=300.0))

    def wait_healthy(self, target: str, timeout: float = 45.0) -> None:
        """Wait until the servers of a target say that all is well."""

        def well() -> bool:
            return {one.name: one.health for one in self.status(with_health=True).targets}[target] == ""

        wait_until(well, timeout, f"{target} to be healthy", interval=0.2)

    @property
    def ports(self) -> dict[str, int]:
        """Ports by name, as the lab keeps them: asking the daemon would have it look through /proc each time."""
        return dict(json.loads((self.directory / "ports.json").read_text()))

    def secret(self, name: str) -> Path:
        """The file of a secret."""
        return self.directory / "secrets" / name

    def psql(self, sql: str, role: str = "oncall", server: str = "postgres-primary") -> str:
        """Run SQL with psql as a role and return its unaligned rows; raises CalledProcessError when it fails."""
        return self._psql(sql, role, "127.0.0.1", server)

    def superuser(self, sql: str) -> str:
        """The same on the primary as the superuser, whose only way in is the socket: what an administrator does meanwhile."""
        lock = self.directory / "postgres" / "postgres-primary" / "postmaster.pid"
        socket_folder = lock.read_text().splitlines()[4]
        return self._psql(sql, "postgres", socket_folder, "postgres-primary")

    def _psql(self, sql: str, role: str, host: str, server: str) -> str:
        environment = {"PGPASSFILE": str(self.secret(f"pgpass-{role}")), "PGCONNECT_TIMEOUT": "3", "LC_ALL": "C.UTF-8"}
        argv = [
            str(self.psql_path),
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            host,
            "-p",
            str(self.ports[server]),
        ]
        return self._run([*argv, "-U", role, "-d", "alphapulse_prod", "-c", sql], environment)

    def redis_cli(self, ordinal: int, *words: str, user: str = "oncall") -> str:
        """One command to one node with redis-cli, which exits non-zero on an error answer."""
        environment = {"REDISCLI_AUTH": self.secret(f"redis-{user}").read_text().strip()}
        argv = [str(self.redis_cli_path), "-e", "--no-auth-warning", "--user", user]
        return self._run([*argv, "-p", str(self.ports[f"redis-cluster-{ordinal}"]), *words], environment)

    def bao(self, ordinal: int, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """One ``bao`` command to one node; not checked, because ``bao status`` speaks through its exit code (2: sealed)."""
        environment = {"VAULT_ADDR": f"http://127.0.0.1:{self.ports[f'vault-{ordinal}']}", "HOME": str(self.directory)}
        if token:
            environment["VAULT_TOKEN"] = self.secret(f"vault-token-{token}").read_text().strip()
        return subprocess.run(
            [str(self.bao_path), *words], env=environment, capture_output=True, text=True, timeout=15, check=False
        )

    def shares(self) -> list[str]:
        """The five unseal shares."""
        return (self.directory / "vault" / "shares").read_text().split()

    @staticmethod
    def _run(argv: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            argv, env={**os.environ, **environment}, capture_output=True, text=True, timeout=15, check=False
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, argv[0], done.stdout, done.stderr)
        return done.stdout.strip()


def new_directory() -> LabDirectory:
    """An empty directory with a short path; pytest's own are closed to the account that PostgreSQL runs as."""
    return LabDirectory(Path(tempfile.mkdtemp(prefix="aplab-")))


@contextmanager
def running_lab(*only: str) -> Iterator[LabHandle]:
    """A lab tied to this process whose core (PostgreSQL, Redis, Vault) is ready; it is gone without a trace at the end.

    With ``only`` it has these targets and no others, and they are what is waited for.
    """
    directory = new_directory()
    warden = launch(directory, tied=True, ephemeral=True, only=only)
    try:
        handle = LabHandle(directory)
        handle.wait(*(only or CORE))
        yield handle
    finally:
        end(directory)
        assert warden.wait(10) == 0
        assert not directory.root.exists()


@pytest.fixture(scope="session")
def lab() -> Iterator[LabHandle]:
    """One lab for the session; ``lab.wait("kubernetes")`` for more than its core. ``ALPHAPULSE_LAB=compose``: its containers."""
    if os.environ.get("ALPHAPULSE_LAB") == "compose":
        from tests.compose import running_compose

        with running_compose() as containers:
            yield containers
        return
    with running_lab() as handle:
        yield handle


@pytest.fixture(scope="session")
def small_postgres_lab() -> Iterator[LabHandle]:
    """A lab of PostgreSQL alone: primary, replica, pooler; up in three seconds."""
    with running_lab("postgres") as handle:
        yield handle


@pytest.fixture
def postgres_lab(small_postgres_lab: LabHandle) -> Iterator[LabHandle]:
    """That lab with nothing broken, before and after the test."""
    small_postgres_lab.mend()
    yield small_postgres_lab
    small_postgres_lab.mend()


@pytest.fixture
def whole_lab(lab: LabHandle) -> Iterator[LabHandle]:
    """The lab with nothing broken, before and after the test."""
    lab.mend()
    yield lab
    lab.mend()


@pytest.fixture(scope="session")
def small_redis_lab() -> Iterator[LabHandle]:
    """A lab of Redis alone: six nodes; up in three seconds."""
    with running_lab("redis") as handle:
        yield handle


@pytest.fixture
def redis_lab(small_redis_lab: LabHandle) -> Iterator[LabHandle]:
    """That lab with nothing broken, before and after the test."""
    small_redis_lab.mend()
    yield small_redis_lab
    small_redis_lab.mend()


@pytest.fixture(scope="session")
def small_vault_lab() -> Iterator[LabHandle]:
    """A lab of Vault alone: three nodes, unsealed; up in ten seconds."""
    with running_lab("vault") as handle:
        yield handle


@pytest.fixture
def vault_lab(small_vault_lab: LabHandle) -> Iterator[LabHandle]:
    """That lab with nothing broken, before and after the test."""
    small_vault_lab.mend()
    yield small_vault_lab
    small_vault_lab.mend()


def processes_below(pid: int) -> list[Any]:
    """Every living process below ``pid``, and it itself."""
    import psutil

    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]
