"""``alphapulse status --json`` says what kubectl, psql, redis-cli and bao say; and two cockpits at once see the same."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import alphapulse
from tests.e2e.cockpit import CockpitTerminal
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

CODES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
NODES = range(3)

_USABLE = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - current_setting('reserved_connections')::int
"""


class Report:
    """One ``alphapulse status --json``; its code must say what it says."""

    def __init__(self, lab: LabHandle, state: Path) -> None:
        done = alphapulse("--config", str(lab.profile), "status", "--json", env={"ALPHAPULSE_STATE": str(state)})
        assert done.err == ""
        whole = json.loads(done.out)
        self.health: str = whole["health"]
        assert done.code == CODES[self.health]
        self.targets: dict[str, dict[str, Any]] = {one["target"]: one for one in whole["targets"]}

    def figures(self, target: str) -> dict[str, Any]:
        return dict(self.targets[target]["figures"])

    def sentences(self) -> list[str]:
        """What is wrong, in words."""
        return [str(finding["sentence"]) for target in self.targets.values() for finding in target["findings"]]

    def all_read(self) -> bool:
        """On a busy machine a reading may come too late, which is told as unknown."""
        return all(target["link"] == "live" for target in self.targets.values())


def read_all(lab: LabHandle, state: Path) -> Report:
    """A report in which every target was read in time."""
    reports: list[Report] = []

    def read() -> bool:
        reports.append(Report(lab, state))
        return reports[-1].all_read()

    wait_until(read, 90, "a report in which every target was read in time")
    return reports[-1]


def assert_agrees(report: Report, lab: LabHandle, kubectl: Kubectl) -> None:
    """Everything that does not change from one second to the next."""
    pods = kubectl.get("pods")["items"]
    ready = [
        pod for pod in pods if all(one["ready"] for one in pod["status"].get("containerStatuses", [{"ready": False}]))
    ]
    assert (report.figures("kubernetes")["pods"], report.figures("kubernetes")["ready_pods"]) == (len(pods), len(ready))

    postgres = report.figures("postgres")
    assert postgres["usable"] == int(lab.psql(_USABLE))
    assert postgres["server_version"] == int(lab.psql("SHOW server_version_num"))
    streaming = [one for one in postgres["replicas"] if one["receiver"] == "streaming"]
    assert len(streaming) == int(lab.psql("SELECT count(*) FROM pg_stat_wal_receiver", server="postgres-replica-0"))

    members = [line.split() for line in lab.redis_cli(0, "CLUSTER", "NODES").splitlines()]
    assert report.figures("redis")["masters"] == sum("master" in member[2] for member in members)
    assert report.figures("redis")["answering"] == sum(lab.redis_cli(n, "PING") == "PONG" for n in range(6))

    nodes = [json.loads(lab.bao(ordinal, "status", "-format=json").stdout) for ordinal in NODES]
    vault = report.figures("vault")
    assert vault["sealed"] == sum(node["sealed"] for node in nodes)
    assert vault["active"] == next(
        f"vault-{ordinal}" for ordinal in NODES if not nodes[ordinal]["sealed"] and _leads(lab, ordinal)
    )


def _leads(lab: LabHandle, ordinal: int) -> bool:
    """``bao status`` as a person reads it: HA Mode is active."""
    return any(line.split() == ["HA", "Mode", "active"] for line in lab.bao(ordinal, "status").stdout.splitlines())


@pytest.mark.long
def test_a_healthy_platform(platform: LabHandle, state: Path, kubectl: Kubectl) -> None:
    def trouble() -> list[str]:
        """What is wrong but that pods were restarted by the tests before (few are named, the others counted): a warning for ten minutes."""
        report = read_all(platform, state)
        assert report.health in ("ok", "warning", "critical")
        return [one for one in report.sentences() if "restarted" not in one and "more pods are not well" not in one]

    with contextlib.suppress(AssertionError):
        wait_until(lambda: not trouble(), 120, "a platform that has got over what was before")
    assert trouble() == []
    assert_agrees(read_all(platform, state), platform, kubectl)


@pytest.mark.long
def test_one_node_sealed(platform: LabHandle, state: Path, kubectl: Kubectl) -> None:
    platform.break_("vault-sealed-one")

    def noticed() -> bool:
        report = read_all(platform, state)
        return (report.figures("vault")["sealed"], report.health) == (1, "critical")

    wait_until(noticed, 90, "the sealed node and its alert in the report")
    report = read_all(platform, state)
    assert report.targets["vault"]["health"] == "warning"
    assert {finding["procedure"] for finding in report.targets["vault"]["findings"]} >= {"vault-sealed"}
    assert report.health == "critical", "the alert VaultSealed is P0"
    assert_agrees(report, platform, kubectl)


@pytest.mark.long
def test_a_target_that_hangs_is_never_healthy(platform: LabHandle, state: Path) -> None:
    platform.break_("target-hung", "redis")
    report = Report(platform, state)
    assert report.targets["redis"]["health"] in ("unknown", "critical")
    assert CODES[report.health] >= CODES["critical"]


@pytest.mark.long
def test_two_cockpits_at_once(platform: LabHandle, state: Path) -> None:
    with (
        CockpitTerminal(platform.profile, state, columns=160, lines=45) as ana,
        CockpitTerminal(platform.profile, state, columns=160, lines=45) as bo,
    ):
        for cockpit in (ana, bo):
            cockpit.wait_live()
        ana.press("n")
        ana.answer("No incident is open", "called the database team")
        bo.wait_text("called the database team")
        bo.press("n")
        bo.answer("No incident is open", "they are on it")
        ana.wait_text("they are on it")
        ana.press("q")
        assert ana.wait_exit() == 0
        bo.wait_live()
