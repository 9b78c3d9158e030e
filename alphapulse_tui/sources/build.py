"""From a profile to its sources: only the targets that are configured, and their client libraries only when they are first read.

A client library takes tenths of a second to import. So ``make_sources`` hands out :class:`Deferred` sources, which import their module in
a thread when they are first asked; neither the first paint nor ``status`` pays for what is not configured. Callers: ``session`` (the
cockpit), ``read_once`` for the headless ``status`` and ``runbook run --dry-run``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from alphapulse_tui.board import Board
from alphapulse_tui.config.settings import Profile
from alphapulse_tui.importing import off_the_loop
from alphapulse_tui.model.health import Finding
from alphapulse_tui.sources.contract import Source, SourceLoop
from alphapulse_tui.sources.recipes import RECIPES, Recipe
from alphapulse_tui.sources.surveys import SURVEYS

__all__ = ["RECIPES", "SURVEYS", "Deferred", "SourceLoop", "make_sources", "make_surveys", "read_once"]


class Deferred(Source[Any]):
    """A source whose module is imported, off the loop, when it is first read."""

    def __init__(self, recipe: Recipe, profile: Profile) -> None:
        self.target = recipe.target
        self.interval = recipe.interval
        self.deadline = recipe.deadline
        self._make = partial(recipe.make, profile)
        self._source: Source[Any] | None = None

    async def source(self) -> Source[Any]:
        """The source itself."""
        if self._source is None:
            self._source = await off_the_loop(self._make)
            self._source.pause = self.pause
        return self._source

    async def read(self) -> Any:
        """Read the target once."""
        return await (await self.source()).read()

    def judge(self, snapshot: Any) -> tuple[Finding, ...]:
        """What the source's rules say."""
        return self._source.judge(snapshot) if self._source is not None else ()

    async def follow(self, publish: Callable[[Any], None]) -> None:
        """Follow the source."""
        await (await self.source()).follow(publish)

    async def close(self) -> None:
        """Close the source if there is one."""
        if self._source is not None:
            await self._source.close()


def make_sources(profile: Profile) -> list[Deferred]:
    """A source for every configured target of ``profile``; nothing is imported or connected yet."""
    return [Deferred(recipe, profile) for recipe in RECIPES if recipe.configured(profile)]


def make_surveys(profile: Profile, keys: Collection[str]) -> list[Deferred]:
    """A source for each of the surveys ``keys`` whose target is configured; nothing is imported or connected yet."""
    return [Deferred(recipe, profile) for recipe in SURVEYS if recipe.target in keys and recipe.configured(profile)]


async def read_once(profile: Profile, deadline: float, surveys: Collection[str] = ()) -> Board:
    """Every configured target, and each of ``surveys``, read once, all at the same time; what has not answered after ``deadline`` seconds
    is *down* on the board.
    """
    board = Board()
    sources = [*make_sources(profile), *make_surveys(profile, surveys)]
    # What our imports take is no silence of a target's. One that cannot be made says so when it is read.
    await asyncio.gather(*(source.source() for source in sources), return_exceptions=True)
    loops = [SourceLoop(source, board) for source in sources]
    await asyncio.gather(*(loop.read_once(deadline) for loop in loops))
    return board
