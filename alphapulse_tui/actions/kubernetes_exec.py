"""One command inside a running container, over the API server's WebSocket; standard output, standard error and exit code apart.

The library's own stream merges both outputs, loses the exit code and breaks on half a character (facts 10.1), so the frames are read here: the
first byte of each is its channel, channel 3 holds the end as a ``Status``. Used by ``actions.kubernetes_inside``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from alphapulse_tui.actions.contract import ActionProblem, TargetUnreachable
from alphapulse_tui.actions.kubernetes_link import WriteLink
from alphapulse_tui.text import clean

OUTPUT_LIMIT = 64 * 1024
"""Bytes that are kept of each output."""

PROTOCOL = "v4.channel.k8s.io"
RIGHT = "pods/exec [get and create]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


async def run_inside(link: WriteLink, pod: str, container: str, command: Sequence[str], seconds: float) -> Answer:
    """Run ``command`` in the container and wait for its end.

    Raises:
        ActionProblem: it could not be run: no right, no such container, no such program, no end in time.
    """
    import aiohttp

    client = await link.connected()
    query = [("command", word) for word in command]
    query += [("container", container), ("stdout", "1"), ("stderr", "1"), ("stdin", "0"), ("tty", "0")]
    host = str(client.configuration.host)
    path = f"/api/v1/namespaces/{link.namespace}/pods/{pod}/exec"
    address = f"{host.replace('http', 'ws', 1)}{path}?{urlencode(query)}"
    headers: dict[str, str] = {}
    await client.update_params_for_auth(headers, [], ["BearerToken"])
    try:
        async with (
            asyncio.timeout(seconds),
            client.rest_client.pool_manager.ws_connect(address, headers=headers, protocols=(PROTOCOL,)) as socket,
        ):
            return await _conversation(socket)
    except TimeoutError:
        raise ActionProblem(f"the command did not end within {seconds:g} s") from None
    except aiohttp.WSServerHandshakeError as error:
        raise ActionProblem(_refused(error.status, container)) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TargetUnreachable(f"the API server broke off: {clean(error, 200) or type(error).__name__}") from None


async def _conversation(socket: Any) -> Answer:
    outputs = {1: bytearray(), 2: bytearray()}
    ended = b""
    async for message in socket:
        data = message.data
        if not isinstance(data, bytes) or not data:
            continue
        channel, piece = data[0], data[1:]
        if channel in outputs and len(outputs[channel]) < OUTPUT_LIMIT:
            outputs[channel] += piece[:OUTPUT_LIMIT]
        elif channel == 3:
            ended += piece
    out, err = (bytes(outputs[one]).decode(errors="replace") for one in (1, 2))
    return Answer(_exit_code(ended), out, err)


def _exit_code(ended: bytes) -> int:
    """The exit code in a ``Status``.

    Raises:
        ActionProblem: the command was never run.
    """
    try:
        status = json.loads(ended)
    except ValueError:
        raise ActionProblem("the connection ended before the command did") from None
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdigit():
            return int(cause["message"])
    message = clean(status.get("message", "it could not be run"), 300)
    if "not found" in message and "exec" in message:
        raise ActionProblem(f"the image does not have the program ({message}): the checks from outside remain")
    raise ActionProblem(f"the command could not be run: {message}")


def _refused(status: int, container: str) -> str:
    if status == 403:
        return f"our login may not do that: its Role needs {RIGHT}; the checks from outside remain"
    if status == 404:
        return "the pod is gone"
    if status == 400:
        return f"container {clean(container, 64)} is not there, or is not named"
    return f"container {clean(container, 64)} does not run now (code {status}): in a crash loop that is the rule, try another pod"
