"""The surveys of a Deployment read its own pods only, whatever form its selector has."""

from __future__ import annotations

import pytest

from alphapulse_tui.sources.api_crash import CrashSource
from alphapulse_tui.sources.api_logs import LogsSource
from tests.sources.test_api_surveys import SPACE, cluster, crashed, told

__all__ = ["cluster"]

API = {
    "metadata": {"name": "api"},
    "spec": {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]}},
}
MINE = told(items=[crashed("api-1", 2)])
EVERYBODYS = told(items=[crashed("api-1", 2), crashed("other-1", 9)])


@pytest.fixture
def answers():
    pods = f"/api/v1{SPACE}/pods"
    return {
        f"/apis/apps/v1{SPACE}/deployments": told(items=[API]),
        f"/apis/apps/v1{SPACE}/deployments/api": told(**API),
        pods: EVERYBODYS,
        **{f"{pods}?{query}": MINE for query in ("limit=500&labelSelector=app+in+", "labelSelector=app+in+")},
        f"{pods}/api-1/log": (200, b"1970-01-01T00:00:10Z ERROR x\n"),
        f"{pods}/other-1/log": (200, b"1970-01-01T00:00:10Z ERROR y\n"),
    }


async def test_the_logs_are_those_of_its_own_pods(cluster, answers) -> None:
    source = LogsSource(*await cluster(answers))
    snapshot = await source.read()
    await source.close()
    assert snapshot.pods == 1 and [group.pods for group in snapshot.groups] == [("api-1",)]


async def test_a_crash_is_that_of_its_own_pods(cluster, answers) -> None:
    source = CrashSource(*await cluster(answers))
    snapshot = await source.read()
    await source.close()
    assert [end.pod for end in snapshot.of("api").ends] == ["api-1"]
