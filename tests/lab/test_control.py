"""The lab's control socket: what an asker is told while a lab starts or ends, and when the daemon makes a mistake."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alphapulse_tui.lab.control import ControlServer, Request, ask
from alphapulse_tui.lab.directory import LabDirectory
from alphapulse_tui.lab.errors import LabError, NotListeningError
from alphapulse_tui.lab.launch import end


@pytest.fixture
def place(tmp_path: Path) -> LabDirectory:
    return LabDirectory(tmp_path / "lab")


@pytest.fixture
def held(place: LabDirectory) -> Iterator[int]:
    """The lock of a lab that does not listen."""
    descriptor = place.lock()
    yield descriptor
    os.close(descriptor)


@pytest.mark.usefixtures("held")
def test_a_lab_that_starts_or_ends_is_told_from_none(place: LabDirectory) -> None:
    told = (
        rf"^The lab in {place.root} \(process {os.getpid()} since \S+\) is starting or ending: try again in a moment\.$"
    )
    with pytest.raises(NotListeningError, match=told):
        ask(place, Request("status"))


async def test_a_lab_that_does_not_listen_yet_is_ended_once_it_does(place: LabDirectory) -> None:
    lock = place.lock()

    async def handler(request: Request) -> Any:
        os.close(lock)
        return request.operation

    server = ControlServer(place, handler)
    ending = asyncio.create_task(asyncio.to_thread(end, place))
    await asyncio.sleep(0.2)
    assert not ending.done()
    await server.start()
    try:
        await ending
    finally:
        await server.close()
    assert not place.is_locked()


@pytest.mark.parametrize("mistake", [ValueError("no such\nthing"), ConnectionResetError("gone"), KeyError("x")])
async def test_a_mistake_of_the_daemon_is_told_and_logged(
    place: LabDirectory, mistake: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: Request) -> Any:
        raise mistake

    place.check()
    server = ControlServer(place, handler)
    await server.start()
    told = rf"^The lab failed to save: {type(mistake).__name__}: .*; see {place.daemon_log}\.$"
    try:
        with pytest.raises(LabError, match=told):
            await asyncio.to_thread(ask, place, Request("save"))
    finally:
        await server.close()
    assert "Traceback" in caplog.text


def test_who_asks_whether_a_lab_lives_keeps_none_from_starting(place: LabDirectory) -> None:
    asking = place.lock()
    threading.Timer(0.03, os.close, [asking]).start()
    os.close(place.lock())
