"""A pod's status in the API's words, from what its containers are doing: pure functions."""

from __future__ import annotations

import datetime
import signal
from collections.abc import Sequence

from alphapulse_tui.lab.kubernetes.client import Object

ADDRESS = "127.0.0.1"
"""Every pod's address: a pod is told from another by its port."""


def now() -> str:
    """This moment as the API writes it."""
    return stamp(datetime.datetime.now(datetime.UTC).timestamp())


def stamp(seconds: float) -> str:
    """Unix seconds as the API writes them (whole seconds, UTC)."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def exit_code(returncode: int) -> int:
    """The code as a shell and Kubernetes say it: 128 + n when signal n ended the process."""
    return returncode if returncode >= 0 else 128 - returncode


def terminated(
    returncode: int, started: float, ended: float, *, out_of_memory: bool, message: str, identity: str
) -> Object:
    """``state.terminated`` of a container."""
    code = exit_code(returncode)
    reason = "OOMKilled" if out_of_memory else "Completed" if code == 0 else "Error"
    state: Object = {
        "exitCode": code,
        "reason": reason,
        "startedAt": stamp(started),
        "finishedAt": stamp(ended),
        "containerID": identity,
    }
    if returncode < 0:
        state["signal"] = int(signal.Signals(-returncode))
    if message:
        state["message"] = message
    return state


def phase(states: Sequence[Object], restart_policy: str) -> str:
    """``status.phase`` from the states of all containers."""
    if any("running" in state for state in states):
        return "Running"
    ended = [state["terminated"]["exitCode"] for state in states if "terminated" in state]
    if len(ended) == len(states) and states:
        if restart_policy == "Never" or (restart_policy == "OnFailure" and not any(ended)):
            return "Failed" if any(ended) else "Succeeded"
        return "Running"
    # A container that waits to be started again has run; one that waits for the first time has not.
    restarting = any(state.get("waiting", {}).get("reason") == "CrashLoopBackOff" for state in states)
    return "Running" if restarting or ended else "Pending"


def conditions(before: Sequence[Object], statuses: Sequence[Object], pod_phase: str) -> list[Object]:
    """``status.conditions``; a condition that did not change keeps the moment of its last change."""
    unready = [status["name"] for status in statuses if not status["ready"]]
    if pod_phase in ("Succeeded", "Failed"):
        ready = ("False", "PodCompleted" if pod_phase == "Succeeded" else "PodFailed", "")
    elif unready:
        ready = ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    else:
        ready = ("True", "", "")
    wanted = {
        "PodScheduled": ("True", "", ""),
        "Initialized": ("True", "", ""),
        "ContainersReady": ready,
        "Ready": ready,
    }
    known = {condition["type"]: condition for condition in before}
    return [_condition(kind, *said, known.get(kind)) for kind, said in wanted.items()]


def says_ready(stored: Object) -> bool:
    """Whether a node or a pod is ready as the API server has it."""
    conditions = (stored.get("status") or {}).get("conditions") or []
    return any((condition["type"], condition["status"]) == ("Ready", "True") for condition in conditions)


def _condition(kind: str, status: str, reason: str, message: str, before: Object | None) -> Object:
    same = before is not None and before["status"] == status
    condition: Object = {
        "type": kind,
        "status": status,
        "lastTransitionTime": before["lastTransitionTime"] if same and before else now(),
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
