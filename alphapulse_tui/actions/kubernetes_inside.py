"""Test the API's dependencies from inside one of its pods, without a secret leaving it (runbook 2.4).

The runbook prints ``DATABASE_URL`` with its password and lets the engineer's shell expand it; ``psql``, ``redis-cli`` and ``vault`` are in no
API image; and a container in a crash loop takes no command (facts 2.4.1). Here a small program runs with the Python that the API itself runs on, in
a pod of the same Deployment that does run. It tries the addresses that the *present template* gives (the crashing release's), from the pod's
own network. A value that lies in a Secret is read by the program inside the pod; only host, port and the outcome come out.
"""

from __future__ import annotations

import inspect
import json
import shlex
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_tui.actions.contract import ActionProblem, Parameter
from alphapulse_tui.actions.kubernetes_action import KubernetesAction
from alphapulse_tui.actions.kubernetes_exec import run_inside
from alphapulse_tui.actions.kubernetes_link import Object
from alphapulse_tui.model.api_environment import Address, addresses, config_maps
from alphapulse_tui.model.endpoints import endpoints, of_pairs, of_urls
from alphapulse_tui.model.plan import Outcome, Plan, Result, Risk, Verdict, Verification, Victim
from alphapulse_tui.model.selector import selector_of
from alphapulse_tui.redact import redact
from alphapulse_tui.text import clean

SECONDS = 8.0
"""For the whole test; each address has 2 s inside."""

PROGRAM = (
    "from __future__ import annotations\nimport json, os, re, socket, ssl, struct, sys\n"
    + "".join(inspect.getsource(one) for one in (endpoints, of_pairs, of_urls))
    + """
PORTS = {"database": 5432, "redis": 6379, "vault": 8200}
def ask(kind, host, port, tls):
    line = socket.create_connection((host, port), 2)
    line.settimeout(2)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        line = context.wrap_socket(line, server_hostname=host)
    answer = line.makefile("rb")
    if kind == "database":
        line.sendall(struct.pack("!ii", 8, 80877103))
        return "PostgreSQL answers" if answer.read(1) in (b"S", b"N") else "!answers, but not as PostgreSQL does"
    if kind == "redis":
        line.sendall(b"PING\\r\\n")
        word = re.match("[+]|-([A-Z]+)", answer.readline(64).decode("latin-1"))
        if not word:
            return "!answers, but not as Redis does"
        return "Redis answers" if word.group(1) in (None, "NOAUTH", "NOPERM") else "!Redis serves nobody: " + word.group(1)
    line.sendall(b"GET /v1/sys/health HTTP/1.0\\r\\nHost: v\\r\\n\\r\\n")
    code = re.match("HTTP/[0-9.]+ ([0-9]{3})", answer.readline(64).decode("latin-1"))
    if not code:
        return "!answers, but not as Vault does"
    return ("" if code.group(1) in ("200", "429", "472", "473") else "!") + "Vault answers with code " + code.group(1)
for entry in sys.argv[1:]:
    kind, name, value = entry.split("=", 2)
    names = name.split(" or ")
    value = value or next((os.environ[one] for one in names if os.environ.get(one)), "")
    if not value and len(names) > 1:
        continue  # No template says that it needs this one.
    places = endpoints(value, PORTS[kind])
    if not places:
        said = "it is not in a known form" if value else "the variable is not set in this pod"
        print(json.dumps([kind, name, "", False, said]))
    for host, port, tls in places:
        place = ("[" + host + "]" if ":" in host else host) + ":" + str(port)
        try:
            said = ask(kind, host, port, tls)
        except ConnectionRefusedError:
            said = "!refuses connections: nothing listens there"
        except (TimeoutError, socket.timeout):
            said = "!no answer within 2 s"
        except socket.gaierror:
            said = "!the host name cannot be resolved"
        except ssl.SSLError as error:
            said = "!TLS fails: " + str(error.reason)
        except (OSError, ValueError) as error:
            said = "!" + type(error).__name__
        print(json.dumps([kind, name, place, not said.startswith("!"), said.lstrip("!")]))
"""
)
"""Knows only the standard library. Of a value only host and port are ever printed, and only of one in a known form."""


BY_HAND = (
    r'import os, re, socket; m = re.match(r"[a-z0-9+]+://[^@]*@([\w.-]+)(?::(\d+))?(?:[/?][^@]*)?$", os.environ["DATABASE_URL"]); '
    'socket.create_connection((m[1], int(m[2] or 5432)), 2); print("open")'
)
"""The same for the database alone, short enough to be typed."""


