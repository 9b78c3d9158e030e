"""Whose pods are a workload's, asked in the words that the API server takes; never everybody's."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_tui.model.selector import NOBODY, selector_of


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        ({"matchLabels": {"app": "api", "tier": "web"}}, "app=api,tier=web"),
        ({"matchExpressions": [expression("app", "In", "api", "web")]}, "app in (api,web)"),
        ({"matchExpressions": [expression("app", "NotIn", "x"), expression("tier", "Exists")]}, "app notin (x),tier"),
        ({"matchLabels": {"app": "api"}, "matchExpressions": [expression("old", "DoesNotExist")]}, "app=api,!old"),
        ({"matchLabels": {"app": "api"}, "matchExpressions": [expression("size", "Gt", "3")]}, NOBODY),
        ({"matchLabels": {}}, NOBODY),
        (None, NOBODY),
    ],
)
def test_a_selector_is_asked_whole_or_takes_nobody(selector: Any, query: str) -> None:
    assert selector_of({"spec": {"selector": selector}}) == query
