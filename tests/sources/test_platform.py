"""Key metrics and the API's edge: figures, absent ones, and servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse

import pytest

from alphapulse_tui.model.health import Health
from alphapulse_tui.model.platform_queries import PLATFORM_QUERIES
from alphapulse_tui.sources.contract import Unreachable
from alphapulse_tui.sources.platform import PlatformSource
from alphapulse_tui.sources.prometheus import points_of, value_of
from tests.sources.doors import Behaviour, door, http, says, silent
from tests.sources.servers import free_port


def prometheus(value: str, only: str = "", slow: list[str] | None = None) -> Behaviour:
    """Answers each query with ``value``, or only those that contain ``only``; ranges with three points, one of them a gap.

    Paths with a word of ``slow`` in them are answered by nobody.
    """

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return
            path = urllib.parse.unquote_plus(request.split(" ")[1])
            if any(word in path for word in slow or ()):
                await reader.read()
                return
            result: list[object] = []
            if only in path:
                result = [{"metric": {}, "value": [1.0, value]}]
                if "query_range" in path:
                    result = [{"metric": {}, "values": [[1, "1.0"], [2, "NaN"], [3, "2.5"]]}]
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()

    return behave


async def test_reads_every_figure_then_its_history() -> None:
    async with door(prometheus("123.45678")) as port, door(http(b"{}")) as edge:
        source = PlatformSource(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{edge}/health", window="30s")
        first = await source.read()
        assert [metric.id for metric in first.metrics] == [query.id for query in PLATFORM_QUERIES]
        assert {metric.value for metric in first.metrics} == {123.5}
        assert first.metrics[0].history == ()
        assert first.edge is not None and first.edge.code == 200
        assert "[30s]" in first.metrics[0].query and "WINDOW" not in first.metrics[0].query
        second = await source.read()
        assert second.metrics[0].history == (1.0, 2.5)
        await source.close()


async def test_history_grows_by_a_point_a_minute() -> None:
    now = [10_000.0]
    async with door(prometheus("7")) as port:
        source = PlatformSource(f"http://127.0.0.1:{port}", "", clock=lambda: now[0])
        await source.read()
        assert (await source.read()).metrics[0].history == (1.0, 2.5)
        assert (await source.read()).metrics[0].history == (1.0, 2.5)
        now[0] += 60
        assert (await source.read()).metrics[0].history == (1.0, 2.5, 7.0)
        await source.close()


async def test_a_server_too_slow_for_the_history_still_tells_the_figures_and_is_asked_again_later() -> None:
    now, slow = [10_000.0], ["query_range"]
    async with door(prometheus("7", slow=slow)) as port:
        source = PlatformSource(f"http://127.0.0.1:{port}", "", clock=lambda: now[0])
        source.deadline = 1.0
        for _ in range(3):
            metrics = (await source.read()).metrics
            assert {metric.value for metric in metrics} == {7.0} and metrics[0].history == ()
        slow.clear()
        now[0] += 299
        assert (await source.read()).metrics[0].history == (), "not yet"
        now[0] += 2
        source.deadline = 8.0
        assert (await source.read()).metrics[0].history == (1.0, 2.5)
        await source.close()


async def test_an_empty_vector_is_absent_never_zero() -> None:
    async with door(prometheus("1", only="no such")) as port:
        source = PlatformSource(f"http://127.0.0.1:{port}", "")
        snapshot = await source.read()
        assert {metric.value for metric in snapshot.metrics} == {None}
        assert [finding.health for finding in source.judge(snapshot)] == [Health.UNKNOWN]
        await source.close()


GARBAGE = [
    http(b"<html>"),
    http(b"{}"),
    http(b'{"data":{"result":[3]}}'),
    http(b"parse error \x1b[2J", 400),
    says(b"\x00\r\n"),
]


@pytest.mark.parametrize("behaviour", GARBAGE)
async def test_garbage_is_a_sentence(behaviour: Behaviour) -> None:
    async with door(behaviour) as port:
        source = PlatformSource(f"http://127.0.0.1:{port}", "")
        with pytest.raises(Unreachable, match="Prometheus") as problem:
            await source.read()
        assert "\x1b" not in str(problem.value)
        await source.close()


async def test_a_silent_prometheus_hides_neither_the_edge_nor_the_time() -> None:
    async with door(silent) as port, door(http(b"sick", 503)) as edge:
        source = PlatformSource(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{edge}/")
        started = time.monotonic()
        snapshot = await source.read()
        assert time.monotonic() - started < source.deadline
        assert "Prometheus" in snapshot.problem and {metric.value for metric in snapshot.metrics} == {None}
        assert [finding.health for finding in source.judge(snapshot)] == [Health.CRITICAL, Health.UNKNOWN]
        await source.close()


async def test_an_edge_that_does_not_answer_is_critical() -> None:
    source = PlatformSource("", f"http://127.0.0.1:{free_port()}/health")
    snapshot = await source.read()
    assert snapshot.edge is not None and (snapshot.edge.code, snapshot.edge.milliseconds) == (0, None)
    assert source.judge(snapshot)[0].health is Health.CRITICAL
    await source.close()


@pytest.mark.parametrize("vector", [None, [3], [{"value": []}], [{"value": [1, {}]}], {"a": 1}])
def test_a_vector_of_another_shape_is_refused(vector: object) -> None:
    with pytest.raises(Unreachable):
        value_of(vector)
    with pytest.raises(Unreachable):
        points_of([{"values": [vector, 1]}])
