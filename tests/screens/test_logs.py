"""The log screen: it follows while the cursor is at the end, filters the whole buffer, and turns to the run before."""

from __future__ import annotations

from collections.abc import Callable

from alphapulse_tui.model.pod_log import LogLine, PodLog
from alphapulse_tui.screens.detail import DetailScreen
from alphapulse_tui.screens.logs import LogScreen
from tests.screens.stage import HOSTILE, post, quiet, snapshots, text_of
from tests.waiting import until


def log(count: int, *, previous: bool = False, first: int = 1, container: str = "api") -> PodLog:
    lines = tuple(LogLine(number, 60.0 * number, f"line {number} {HOSTILE}") for number in range(first, first + count))
    return PodLog("api-1", container, previous, lines, first - 1)


async def test_it_follows_until_one_looks_back() -> None:
    app, _ = quiet()
    asked: list[tuple[str, str, bool]] = []

    def read_log(pod: str, container: str, *, previous: bool) -> Callable[[], None]:
        asked.append((pod, container, previous))
        return lambda: None

    app.session.read_log = read_log  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(LogScreen("api-1", ("api", "sidecar")))
        await pilot.pause()
        post(app, "pod-log", log(100))
        await until(lambda: "line 100 " in text_of(app) and "following" in text_of(app), 10, "the newest line")
        await pilot.press("pageup")
        await until(lambda: "standing still" in text_of(app), 10, "that it stands still")
        post(app, "pod-log", log(200))
        await pilot.pause()
        assert "line 200 " not in text_of(app), "who looks back is not moved"
        await pilot.press("g")
        await until(lambda: "line 200 " in text_of(app) and "following" in text_of(app), 10, "the newest line again")
        await pilot.press("slash", *"line 7 ", "enter")
        await until(
            lambda: "1/200 lines" in text_of(app) and "line 7 " in text_of(app), 10, "the filter over all lines"
        )
        await pilot.press("escape", "h")
        post(app, "pod-log", log(3, previous=True))
        await until(lambda: "run before" in text_of(app) and "3/3 lines" in text_of(app), 10, "the run before")
        await pilot.press("m")
        await until(lambda: "sidecar" in text_of(app) and "0/0 lines" in text_of(app), 10, "the next container")
        assert asked == [("api-1", "api", False), ("api-1", "api", True), ("api-1", "sidecar", True)]


async def test_l_opens_the_log_of_the_row() -> None:
    app, _ = quiet()
    app.session.read_log = lambda pod, container, *, previous: lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        post(app, "kubernetes", snapshots()["kubernetes"])
        app.push_screen(DetailScreen("kubernetes"))
        await until(lambda: "1/1 rows" in text_of(app), 10, "the pod")
        await pilot.press("l")
        await until(lambda: isinstance(app.screen, LogScreen), 10, "the log")
        await until(lambda: "api-plain" in text_of(app), 10, "its name")


async def test_every_view_takes_hostile_text() -> None:
    app, _ = quiet()
    async with app.run_test(size=(160, 45)) as pilot:
        post(app, "kubernetes", snapshots(HOSTILE)["kubernetes"])
        app.push_screen(DetailScreen("kubernetes"))
        for key in ("1", "2", "3", "4", "5", "6", "1"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.press("enter")
        await until(lambda: "CrashLoopBackOff" in text_of(app) and HOSTILE in text_of(app), 10, "the pod, whole")


async def test_a_log_that_is_being_removed_hears_nothing() -> None:
    app, _ = quiet()
    app.session.read_log = lambda pod, container, *, previous: lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        screen = LogScreen("api-1", ("api",))
        app.push_screen(screen)
        await pilot.pause()
        gone = screen.list.remove()
        app.pop_screen()
        await gone
        post(app, "pod-log", log(2))  # The lines are gone, and Unmount has not been sent.
        screen._tick()
