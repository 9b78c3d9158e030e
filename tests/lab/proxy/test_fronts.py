"""The fault proxy before the targets of a living lab: every client feels it at the port that it knows, and nothing is left of it."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from alphapulse_tui.config.load import load_profile
from alphapulse_tui.lab.control import Request, ask
from alphapulse_tui.lab.errors import LabError, UnknownFaultError
from alphapulse_tui.sources.build import read_once
from tests.cli.program import alphapulse
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Door:
    """A port, what to say there, and how a sound answer begins."""

    port: str
    question: bytes
    answer: bytes
    tls: bool = False


def http(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode()


SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""PostgreSQL's first question; a server without TLS answers N."""

DOORS = {
    "postgres": Door("postgres-primary", SSL_REQUEST, b"N"),
    "redis": Door("redis-cluster-5", b"PING\r\n", b"-NOAUTH"),
    "vault": Door("vault-2", http("/v1/sys/seal-status"), b"HTTP/1.1 200"),
    "kubernetes": Door("kube-apiserver", http("/readyz"), b"HTTP/1.1 ", tls=True),
    "prometheus": Door("prometheus", http("/-/ready"), b"HTTP/1.1 200"),
    "alertmanager": Door("alertmanager", http("/-/ready"), b"HTTP/1.1 200"),
    "api": Door("api", http("/metrics"), b"HTTP/1.1 200"),
}


def knock(lab: LabHandle, door: Door, seconds: float = 8.0) -> bytes:
    """The first bytes of the answer."""
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", lab.ports[door.port]), timeout=seconds))
        connection: socket.socket = plain
        if door.tls:
            context = ssl._create_unverified_context()
            connection = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        connection.sendall(door.question)
        return connection.recv(len(door.answer))


def proxy(lab: LabHandle, target: str, toxic: str = "", **options: str) -> str:
    return str(ask(lab.at, Request("proxy", target, toxic, options)))


@pytest.fixture
def fronted(whole_lab: LabHandle) -> Iterator[LabHandle]:
    """The whole lab, all of its targets up; no proxy is left afterwards."""
    whole_lab.wait(timeout=900.0)
    yield whole_lab
    for line in whole_lab.status().proxies:
        proxy(whole_lab, line.split()[0])


@pytest.mark.long
@pytest.mark.parametrize("target", DOORS)
def test_slow_garbled_and_refusing_are_felt_at_every_targets_own_port(fronted: LabHandle, target: str) -> None:
    door = DOORS[target]
    fronted.break_("target-refusing", target)
    with pytest.raises(ConnectionRefusedError):
        knock(fronted, door)
    assert fronted.mend() == [f"target-refusing {target}"]
    assert knock(fronted, door) == door.answer

    fronted.break_("target-slow", target)
    began = time.monotonic()
    assert knock(fronted, door) == door.answer
    assert time.monotonic() - began >= 1.2
    with pytest.raises(LabError, match=f"A proxy stands before {target} already"):
        fronted.break_("target-garbled", target)
    fronted.mend()

    fronted.break_("target-garbled", target)
    try:
        assert knock(fronted, door) != door.answer
    except ssl.SSLError:
        assert door.tls
    fronted.mend()
    assert knock(fronted, door) == door.answer
    assert fronted.status().proxies == []
    fronted.wait_healthy(target)


def test_open_connections_are_cut_when_it_comes_and_when_it_goes(fronted: LabHandle) -> None:
    for put in ("latency", ""):
        with socket.create_connection(("127.0.0.1", fronted.ports["redis-cluster-0"]), timeout=8) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")
            proxy(fronted, "redis", put, **({"seconds": "0.05"} if put else {}))
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_it_follows_a_server_that_is_started_again_and_never_keeps_it_from_its_port(fronted: LabHandle) -> None:
    def server() -> int:
        running = [one for one in fronted.status().processes if one.name == "alertmanager" and one.state == "running"]
        return running[0].pid if running else 0

    def status() -> bytes:
        try:
            return knock(fronted, Door("alertmanager", http("/-/ready"), b"HTTP/1.1 503"))
        except OSError:
            return b""

    proxy(fronted, "alertmanager", "http", status="503")
    assert status() == b"HTTP/1.1 503"
    first = server()
    psutil.Process(first).send_signal(signal.SIGKILL)
    wait_until(lambda: server() not in (0, first), 30, "a new server")
    wait_until(lambda: status() == b"HTTP/1.1 503", 30, "the proxy before the new server")
    assert proxy(fronted, "alertmanager") == "alertmanager: the proxy is gone"
    fronted.wait_healthy("alertmanager")
    assert proxy(fronted, "alertmanager") == "no proxy stands before alertmanager"


async def test_the_cockpit_feels_it(fronted: LabHandle) -> None:
    fronted.break_("target-refusing", "redis")
    board = await read_once(load_profile("lab", str(fronted.profile)).profile, 10.0)
    assert "refuses connections" in board.readings["redis"].problem
    fronted.mend()


def test_from_the_command_line(fronted: LabHandle) -> None:
    def lab(*words: str) -> tuple[int, str, str]:
        done = alphapulse("lab", *words, env={"ALPHAPULSE_LAB_DIRECTORY": str(fronted.directory)})
        return done.code, done.out, done.err

    assert lab("proxy", "vault", "http", "-o", "status=429")[:2] == (
        0,
        "vault: http at vault-0, vault-1, vault-2 (every HTTP request gets this status (429, 503, ...))\n",
    )
    assert "proxies    vault http\n" in lab("status")[1]
    assert knock(fronted, Door("vault-1", http("/v1/sys/health"), b"HTTP/1.1 429 Too")) == b"HTTP/1.1 429 Too"
    assert lab("proxy", "vault", "off")[1] == "vault: the proxy is gone\n"
    assert (
        "latency\n    every answer comes late\n    -o direction=answers\n    -o seconds=2.0"
        in lab("proxy", "--list")[1]
    )
    code, _, err = lab("proxy", "redsi", "latency")
    assert code == 64
    assert err.startswith("alphapulse: The lab has no target 'redsi'. Did you mean redis")
    code, _, err = lab("proxy", "redis", "latency", "-o", "seconds")
    assert (code, err) == (64, "alphapulse: latency: seconds is a number, not ''\n")


def test_a_target_that_does_not_listen_is_told(fronted: LabHandle) -> None:
    fronted.break_("alert-pipeline-dead")
    with pytest.raises(LabError, match="No server of alertmanager listens now"):
        proxy(fronted, "alertmanager", "latency")
    fronted.mend()
    with pytest.raises(LabError, match="giant is not put before kubernetes"):
        proxy(fronted, "kubernetes", "giant")
    with pytest.raises(UnknownFaultError, match="no toxic 'latancy'"):
        proxy(fronted, "alertmanager", "latancy")
