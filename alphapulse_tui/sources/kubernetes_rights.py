"""Which changes our login may make in the namespace, by SelfSubjectAccessReview: what the API server itself would say. A survey, read when a
procedure opens.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rights import Right, RightsSurvey, needed_of
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.sources.kubernetes_link import Link
from alphapulse_tui.text import clean

NEEDED = needed_of("kubernetes")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
MAY_NOT_ASK = "authorization.k8s.io selfsubjectaccessreviews: create"


class _Status(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Status


class KubernetesRightsSource(Source[RightsSurvey]):
    """The API server's word on every right, all asked at once."""

    target = "kubernetes-rights"
    interval = 300.0
    deadline = 8.0

    def __init__(self, kubeconfig: str, context: str, namespace: str) -> None:
        self._link = Link(kubeconfig, context)
        self._namespace = namespace

    async def read(self) -> RightsSurvey:
        """What is missing; a review that fails leaves its right unknown. Raises when none is answered."""
        await self._link.open()
        answers = await asyncio.gather(*(self._ask(right) for right in NEEDED), return_exceptions=True)
        missing: list[tuple[Right, str]] = []
        unknown: list[tuple[Right, str]] = []
        for right, answer in zip(NEEDED, answers, strict=True):
            if isinstance(answer, SourceProblem):
                unknown.append((right, clean(answer)))
            elif isinstance(answer, BaseException):
                raise answer
            elif not answer:
                missing.append((right, self._grant(right)))
        if len(unknown) == len(NEEDED):
            refusal = next(answer for answer in answers if isinstance(answer, SourceProblem))
            raise refusal
        return RightsSurvey(tuple(missing), tuple(unknown))

    def _grant(self, right: Right) -> str:
        group, resource, verb = right.words
        return f"{f'{group} ' if group else ''}{resource}: {verb} in namespace {clean(self._namespace, 64)}"

    async def _ask(self, right: Right) -> bool:
        group, whole, verb = right.words
        resource, _, subresource = whole.partition("/")
        attributes = {"namespace": self._namespace, "verb": verb, "group": group, "resource": resource}
        body: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes | ({"subresource": subresource} if subresource else {})},
        }
        answer = await self._link.post(REVIEWS, MAY_NOT_ASK, body)
        try:
            return msgspec.json.decode(answer, type=_Review).status.allowed
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable("the API server answers an access review in an unknown form") from None

    def judge(self, snapshot: RightsSurvey) -> tuple[Finding, ...]:  # noqa: ARG002 - a survey is looked at, it does not page
        """Nothing."""
        return ()

    async def close(self) -> None:
        """Close connections."""
        await self._link.close()
