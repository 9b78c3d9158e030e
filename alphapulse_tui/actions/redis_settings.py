"""One setting on every Redis node, masters and replicas: the memory limit and the eviction policy (runbook 2.2, facts 2.2.2).

``CONFIG SET`` changes the node that it reaches and no other; through a cluster client or a load balancer that is one of six. It also lasts only
as long as the process, so ``CONFIG REWRITE`` follows where the node has a file that it may write, and it is said where it has not. Each
node is read once more right before it is changed, over the same connection, and left alone if somebody else has changed it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from alphapulse_tui.actions.contract import ActionProblem, Parameter, SentWithoutAnswer
from alphapulse_tui.actions.redis_action import RedisAction
from alphapulse_tui.actions.redis_memory_limits import limits, too_much
from alphapulse_tui.actions.redis_rights import setting_forbidden
from alphapulse_tui.actions.redis_shell import cli
from alphapulse_tui.model.bytesize import bytes_of
from alphapulse_tui.model.plan import Check, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.words import size
from alphapulse_tui.text import clean

POLICIES = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "noeviction",
)
"""``maxmemory-policy``; the first is the runbook's."""

_PERSIST = Parameter("persist", "write it into the node's configuration file too", default="yes", choices=("yes", "no"))
_VALUES = Parameter("values", "a value for each node instead: node=value, joined by commas")


@dataclass(slots=True)
class _Judged:
    """What speaks for and against the change."""

    refusal: str = ""
    destructive: bool = False
    warnings: list[str] = field(default_factory=list)
    no_way_back: str = ""
    """Why the old values could not be set again; empty when they could."""


