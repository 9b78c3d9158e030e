"""The difference of two templates as a plan shows it: no value of a variable, no endless list, no control character."""

from __future__ import annotations

from typing import Any

from alphapulse_tui.actions.kubernetes_diff import MOST_LINES, differences


def test_values_of_variables_are_never_shown_and_long_differences_are_cut():
    def template(**env: Any) -> dict[str, Any]:
        return {"spec": {"containers": [{"name": "api", "env": [{"name": name, **how} for name, how in env.items()]}]}}

    found = differences(
        template(TOKEN={"value": "old-secret"}, GONE={"value": "x"}),
        template(TOKEN={"value": "new-secret"}, NEW={"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
    )
    assert found == {
        "spec.containers[api].env[GONE]": "removed",
        "spec.containers[api].env[NEW]": "added (its value is not shown)",
        "spec.containers[api].env[TOKEN]": "changed (values are not shown)",
    }
    many = differences({}, {str(number): number for number in range(100)})
    assert len(many) == MOST_LINES + 1 and many["..."] == "70 more differences"
    hostile = differences({"a": "x\x1b[2J"}, {"a": "--password hunter2"})
    assert "\x1b" not in hostile["a"] and "hunter2" not in hostile["a"]
