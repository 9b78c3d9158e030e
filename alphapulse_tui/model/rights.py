"""What each action needs to be allowed, as data, so that a missing grant is named before a procedure starts and not at its fifth step.

Rights that only reading needs are no part of it: every reading names those that it lacks itself. The surveys ``TARGET-rights`` ask each system
whether our login has these rights (facts 11); ``runbook.rights`` puts that together for a procedure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One right. What ``words`` mean is the system's: a resource and a verb, a command, a path and its capabilities, or a name of ours."""

    system: str
    """``kubernetes``, ``postgres``, ``redis`` or ``vault``: the target whose survey knows."""
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RightsSurvey:
    """Which rights our login lacks; those that are in neither list it has."""

    missing: tuple[tuple[Right, str], ...] = ()
    """With the grant that would give it, as an administrator writes it."""
    unknown: tuple[tuple[Right, str], ...] = ()
    """With the reason why it could not be found out."""


SIGNAL = Right("postgres", ("signal",))
SIGNAL_ON_REPLICA = Right("postgres", ("signal", "replica"))
RESUME_ON_REPLICA = Right("postgres", ("resume", "replica"))
BECOME_OWNER = Right("postgres", ("become owner",))
MAINTAIN = Right("postgres", ("maintain",))
RELOAD = Right("postgres", ("reload",))
ALTER_SYSTEM = Right("postgres", ("alter system",))
READ_FILES = Right("postgres", ("read files",))
"""Which value waits for a restart: the proof of a setting that was written."""
RESERVED = Right("postgres", ("reserved",))
"""To get in when every ordinary slot is taken: what is done against that needs it just then."""


def kubernetes(group: str, resource: str, verb: str) -> Right:
    """``verb`` on ``resource`` (``pods/exec``) of API group ``group`` (empty: the core) in the profile's namespace."""
    return Right("kubernetes", (group, resource, verb))


def redis(*command: str) -> Right:
    """A command with arguments that make it whole: what may be done is asked by trying it dry."""
    return Right("redis", command)


def vault(path: str, *capabilities: str) -> Right:
    """Capabilities on a path."""
    return Right("vault", (path, *capabilities))


EVICT = kubernetes("", "pods/eviction", "create")
PATCH_DEPLOYMENT = kubernetes("apps", "deployments", "patch")
PATCH_STATEFULSET = kubernetes("apps", "statefulsets", "patch")
FAIL_OVER = redis("CLUSTER", "FAILOVER")
FORGET = redis("CLUSTER", "FORGET", "0" * 40)
SET_SLOT = redis("CLUSTER", "SETSLOT", "0", "STABLE")
CONFIGURE = (redis("CONFIG", "SET", "maxmemory", "0"), redis("CONFIG", "REWRITE"))

NEEDS: dict[str, tuple[Right, ...]] = {
    "pg.terminate-idle-in-transaction": (SIGNAL, RESERVED),
    "pg.terminate-idle": (SIGNAL, RESERVED),
    "pg.terminate-backend": (SIGNAL,),
    "pg.cancel-query": (SIGNAL,),
    "pg.terminate-query": (SIGNAL,),
    "pg.terminate-root-blockers": (SIGNAL,),
    "pg.rollback-prepared": (),  # Its owner's: whose it is shows only when there is one, and its plan says so.
    "pg.create-index": (BECOME_OWNER,),
    "pg.drop-index": (BECOME_OWNER,),
    "pg.analyze": (MAINTAIN,),
    "pg.vacuum": (MAINTAIN,),
    "pg.explain": (BECOME_OWNER,),
    "pg.resume-replay": (RESUME_ON_REPLICA,),
    "pg.cancel-conflicting": (SIGNAL_ON_REPLICA,),
    "pg.drop-slot": (),  # Nobody's by right: its plan names the grant that an administrator gives for the one slot.
    "pg.reload": (RELOAD,),
    "pg.set-max-connections": (ALTER_SYSTEM, RELOAD, READ_FILES),
    "vault.unseal": (),  # A key share, and no token.
    "vault.reset-unseal": (),
    "vault.step-down": (vault("sys/step-down", "update", "sudo"),),
    "vault.remove-peer": (vault("sys/storage/raft/remove-peer", "update"),),
    "vault.restart-node": (EVICT,),
    "redis.failover": (FAIL_OVER,),
    "redis.failover-force": (FAIL_OVER,),
    "redis.failover-takeover": (FAIL_OVER,),
    "redis.close-slots": (SET_SLOT,),
    "redis.cover-slots": (redis("CLUSTER", "ADDSLOTS", "0"), redis("CLUSTER", "BUMPEPOCH"), FORGET),
    "redis.forget": (FORGET,),
    "redis.set-maxmemory": CONFIGURE,
    "redis.set-policy": CONFIGURE,
    "redis.unlink": (redis("UNLINK", "key"),),
    "alerts.silence": (),  # Alertmanager knows no users (facts 4.2).
    "alerts.expire-silence": (),
    "kubernetes.previous-log": (kubernetes("", "pods/log", "get"),),
    "kubernetes.restart": (PATCH_DEPLOYMENT, PATCH_STATEFULSET),
    "kubernetes.rollback": (PATCH_DEPLOYMENT,),
    "kubernetes.scale": (
        kubernetes("apps", "deployments/scale", "patch"),
        kubernetes("apps", "statefulsets/scale", "patch"),
    ),
    "kubernetes.set-image": (PATCH_DEPLOYMENT, PATCH_STATEFULSET),
    "kubernetes.set-memory": (PATCH_DEPLOYMENT, PATCH_STATEFULSET),
    "kubernetes.delete-pod": (EVICT,),
    "kubernetes.apply": (PATCH_DEPLOYMENT, PATCH_STATEFULSET),
    "kubernetes.hpa-maximum": (kubernetes("autoscaling", "horizontalpodautoscalers", "patch"),),
    "kubernetes.test-inside": (kubernetes("", "pods/exec", "get"), kubernetes("", "pods/exec", "create")),
}
"""By action id: every action of the registry (a test compares)."""


_OTHER_KIND = {"deployment": "statefulsets", "statefulset": "deployments"}
"""Kind of a workload to the resource that a change of it never touches."""


def needs(action: str, params: Mapping[str, str]) -> tuple[Right, ...]:
    """What ``action`` takes with these parameters: a change that is of a Deployment in every case needs nothing on StatefulSets."""
    other = _OTHER_KIND.get(params.get("kind", "").lower(), "")
    return tuple(
        right for right in NEEDS[action] if right.system != "kubernetes" or right.words[1].partition("/")[0] != other
    )


def needed_of(system: str) -> tuple[Right, ...]:
    """Every right of ``system`` that any action needs, each once."""
    return tuple(dict.fromkeys(right for rights in NEEDS.values() for right in rights if right.system == system))