class _Setting(RedisAction):
    """What both settings have in common."""

    setting: ClassVar[str]
    """Its name for CONFIG."""

    @abstractmethod
    def wanted(self, params: Mapping[str, str]) -> str:
        """The value that was asked for, as CONFIG GET shows it; empty when only ``values`` are given."""

    @abstractmethod
    def valid(self, value: str) -> str:
        """``value`` as CONFIG GET shows it.

        Raises:
            ActionProblem: it makes no sense.
        """

    @abstractmethod
    async def judged(self, changes: Mapping[str, tuple[RedisNode, str, str]]) -> _Judged:
        """What would come of it; node name to the node, its old and its new value."""

    def shown(self, value: str) -> str:
        """For a person."""
        return value

    def effective(self, params: Mapping[str, str]) -> dict[str, str]:
        """One value for all as CONFIG GET shows it, or the nodes' own; written to the files unless that is declined."""
        given = super().effective(params)
        persist = {"persist": "no" if given.get("persist") == "no" else "yes"}
        if given.get("values"):
            return {"values": given["values"], **persist}
        return {self.parameters[0].name: self.wanted(given), **persist}

    def values(self, nodes: Sequence[RedisNode], params: Mapping[str, str]) -> dict[str, str]:
        """Node name to the value that it is to have."""
        single = params.get("values", "")
        if not single:
            return {node.name: self.wanted(params) for node in nodes}
        pairs = dict(part.strip().partition("=")[::2] for part in single.split(","))
        unknown = set(pairs) - {node.name for node in nodes}
        if unknown:
            raise ActionProblem(f'there is no Redis node "{clean(sorted(unknown)[0], 64)}"')
        return {name: self.valid(value) for name, value in pairs.items()}

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Old and new value of every node, and what the change would do there."""
        nodes = await self.cluster.read()
        silent = [node for node in nodes if node.problem]
        wanted = self.values(nodes, params)
        changes: dict[str, tuple[RedisNode, str, str]] = {}
        problems = [node.problem for node in silent]
        for node in nodes:
            if node.problem or node.name not in wanted:
                continue
            try:
                old = await self._read(node.name)
            except ActionProblem as problem:
                problems.append(str(problem))
                continue
            if old != wanted[node.name]:
                changes[node.name] = (node, old, wanted[node.name])
        judged = await self.judged(changes) if changes else _Judged()
        persist = params.get("persist", "yes") != "no"
        news = {name: new for name, (_, _, new) in changes.items()}
        may_not = await setting_forbidden(self.cluster, self.setting, news, persist=persist)
        refusal = judged.refusal or (may_not if changes else self._nothing(nodes, problems, wanted))
        return self.draft(
            params,
            title=f"{self.title} {self.shown(next(iter(wanted.values()), ''))}".strip(),
            object=f"redis/config/{self.setting}",
            risk=Risk.DESTRUCTIVE if judged.destructive else self.risk,
            sentence=self._sentence(nodes, changes),
            call="; ".join(f"{name}: CONFIG SET {self.setting} {new}" for name, (_, _, new) in changes.items())
            + ("; then CONFIG REWRITE on each" if persist else ""),
            shell=self._shell(changes, persist=persist),
            victims=tuple(self._victim(*change) for change in changes.values()),
            preconditions={name: old for name, (_, old, _) in changes.items()},
            checks=(Check(self.setting, "CONFIG GET says the new value on every one of these nodes"),),
            warnings=(
                *judged.warnings,
                *(f"{problem}: not changed; it would come back with its old value" for problem in problems),
                *_lasting(changes, persist=persist),
            ),
            **self._way_back(changes, judged, persist=persist),
            refusal=refusal,
            confirm_word="redis" if judged.destructive else "",
            deadline=10.0 + 5.0 * len(changes),
            verify_seconds=15.0,
        )

    def _way_back(
        self, changes: Mapping[str, tuple[RedisNode, str, str]], judged: _Judged, *, persist: bool
    ) -> dict[str, Any]:
        """The plan's fields of going back: written into the files again only if this is."""
        if judged.no_way_back:
            return {"undo": f"none from here: {judged.no_way_back}"}
        values = ",".join(f"{name}={old}" for name, (_, old, _) in changes.items())
        there = {"undo_action": self.id, "undo_params": {"values": values, "persist": "yes" if persist else "no"}}
        return {"undo": "set the old values back, node by node"} | (there if changes else {})

    def _nothing(self, nodes: Sequence[RedisNode], problems: Sequence[str], wanted: Mapping[str, str]) -> str:
        if problems:
            return "; ".join(dict.fromkeys(problems))
        values = ", ".join(sorted({self.shown(value) for value in wanted.values()}))
        return f"{self.setting} is {values} on all {len(nodes)} nodes already"

    def _sentence(self, nodes: Sequence[RedisNode], changes: Mapping[str, tuple[RedisNode, str, str]]) -> str:
        if not changes:
            return f"Would set {self.setting} on every node."
        olds = ", ".join(sorted({self.shown(old) for _, old, _ in changes.values()}))
        news = ", ".join(sorted({self.shown(new) for _, _, new in changes.values()}))
        return (
            f"Sets {self.setting} from {olds} to {news} on {len(changes)} of {len(nodes)} nodes, one after the other."
        )

    def _shell(self, changes: Mapping[str, tuple[RedisNode, str, str]], *, persist: bool) -> str:
        lines = []
        for node, _, new in changes.values():
            lines.append(cli(self.cluster.target, node.address, "config set", self.setting, new))
            lines[-1] += (
                f" && {cli(self.cluster.target, node.address, 'config rewrite')}"
                if persist and node.config_file
                else ""
            )
        return "\n".join(lines)

    def _victim(self, node: RedisNode, old: str, new: str) -> Victim:
        used = f"{size(node.used_memory)} used" + (f" of {size(node.max_memory)}" if node.max_memory else ", no limit")
        return Victim(
            key=node.name,
            identity=f"{node.run_id} {old}",
            label=f"{node.name} {'master ' if node.role == 'master' else 'replica'} {self.shown(old)} -> {self.shown(new)}  {used}",
            facts={"node": node.name, "old": old, "new": new, "used": str(node.used_memory), "policy": node.policy},
        )

    async def _read(self, name: str) -> str:
        answer = await self.cluster.link(name).read("CONFIG", "GET", self.setting)
        if not isinstance(answer, list) or len(answer) != 2:
            raise ActionProblem(
                f"{name} does not tell its {self.setting}: the setting may be hidden there by the provider"
            )
        return clean(answer[1], 64)

    async def execute(self, plan: Plan) -> Result:
        """Node after node."""
        persist = plan.params.get("persist", "yes") != "no"

        async def change(victim: Victim) -> str:
            name, old, new = victim.key, victim.facts["old"], victim.facts["new"]
            now = await self._read(name)
            if now != old:
                raise ActionProblem(f"{name} has {self.shown(now)} by now: somebody else changed it")
            await self.still_harmless(victim)
            link = self.cluster.link(name)
            await link.send("CONFIG", "SET", self.setting, new)
            said = f"{self.shown(old)} -> {self.shown(new)}"
            if not persist:
                return f"{said}, until the process ends"
            try:
                await link.send("CONFIG", "REWRITE")
            except (ActionProblem, SentWithoutAnswer) as problem:
                return f"{said}, until the process ends: {problem}"
            return f"{said}, and written to its configuration file"

        return await self.each(plan, change, "nodes were set")

    async def still_harmless(self, victim: Victim) -> None:
        """Look at the node once more, right before the change; :class:`ActionProblem` when it would do there what was not shown."""

    async def verify(self, plan: Plan) -> Verification:
        """What every node says now."""
        nodes = await self.cluster.read()
        reading: dict[str, str] = {}
        other: list[str] = []
        silent: list[str] = []
        for victim in plan.victims:
            try:
                value = await self._read(victim.key)
            except ActionProblem as problem:
                silent.append(str(problem))
                reading[victim.key] = "not read"
                continue
            reading[victim.key] = self.shown(value)
            if value != victim.facts["new"]:
                other.append(f"{victim.key} has {self.shown(value)}")
        reading |= {"fullest master": fullest(nodes)}
        if silent:
            return Verification(Verdict.UNKNOWN, "; ".join(silent), reading)
        if other:
            return Verification(Verdict.CONTRADICTED, "; ".join(other), reading)
        return Verification(
            Verdict.VERIFIED, f"{len(plan.victims)} of {len(plan.victims)} nodes have the new value", reading
        )


