"""The table of rights: every action has its line, and every right a survey that knows of it."""

from __future__ import annotations

from alphapulse_tui.actions.registry import ACTIONS, action_class
from alphapulse_tui.model.rights import NEEDS
from alphapulse_tui.sources.kubernetes_rights import KubernetesRightsSource
from alphapulse_tui.sources.postgres_rights import PostgresRightsSource
from alphapulse_tui.sources.redis_rights import RedisRightsSource
from alphapulse_tui.sources.surveys import SURVEYS
from alphapulse_tui.sources.vault_rights import VaultRightsSource


def test_every_action_says_what_it_needs() -> None:
    assert set(NEEDS) == set(ACTIONS)
    surveys = {recipe.target for recipe in SURVEYS}
    assert {f"{right.system}-rights" for rights in NEEDS.values() for right in rights} <= surveys


def test_a_recipe_says_what_its_source_says() -> None:
    figures = {recipe.target: (recipe.interval, recipe.deadline) for recipe in SURVEYS}
    for kind in (PostgresRightsSource, RedisRightsSource, VaultRightsSource, KubernetesRightsSource):
        assert figures[kind.target] == (kind.interval, kind.deadline)


def test_a_change_that_needs_nothing_is_one_of_those_that_are_known_to() -> None:
    free = {action for action, rights in NEEDS.items() if not rights and action_class(action).changes}
    by_share, unguarded, of_an_owner = (
        {"vault.unseal", "vault.reset-unseal"},
        {"alerts.silence", "alerts.expire-silence"},
        {"pg.rollback-prepared", "pg.drop-slot"},
    )
    assert free == by_share | unguarded | of_an_owner
