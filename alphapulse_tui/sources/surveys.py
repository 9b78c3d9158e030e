"""Surveys: deeper readings of a target, taken only while somebody looks (a detail view, or a procedure that ``reads`` them).

A survey is a source like any other; its board key is ``TARGET-WHAT``. ``Session.survey`` starts and stops them.
"""

from __future__ import annotations

from alphapulse_tui.sources import kubernetes_surveys, postgres_surveys, redis_surveys, vault_surveys
from alphapulse_tui.sources.recipes import Recipe

SURVEYS: tuple[Recipe, ...] = (
    *postgres_surveys.SURVEYS,
    *redis_surveys.SURVEYS,
    *vault_surveys.SURVEYS,
    *kubernetes_surveys.SURVEYS,
)
"""Every survey."""