def fullest(nodes: Sequence[RedisNode]) -> str:
    """The master that has used most of its limit, in percent."""
    percents = [node.memory_percent for node in nodes if node.role == "master" and node.memory_percent is not None]
    return f"{max(percents):.0f} %" if percents else "no limit"


def _lasting(changes: Mapping[str, tuple[RedisNode, str, str]], *, persist: bool) -> tuple[str, ...]:
    """Whether it outlives the processes."""
    if not changes:
        return ()
    if not persist:
        return ("it lasts until each process ends: nothing is written to a file",)
    without = [name for name, (node, _, _) in changes.items() if not node.config_file]
    if without:
        return (
            f"{', '.join(without)} run without a configuration file: it lasts until the process ends; change the ConfigMap or manifest too",
        )
    return ("where the file is a mounted ConfigMap it cannot be written, and that is said: change the ConfigMap too",)


class SetMaxmemory(_Setting):
    """The memory limit on every node."""

    id = "redis.set-maxmemory"
    title = "set maxmemory"
    risk = Risk.DISRUPTIVE
    setting = "maxmemory"
    parameters = (Parameter("bytes", "the limit of each node: 2gb, 512mb or bytes", default="2gb"), _PERSIST, _VALUES)

    def wanted(self, params: Mapping[str, str]) -> str:
        """Bytes; the runbook's 2gb when nothing is said."""
        return self.valid(params.get("bytes", "") or "2gb")

    def valid(self, value: str) -> str:
        """In bytes."""
        try:
            return str(bytes_of(value))
        except ValueError:
            raise ActionProblem(
                f'"bytes" must be a size like 2gb, 512mb or 67108864, not "{clean(value, 40)}"'
            ) from None

    def shown(self, value: str) -> str:
        """As a size; 0 is no limit."""
        return size(int(value)) if value.isdecimal() and int(value) else "no limit" if value == "0" else value

    async def judged(self, changes: Mapping[str, tuple[RedisNode, str, str]]) -> _Judged:
        """Against the container's limit and what is used: too much kills the pod, too little evicts at once or refuses writes."""
        found = _Judged()
        known = await limits(self.profile, [node for node, _, _ in changes.values()])
        for name, (node, old, new) in changes.items():
            value, limit = int(new), known.get(name)
            found.refusal = found.refusal or too_much(node, value, limit)
            if old.isdecimal():
                found.no_way_back = found.no_way_back or too_much(node, int(old), limit)
            if value and value < node.used_memory and not _evicts(node):
                found.destructive = True
                found.warnings.append(
                    f"{name} uses {size(node.used_memory)} under {node.policy}: it refuses every write then"
                )
            elif value and value < node.used_memory:
                found.destructive = True
                share = 1 - value / node.used_memory
                found.warnings.append(
                    f"{name} uses {size(node.used_memory)}: about {share:.0%} of it, {int(node.keys * share)} keys, are evicted at once, "
                    "and it answers nobody meanwhile"
                )
        unknown = [name for name in changes if name not in known]
        if unknown:
            whose = f" ({', '.join(unknown)})" if known else ""
            found.warnings.append(
                f"the containers' memory limits are not known here{whose}: a limit that is too high gets a pod killed"
            )
        return found

    async def still_harmless(self, victim: Victim) -> None:
        """Not where the used memory has outgrown the new limit since."""
        now = await self.cluster.link(victim.key).state()
        new, used = int(victim.facts["new"]), int(victim.facts["used"])
        if now.problem:
            raise ActionProblem(now.problem)
        if used <= new < now.used_memory:
            raise ActionProblem(
                f"{victim.key} uses {size(now.used_memory)} by now, more than {size(new)}: it would evict or refuse writes; plan again"
            )