class TestInside(KubernetesAction):
    """Run the test; it changes nothing and prints no value."""

    __test__ = False
    id = "kubernetes.test-inside"
    title = "test dependencies from a pod"
    risk = Risk.SAFE
    changes = False
    source = "runbook 2.4"
    parameters = (
        Parameter("name", "the Deployment", default="api"),
        Parameter("pod", "the pod; without it a running one of the Deployment"),
    )

    async def plan(self, params: Mapping[str, str]) -> Plan:
        """Choose the pod and the addresses."""
        name = params.get("name") or "api"
        deployment = await self._get(
            f"/apis/apps/v1/namespaces/{self.link.namespace}/deployments/{name}", "apps deployments [get]"
        )
        container = _main(deployment["spec"].get("template") or {})
        pod, refusal = await self._pod(deployment, params.get("pod", ""), str(container.get("name", "")))
        found = await self._addresses(container)
        if not refusal and not found:
            refusal = f"deployment/{name} names no database, Redis or Vault in its environment"
        what = ", ".join(f"{one.dependency} ({one.variable}, {one.origin})" for one in found)
        pod_name = clean((pod.get("metadata") or {}).get("name", ""), 256)
        uid = clean((pod.get("metadata") or {}).get("uid", ""), 64)
        path = f"/api/v1/namespaces/{self.link.namespace}/pods/{pod_name}/exec"
        return Plan(
            id=uuid.uuid4().hex,
            action=self.id,
            title=f"test dependencies from {pod_name or name}",
            target=self.target,
            environment=self.profile.environment or self.profile.name,
            object=f"kubernetes/pod/{pod_name}",
            risk=self.risk,
            sentence=f"Runs a small test in {pod_name or 'a pod'} of what the present template asks for: {what or 'nothing'}. "
            "Changes nothing and prints no value.",
            call=f"GET {path} (WebSocket): python3 -c <test of host and port>",
            shell=f"kubectl -n {self.link.namespace} exec {pod_name} -c {container.get('name', '')} -- python3 -c {shlex.quote(BY_HAND)}",
            params={"name": name, "pod": pod_name},
            victims=(Victim(pod_name, uid, f"{pod_name}: runs the test"),) if pod else (),
            preconditions={"uid": uid, "container": clean(container.get("name", ""), 128)},
            undo="none is needed: it changes nothing",
            refusal=refusal,
            changes=False,
            deadline=SECONDS + 1.0,
            made_at=time.time(),
        )

    async def execute(self, plan: Plan) -> Result:
        """Run it and read what it prints."""
        place = f"/apis/apps/v1/namespaces/{self.link.namespace}/deployments/{plan.params['name']}"
        deployment = await self._get(place, "apps deployments [get]")
        found = await self._addresses(_main(deployment["spec"].get("template") or {}))
        arguments = [f"{one.dependency}={one.variable}={','.join(_written(one))}" for one in found]
        command = ["python3", "-c", PROGRAM, *arguments]
        answer = await run_inside(self.link, plan.params["pod"], plan.preconditions["container"], command, SECONDS)
        details = _told(answer.out)
        if not details:
            said = clean(redact(answer.err.strip().split("\n")[-1]), 200)
            raise ActionProblem(f"the test said nothing (exit code {answer.code}): {said or 'no output'}")
        failed = [name for name, said in details.items() if said.startswith("FAILS")]
        sentence = (
            f"{len(failed)} of {len(details)} addresses fail from {plan.params['pod']}"
            if failed
            else f"all {len(details)} addresses answer from {plan.params['pod']}"
        )
        return Result(Outcome.DONE, sentence, details)

    async def verify(self, plan: Plan) -> Verification:
        """Nothing was changed, so there is nothing to prove."""
        return Verification(Verdict.VERIFIED, f"{plan.title} changes nothing")

    async def _get(self, path: str, right: str) -> Object:
        found = await self.link.read(path, right)
        if not isinstance(found.get("spec"), dict):
            raise ActionProblem("something that is no API server answers in its place")
        return found

    async def _pod(self, deployment: Object, wanted: str, container: str) -> tuple[Object, str]:
        """The pod to run it in, and why there is none."""
        query = {"labelSelector": selector_of(deployment), "limit": "500"}
        listed = await self.link.read(f"/api/v1/namespaces/{self.link.namespace}/pods", "pods [list]", query)
        pods = listed.get("items") or []
        if wanted:
            pods = [pod for pod in pods if (pod.get("metadata") or {}).get("name") == wanted]
            if not pods:
                return {}, f"there is no pod {clean(wanted, 128)} of this Deployment"
        running = [pod for pod in pods if _runs(pod, container)]
        if running:
            return running[0], ""
        return (
            pods[0] if pods else {}
        ), "none of its pods runs now, and one that crashes takes no command: the checks from outside remain"

    async def _addresses(self, container: Mapping[str, Any]) -> Sequence[Address]:
        maps: dict[str, Mapping[str, str]] = {}
        for name in config_maps(container):
            path = f"/api/v1/namespaces/{self.link.namespace}/configmaps/{name}"
            try:
                maps[name] = (await self.link.read(path, f"configmaps {name} [get]")).get("data") or {}
            except ActionProblem:
                maps[name] = {}  # Then the pod's own environment is asked.
        return addresses(container, maps)


def _main(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first container: the program itself, by custom."""
    found: Mapping[str, Any] = next(iter((template.get("spec") or {}).get("containers") or []), {})
    return found


def _written(address: Address) -> list[str]:
    """Places as the program inside reads them; empty: from its own environment."""
    return [f"{'https://' if place.tls else ''}{place}" for place in address.places]


def _runs(pod: Mapping[str, Any], container: str) -> bool:
    """Whether the container that is to run the test does; a sidecar that is well says nothing of it."""
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return False
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(one.get("name") == container and one.get("ready") for one in statuses)


def _told(out: str) -> dict[str, str]:
    """``database 127.0.0.1:5432`` to ``answers ...`` or ``FAILS ...``."""
    found: dict[str, str] = {}
    for line in out.splitlines():
        try:
            kind, name, place, answers, said = json.loads(line)
        except (ValueError, TypeError):
            continue
        named = clean(redact(f"{kind} {place or name}"), 128)
        found[named] = clean(redact(("" if answers else "FAILS: ") + str(said)), 200)
    return found
