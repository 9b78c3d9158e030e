"""One container of a workload's template, by name: what every change of a single container begins with.

A strategic merge with a mistyped name adds a container (facts 2.4.1), so the name is looked up in the live spec, and the request tests that it
still stands at its place. Used by ``actions.kubernetes_memory`` and ``actions.kubernetes_image``.
"""

from __future__ import annotations

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.kubernetes_link import Object
from alphapulse_tui.actions.kubernetes_workload import Workload
from alphapulse_tui.text import clean


def containers_of(workload: Workload) -> list[Object]:
    """The containers of the pod template, without init containers."""
    return [one for one in (workload.template.get("spec") or {}).get("containers") or [] if isinstance(one, dict)]


def container_of(workload: Workload, name: str) -> tuple[int, Object]:
    """Place and container of that name; without a name the only one.

    Raises:
        ActionProblem: there is none, or one must be chosen.
    """
    found = containers_of(workload)
    names = ", ".join(clean(one.get("name", ""), 64) for one in found)
    if not name and len(found) == 1:
        return 0, found[0]
    if not name:
        raise ActionProblem(
            f"{workload.short} has {len(found)} containers: name one of {names}; the others stay as they are"
        )
    place = next((place for place, one in enumerate(found) if one.get("name") == name), None)
    if place is None:
        raise ActionProblem(f'{workload.short} has no container "{clean(name, 64)}"; there are: {names}')
    return place, found[place]


def container_named(workload: Workload, name: str) -> Object:
    """The container of that name as a plan has it, or an empty object."""
    return next((one for one in containers_of(workload) if clean(one.get("name", ""), 128) == name), {})
