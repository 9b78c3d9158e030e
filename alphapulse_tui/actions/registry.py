"""Every action by id, in one table: fixes menu, procedures, palette, headless commands and the generated docs all read it.

Modules are named, not imported: the client library of a target is loaded when one of its actions is first used.
"""

from __future__ import annotations

from importlib import import_module

from alphapulse_tui.actions.contract import Action
from alphapulse_tui.config.settings import Profile

ACTIONS: dict[str, str] = {
    "pg.terminate-idle-in-transaction": "postgres:TerminateIdleInTransaction",
    "pg.terminate-idle": "postgres:TerminateIdle",
    "pg.terminate-backend": "postgres:TerminateBackend",
    "pg.cancel-query": "postgres_query:CancelQuery",
    "pg.terminate-query": "postgres_query:TerminateQuery",
    "pg.terminate-root-blockers": "postgres_blockers:TerminateRootBlockers",
    "pg.rollback-prepared": "postgres_blockers:RollBackPrepared",
    "pg.create-index": "postgres_index:CreateIndex",
    "pg.drop-index": "postgres_index:DropIndex",
    "pg.analyze": "postgres_analyze:Analyze",
    "pg.vacuum": "postgres_vacuum:Vacuum",
    "pg.explain": "postgres_explain:Explain",
    "pg.resume-replay": "postgres_replica:ResumeReplay",
    "pg.cancel-conflicting": "postgres_replica:CancelConflicting",
    "pg.drop-slot": "postgres_slot:DropSlot",
    "pg.reload": "postgres_settings:Reload",
    "pg.set-max-connections": "postgres_settings:SetMaxConnections",
    "vault.unseal": "vault:Unseal",
    "vault.reset-unseal": "vault:ResetUnseal",
    "vault.step-down": "vault_raft:StepDown",
    "vault.remove-peer": "vault_raft:RemovePeer",
    "vault.restart-node": "vault_restart:RestartNode",
    "redis.failover": "redis_failover:Graceful",
    "redis.failover-force": "redis_failover:Force",
    "redis.failover-takeover": "redis_failover:Takeover",
    "redis.close-slots": "redis_open_slots:CloseSlots",
    "redis.cover-slots": "redis_cover_slots:CoverSlots",
    "redis.forget": "redis_forget:Forget",
    "redis.set-maxmemory": "redis_settings:SetMaxmemory",
    "redis.set-policy": "redis_settings:SetPolicy",
    "redis.unlink": "redis_unlink:Unlink",
    "alerts.silence": "silences:SilenceAlert",
    "alerts.expire-silence": "silences:ExpireSilence",
    "kubernetes.previous-log": "kubernetes_logs:PreviousLog",
    "kubernetes.restart": "kubernetes:Restart",
    "kubernetes.rollback": "kubernetes:RollBack",
    "kubernetes.scale": "kubernetes_scale:Scale",
    "kubernetes.set-memory": "kubernetes_memory:SetMemory",
    "kubernetes.set-image": "kubernetes_image:SetImage",
    "kubernetes.delete-pod": "kubernetes_pods:DeletePod",
    "kubernetes.apply": "kubernetes_apply:Apply",
    "kubernetes.hpa-maximum": "kubernetes_autoscaler:SetMaximum",
    "kubernetes.test-inside": "kubernetes_inside:TestInside",
}
"""Action id to ``module:class`` below ``alphapulse_tui.actions``."""


def action_class(action_id: str) -> type[Action]:
    """The class behind ``action_id``.

    Raises:
        KeyError: no such action; the message lists those that there are.
    """
    try:
        module, name = ACTIONS[action_id].split(":")
    except KeyError:
        raise KeyError(f"no action {action_id!r}; there are: {', '.join(sorted(ACTIONS))}") from None
    found = getattr(import_module(f"alphapulse_tui.actions.{module}"), name)
    assert isinstance(found, type) and issubclass(found, Action)
    return found


def make_action(action_id: str, profile: Profile) -> Action:
    """The action, ready to plan against ``profile``'s targets."""
    return action_class(action_id)(profile)
