"""Each toxic, over loopback, seen by a client that knows nothing of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from alphapulse_tui.lab.errors import UnknownFaultError
from alphapulse_tui.lab.proxy import doors, toxics
from alphapulse_tui.lab.proxy.certificates import expired_context
from alphapulse_tui.lab.proxy.relay import FaultProxy
from alphapulse_tui.lab.proxy.table import TOXICS, make_toxic, options_of
from tests.sources.doors import door, http

BODY = json.dumps({"fruit": ["apple", "pear"] * 20}).encode()
QUICK = 5.0
"""Seconds after which a client that waits for ever is given up."""


@pytest.fixture
async def server() -> AsyncIterator[int]:
    async with door(http(BODY)) as port:
        yield port


async def fetch(port: int, deadline: float = QUICK) -> httpx.Response:
    async with asyncio.timeout(deadline):
        async with httpx.AsyncClient(trust_env=False, timeout=None) as client:
            return await client.get(f"http://127.0.0.1:{port}/")


async def raw(port: int, words: bytes = b"GET / HTTP/1.1\r\n\r\n", limit: int = 1 << 20) -> bytes:
    """Everything that comes back within a moment, or up to ``limit`` bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        async with asyncio.timeout(QUICK):
            writer.write(words)
            while len(said) < limit and (chunk := await reader.read(65536)):
                said += chunk
    finally:
        writer.transport.abort()
    return said


async def test_without_a_toxic_nothing_is_changed(server: int) -> None:
    async with FaultProxy("127.0.0.1", server) as proxy:
        assert (await fetch(proxy.port)).content == BODY


async def test_refused_and_back_again_at_the_same_port(server: int) -> None:
    async with FaultProxy("127.0.0.1", server) as proxy:
        port = proxy.port
        await proxy.change(toxics.Refused())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await proxy.change(None)
        assert (await fetch(port)).content == BODY


async def test_a_black_hole_does_not_even_shake_hands(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.BlackHole()) as proxy:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_silent_accepts_and_never_answers(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Silent()) as proxy:
        with pytest.raises(TimeoutError):
            await fetch(proxy.port, 0.3)


@pytest.mark.parametrize("size", [0, 20])
async def test_reset_is_an_rst(server: int, size: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Reset(size=size)) as proxy:
        with pytest.raises(ConnectionResetError):
            await raw(proxy.port)


async def test_truncated_ends_in_the_middle(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Truncated(size=70)) as proxy:
        assert len(await raw(proxy.port)) == 70
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(proxy.port)


@pytest.mark.parametrize(
    ("direction", "least", "most"), [("answers", 0.2, 0.39), ("requests", 0.2, 0.39), ("both", 0.4, 9)]
)
async def test_latency_in_one_direction_or_both(server: int, direction: str, least: float, most: float) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Latency(seconds=0.2, direction=direction)) as proxy:
        started = time.monotonic()
        assert BODY in await raw_answer(proxy.port)
        assert least <= time.monotonic() - started < most


