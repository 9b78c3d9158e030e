"""``kubectl exec``: a command run as a local process with the container's environment, over a WebSocket of Kubernetes' channel protocol.

Channels: 0 stdin, 1 stdout, 2 stderr, 3 the end (a ``Status``), 255 (v5) closes a channel. Both versions were seen working: v5 from kubectl,
v4 from kubernetes_asyncio. A terminal (``-t``) is not offered: the command gets pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

from aiohttp import WSMsgType, web

from alphapulse_tui.lab import linux
from alphapulse_tui.lab.kubernetes.agent.status import exit_code
from alphapulse_tui.lab.kubernetes.client import Object

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024


async def execute(request: web.Request, environment: dict[str, str], directory: Path) -> web.WebSocketResponse:
    """Run the asked command and serve its channels until it ends or the caller leaves."""
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(request)
    command = request.query.getall("command", [])
    try:
        process = _spawn(command, environment, directory, stdin="1" in request.query.getall("input", []))
    except OSError as error:
        program = command[0] if command else ""
        await _end(socket, _failure(f'exec: "{program}": {error.strerror or error}'))
        return socket
    exited = _exit_event(process)
    try:
        await _serve(socket, process, exited)
    finally:
        # The caller may have left: a command that nobody hears must not stay.
        if process.poll() is None:
            linux.signal_tree(process.pid, signal.SIGKILL)
            await exited.wait()
    await _end(socket, _outcome(exit_code(process.returncode)))
    return socket


def _spawn(command: list[str], environment: dict[str, str], directory: Path, *, stdin: bool) -> subprocess.Popen[bytes]:
    """Start the command. Not by asyncio: its child watcher of Python 3.11 is a thread, and this process forks with one thread only."""
    variables = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment}
    program = shutil.which(command[0], path=variables["PATH"]) if command else None
    if program is None:
        raise FileNotFoundError(2, "executable file not found in $PATH")
    parent = os.getpid()
    return subprocess.Popen(
        [program, *command[1:]],
        cwd=directory,
        env=variables,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        preexec_fn=lambda: linux.die_with_parent(parent),
    )


def _exit_event(process: subprocess.Popen[bytes]) -> asyncio.Event:
    """An event that is set when the process has ended and was reaped."""
    loop, ended, descriptor = asyncio.get_running_loop(), asyncio.Event(), os.pidfd_open(process.pid)

    def wake() -> None:
        if process.poll() is not None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            ended.set()

    loop.add_reader(descriptor, wake)
    return ended


async def _serve(socket: web.WebSocketResponse, process: subprocess.Popen[bytes], exited: asyncio.Event) -> None:
    """Carry the channels; returns when the command ended and its output was sent, or when the caller left."""
    assert process.stdout is not None
    assert process.stderr is not None
    async with contextlib.AsyncExitStack() as stack:
        outputs = [
            asyncio.create_task(_carry(socket, _STDOUT, await _reader(process.stdout, stack))),
            asyncio.create_task(_carry(socket, _STDERR, await _reader(process.stderr, stack))),
        ]
        listening = asyncio.create_task(_listen(socket, process))
        finished = asyncio.create_task(_all_said(exited, outputs))
        try:
            await asyncio.wait([finished, listening], return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished.cancel()
            listening.cancel()
            await asyncio.gather(finished, listening, return_exceptions=True)


async def _all_said(exited: asyncio.Event, outputs: list[asyncio.Task[None]]) -> None:
    """Return when the command has ended and all its output was sent."""
    await asyncio.gather(exited.wait(), *outputs)


async def _reader(pipe: IO[bytes], stack: contextlib.AsyncExitStack) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    stack.callback(transport.close)
    return reader


async def _carry(socket: web.WebSocketResponse, channel: int, reader: asyncio.StreamReader) -> None:
    while piece := await reader.read(_PIECE):
        await socket.send_bytes(bytes([channel]) + piece)


async def _listen(socket: web.WebSocketResponse, process: subprocess.Popen[bytes]) -> None:
    """Give the caller's input to the command; returns when the caller has left."""
    stdin = process.stdin
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, piece = message.data[0], message.data[1:]
        if stdin is None:
            continue
        try:
            if channel == _STDIN and piece:
                stdin.write(piece)
                stdin.flush()
            elif channel == _CLOSE and piece[:1] == bytes([_STDIN]):
                stdin.close()
                stdin = None
        except (BrokenPipeError, ValueError):
            stdin = None


def _outcome(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _failure(message: str) -> Object:
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


async def _end(socket: web.WebSocketResponse, outcome: Object) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([_ERROR]) + json.dumps(outcome).encode())
    await socket.close()