def _evicts(node: RedisNode) -> bool:
    return node.policy.startswith("allkeys-") or (node.policy.startswith("volatile-") and node.expiring_keys > 0)


class SetPolicy(_Setting):
    """What may be evicted, on every node."""

    id = "redis.set-policy"
    title = "set eviction policy"
    risk = Risk.DISRUPTIVE
    setting = "maxmemory-policy"
    parameters = (Parameter("policy", "which keys may go", default=POLICIES[0], choices=POLICIES), _PERSIST, _VALUES)

    def wanted(self, params: Mapping[str, str]) -> str:
        """The runbook's allkeys-lru when nothing is said."""
        return self.valid(params.get("policy", "") or POLICIES[0])

    def valid(self, value: str) -> str:
        """One of the eight."""
        if value not in POLICIES:
            raise ActionProblem(f'there is no policy "{clean(value, 40)}"; there are {", ".join(POLICIES)}')
        return value

    async def judged(self, changes: Mapping[str, tuple[RedisNode, str, str]]) -> _Judged:
        """Whether something that is no cache would go, or nothing could."""
        found = _Judged()
        odd = {old for _, old, _ in changes.values()} - set(POLICIES)
        if odd:
            found.no_way_back = f"{', '.join(sorted(odd))} is no policy that can be set from here"
        self._near_the_limit(found, changes)
        masters = [(node, new) for node, _, new in changes.values() if node.role == "master"]
        keys = sum(node.keys for node, _ in masters)
        lasting = keys - sum(node.expiring_keys for node, _ in masters)
        news = {new for _, new in masters}
        if any(new.startswith("allkeys-") for new in news) and lasting:
            found.warnings.append(
                f"{lasting} of {keys} keys have no TTL: under allkeys they may be evicted too. Right only if every key is a cache; sessions, "
                "locks, queues and rate limits are not"
            )
        if any(new.startswith("volatile-") for new in news) and keys and lasting == keys:
            found.warnings.append(
                "no key has a TTL: a volatile policy could evict none, and writes fail when memory is full"
            )
        if "noeviction" in news:
            found.warnings.append("when memory is full every write is refused (OOM); reads go on")
        return found

    def _near_the_limit(self, found: _Judged, changes: Mapping[str, tuple[RedisNode, str, str]]) -> None:
        """A full master does at once what the policy says: it evicts, or refuses (``redis_memory_warning``, runbook 2.2)."""
        for name, (node, _, new) in changes.items():
            percent = node.memory_percent
            if node.role != "master" or percent is None or percent < self.profile.thresholds.redis_memory_warning:
                continue
            lasting = node.keys - node.expiring_keys
            if not new.startswith("allkeys-"):
                goes = f"keys with a TTL go, {node.expiring_keys} of {node.keys}, then" if new != "noeviction" else ""
                what = f"{goes} every write is refused".strip()
            elif lasting > 0:
                what = f"its {lasting} keys without a TTL may go at once"
            else:
                continue
            found.destructive = True
            found.warnings.append(f"{name} has used {percent:.0f} % of its limit: under {new} {what}")