async def test_drip_defeats_a_deadline_for_each_read_but_not_a_total_one(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Drip(seconds=0.05)) as proxy:
        with pytest.raises(TimeoutError):
            await fetch(proxy.port, 1.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        pieces = [await asyncio.wait_for(reader.read(100), QUICK) for _ in range(5)]
        assert [len(piece) for piece in pieces] == [1] * 5
        writer.close()


async def test_bandwidth_takes_its_time() -> None:
    async with door(http(b"x" * 4000)) as server, FaultProxy("127.0.0.1", server, toxics.Bandwidth(rate=8000)) as proxy:
        started = time.monotonic()
        assert len((await fetch(proxy.port)).content) == 4000
        assert time.monotonic() - started >= 0.4


async def test_sliced_arrives_whole_in_pieces(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Sliced(size=40)) as proxy:
        assert (await fetch(proxy.port)).content == BODY
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert len(await reader.read(1000)) == 40
        writer.close()


async def test_garbage_has_the_right_length_and_other_bytes(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Garbage()) as proxy:
        length = len(await raw_answer(server))
        spoilt = await raw(proxy.port, limit=length)
        assert len(spoilt) == length
        assert not spoilt.startswith(b"HTTP")


async def raw_answer(port: int) -> bytes:
    return await raw(port, limit=len(BODY) + 50)


async def test_slow_close_holds_the_end_back() -> None:
    async def answer_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"bye")
        writer.close()

    async with (
        door(answer_and_leave) as server,
        FaultProxy("127.0.0.1", server, toxics.SlowClose(seconds=0.3)) as proxy,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(3) == b"bye"
        started = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - started >= 0.25
        writer.close()


async def test_flapping_is_well_and_gone_by_turns(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, toxics.Flapping(well=0.2, gone=0.2)) as proxy:
        seen: list[bool] = []
        end = time.monotonic() + QUICK
        while len([one for one, other in itertools.pairwise(seen) if one is not other]) < 3:
            assert time.monotonic() < end
            try:
                await fetch(proxy.port)
                seen.append(True)
            except httpx.TransportError:
                seen.append(False)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_http_errors_for_every_request_of_a_connection(server: int, status: int) -> None:
    toxic = doors.HttpError(status=status)
    async with FaultProxy("127.0.0.1", server, toxic) as proxy, httpx.AsyncClient(trust_env=False) as client:
        for method in ("GET", "PUT"):
            answer = await client.request(method, f"http://127.0.0.1:{proxy.port}/v1/x", content=b"word")
            assert answer.status_code == status
            assert (answer.headers.get("retry-after") == "30") is (status != 500)


async def test_wrong_json_is_json(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, doors.WrongJson()) as proxy:
        answer = await fetch(proxy.port)
        assert answer.status_code == 200
        assert isinstance(answer.json(), list)


@pytest.mark.parametrize(
    ("words", "head"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"*1\r\n$4\r\nPING\r\n", b"$200000000\r\n"),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"E" + (200_000_004).to_bytes(4, "big")),
    ],
)
async def test_giant_speaks_the_clients_protocol(server: int, words: bytes, head: bytes) -> None:
    async with FaultProxy("127.0.0.1", server, doors.Giant()) as proxy:
        said = await raw(proxy.port, words, limit=3 << 20)
        assert said.startswith(head)
        assert len(said) >= 3 << 20


async def test_a_giant_is_as_large_as_it_says(server: int) -> None:
    async with FaultProxy("127.0.0.1", server, doors.Giant(megabytes=2)) as proxy:
        assert len((await fetch(proxy.port)).content) == 2_000_000


async def test_an_expired_certificate_is_told_as_such(server: int, tmp_path: Path) -> None:
    toxic = doors.ExpiredTls(context=expired_context(tmp_path / "ca.pem"))
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with FaultProxy("127.0.0.1", server, toxic) as proxy:
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            await asyncio.open_connection("127.0.0.1", proxy.port, ssl=trusting)


async def test_a_server_that_is_gone_closes_the_clients_connection() -> None:
    async with door(http(BODY)) as server:
        pass
    async with FaultProxy("127.0.0.1", server) as proxy:
        with pytest.raises(httpx.TransportError):
            await fetch(proxy.port)


@pytest.mark.parametrize("name", TOXICS)
def test_every_toxic_is_made_by_name_and_says_what_it_does(name: str) -> None:
    options = {option: str(value) for option, value in options_of(TOXICS[name]).items()}
    assert make_toxic(name, options).summary


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("latencey", {}, r"no toxic 'latencey'\. Did you mean latency"),
        ("latency", {"second": "1"}, "latency has no option 'second'; it has direction, seconds, jitter"),
        ("latency", {"seconds": "soon"}, "latency: seconds is a number, not 'soon'"),
        ("latency", {"direction": "up"}, "latency: direction is answers, requests, both, not 'up'"),
        ("http", {"status": "200"}, "http: status is 400 to 599, not 200"),
        ("refused", {"seconds": "1"}, "refused has no option 'seconds'; it has none"),
    ],
)
def test_a_wrong_name_or_option_is_told(name: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(UnknownFaultError, match=said):
        make_toxic(name, options)
