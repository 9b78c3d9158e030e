"""The checks of a crash loop and of a rollout: every cause has its own sentence, and what was not read is never well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.api import (
    Bounds,
    CrashSnapshot,
    Variable,
)
from alphapulse_tui.model.cluster import ClusterEvent, EventsSnapshot
from alphapulse_tui.model.kubernetes import Container, Pod, Revision, Workload
from alphapulse_tui.runbook.checks import CHECKS, Passed
from tests.runbook.api_scene import API, CRASHING, END, LONG_THERE, MIB, OLD_RELEASE, WALL, WELL, look, namespace, pod

OURS = [name for name in CHECKS if name.startswith(("api.", "rollout."))]


@pytest.mark.parametrize("name", OURS)
def test_what_was_not_read_is_not_verified(name: str) -> None:
    result = look(name)
    assert result.passed is Passed.UNKNOWN and result.value == "unknown" and result.sentence


def failing(kind: str, said: str = "refuses connections: nothing listens there") -> CrashSnapshot:
    probes = tuple(replace(one, answers=False, said=said) if one.dependency == kind else one for one in WELL.probes)
    return replace(WELL, probes=probes)


def ended(**fields: Any) -> CrashSnapshot:
    return replace(WELL, ends=(replace(END, **fields),))


def never_ran(waiting: str, message: str) -> CrashSnapshot:
    return ended(reason="", exit_code=None, waiting=waiting, message=message, restarts=0, words=())


def no_secret() -> CrashSnapshot:
    return never_ran("CreateContainerConfigError", 'secret "x" not found')


@pytest.mark.parametrize(
    ("crash", "workload", "value", "words"),
    [
        (ended(reason="OOMKilled", exit_code=137), API, "memory", "killed for want of memory at its limit of 384Mi"),
        (failing("database"), API, "release", "DATABASE_X names 10.0.0.1:1"),
        (failing("redis"), API, "release", "REDIS_X names 10.0.0.1:1"),
        (failing("vault"), API, "release", "revision 3 (new) brought it; only its pods crash"),
        (failing("vault", "Vault answers: sealed"), API, "dependency", "vault itself is not well: vault-sealed mends it"),
        (failing("database"), OLD_RELEASE, "database", "refuses connections"),
        (ended(words=("ERROR asyncpg: timeout",)), OLD_RELEASE, "database", "its last words name database"),
        (ended(words=("CLUSTERDOWN Hash slot not served",)), OLD_RELEASE, "redis", "its last words name redis"),
        (ended(), OLD_RELEASE, "application", "ended with code 1, an error of the application: FATAL broken"),
        (ended(exit_code=139, words=()), OLD_RELEASE, "application", "a segmentation fault"),
        (never_ran("ImagePullBackOff", "no such tag"), OLD_RELEASE, "image", "does not say why: the events may (no such tag)"),
        (never_ran("ErrImagePull", "api:2: not found"), API, "release", "has no such image or tag; revision 3 (new) brought it"),
        (no_secret(), OLD_RELEASE, "config", 'Secret "x" is not there, and its variable TOKEN asks for it; its keeper makes it'),
        (no_secret(), API, "release", "revision 3 (new) brought it; only its pods crash; or its keeper makes it"),
    ],
)  # fmt: skip
def test_each_cause_of_a_crash_has_its_own_way(
    crash: CrashSnapshot, workload: Workload, value: str, words: str
) -> None:
    pods = CRASHING if workload is API else LONG_THERE
    result = look("api.cause", kubernetes=namespace(*pods, workload=workload), api_crash=crash)
    assert result.value == value and words in result.sentence, result.sentence


def test_what_never_ran_is_told_by_name_and_not_by_the_want_of_a_log() -> None:
    crash = never_ran("CreateContainerConfigError", "couldn't find key k in Secret ns/x")
    result = look("api.last-end", api_crash=crash)
    assert result.sentence == (
        'CreateContainerConfigError: api-new-1/api never ran: Secret "x" has no key "k", and its variable TOKEN asks for it'
    )
    cause = look("api.cause", kubernetes=namespace(*LONG_THERE, workload=OLD_RELEASE), api_crash=crash)
    assert cause.rows[-2:] == (("missing", 'Secret "x" has no key "k"'), ("asked for by", "TOKEN"))


def test_another_deployment_is_never_judged_by_the_apis_crash() -> None:
    result = look("api.last-end", {"deployment": "agent-workers"}, api_crash=WELL)
    assert result.passed is Passed.UNKNOWN and "agent-workers is not there, or is well" in result.sentence


def test_nothing_crashes() -> None:
    result = look(
        "api.cause", kubernetes=namespace(*map(pod, ("api-1", "api-2", "api-3"))), api_crash=replace(WELL, ends=())
    )
    assert (result.passed, result.value) == (Passed.YES, "well")


def test_the_last_words_come_before_any_guess() -> None:
    result = look("api.last-end", api_crash=WELL)
    assert result.sentence == "Error (exit code 1), 3 restarts; its last words: FATAL broken"
    assert ("  previous log", "FATAL broken") in result.rows
    silent = look("api.last-end", api_crash=ended(words=(), log_problem="it wrote nothing"))
    assert silent.sentence.endswith("no last words: it wrote nothing")


@pytest.mark.parametrize(
    ("pods", "value", "words"),
    [
        (CRASHING, "crashing", "1 of 2 pods are not well (CrashLoopBackOff); 1 serve"),
        (tuple(pod(f"api-{number}") for number in range(3)), "well", "all 3 pods of api are ready"),
        ((pod("api-1"),), "few", "1 of the 3 wanted pods of api are there; its events say why no more come"),
        ((), "none", "api has no pod at all, and wants 3"),
    ],
)
def test_which_pods_crash(pods: tuple[Pod, ...], value: str, words: str) -> None:
    result = look("api.pods-state", kubernetes=namespace(*pods))
    assert result.value == value and words in result.sentence


@pytest.mark.parametrize(
    ("crash", "passed", "words"),
    [
        (WELL, Passed.YES, "answer at the addresses of the template"),
        (failing("redis"), Passed.NO, "REDIS_X names 10.0.0.1:1, which refuses connections"),
        (replace(WELL, probes=()), Passed.UNKNOWN, "names no database, Redis or Vault"),
        (replace(WELL, probes=(replace(WELL.probes[0], answers=None, place="", said="not read"),)), Passed.UNKNOWN, "test it from the pod"),
        (replace(WELL, probes=(*WELL.probes, replace(WELL.probes[1], answers=False, place="b:2"))), Passed.YES, "of several, b:2 does not"),
    ],
)  # fmt: skip
def test_addresses_are_judged_as_one_needs_them(crash: CrashSnapshot, passed: Passed, words: str) -> None:
    result = look("api.outside", api_crash=crash)
    assert result.passed is passed and words in result.sentence


def test_no_value_of_a_variable_is_ever_shown() -> None:
    result = look("api.environment", api_crash=WELL)
    assert result.rows == (("DATABASE_URL", "written in the template"), ("TOKEN", "Secret x (not read)"))


def test_an_object_whose_keys_are_all_taken_is_no_variable() -> None:
    whole = replace(WELL, variables=(*WELL.variables, Variable("envFrom", "Secret y (not read)", ("Secret", "y"))))
    assert look("api.environment", api_crash=whole).sentence.startswith("2 variables and all of Secret y (not read);")


def test_the_killed_container_is_the_first_choice() -> None:
    result = look("api.memory", api_crash=ended(reason="OOMKilled", exit_code=137))
    assert result.choices[0][0] == "api" and result.passed is Passed.NO
    near = replace(WELL, bounds=(Bounds("api", None, 100 * MIB, 95 * MIB),))
    assert "over 90 %" in look("api.memory", api_crash=near).sentence


def test_warnings_about_its_pods_come_first() -> None:
    def event(kind: str, name: str, reason: str) -> ClusterEvent:
        return ClusterEvent(reason, kind, reason, "Pod", name, "said", 2, None, WALL - 5)

    told = EventsSnapshot(
        (
            event("Normal", "api-new-1", "Started"),
            event("Warning", "other", "Alien"),
            event("Warning", "api-new-1", "BackOff"),
        )
    )
    result = look("api.events", kubernetes=namespace(*CRASHING), kubernetes_events=told)
    assert result.sentence == "1 warnings; the newest: BackOff: said"
    assert [name for name, _ in result.rows] == ["BackOff pod/api-new-1", "Started pod/api-new-1"]


@pytest.mark.parametrize(
    ("workload", "passed", "value"),
    [
        (API, Passed.YES, "done"),
        (replace(API, updated=1), Passed.NO, "rolling"),
        (replace(API, available=2), Passed.NO, "rolling"),
        (replace(API, available=2, deadline_exceeded=True), Passed.NO, "failed"),
        (replace(API, deadline_exceeded=True), Passed.NO, "failed"),
    ],
)
def test_how_a_rollout_stands(workload: Workload, passed: Passed, value: str) -> None:
    result = look("rollout.standing", kubernetes=namespace(workload=workload))
    assert (result.passed, result.value) == (passed, value)


def test_an_old_pod_that_serves_in_the_place_of_a_new_one_is_no_finished_rollout() -> None:
    crashing = replace(API, desired=1, total=2, updated=1, ready=1, available=1)
    result = look("rollout.standing", kubernetes=namespace(workload=crashing))
    assert (result.passed, result.sentence) == (Passed.NO, "1 of 1 pods updated, 1 available, 1 old still there")
    surged = replace(API, total=4, updated=4, available=3)
    assert look("rollout.standing", kubernetes=namespace(workload=surged)).value == "rolling"


def test_at_0_replicas_the_api_is_down_and_another_may_be_meant_so() -> None:
    nothing = replace(API, desired=0, updated=0, ready=0, available=0)
    result = look("rollout.standing", kubernetes=namespace(workload=nothing))
    assert (result.passed, result.sentence) == (Passed.NO, "api is scaled to 0: no pod of it serves")
    canary = namespace(workload=replace(nothing, name="canary"))
    assert look("rollout.standing", {"deployment": "canary"}, kubernetes=canary).passed is Passed.YES


@pytest.mark.parametrize(
    ("pods", "desired", "passed", "words"),
    [
        (3, 3, Passed.YES, "3 of 3 API pods ready"),
        (1, 3, Passed.NO, "1 of 3 API pods ready"),
        (0, 3, Passed.NO, "0 of 3 API pods ready"),
        (0, 0, Passed.NO, "0 of 0 API pods ready"),
    ],
)
def test_pods_of_the_api_that_never_came_are_counted_too(pods: int, desired: int, passed: Passed, words: str) -> None:
    there = (pod(f"api-{number}") for number in range(pods))
    result = look("api.pods", kubernetes=namespace(*there, workload=replace(API, desired=desired)))
    assert (result.passed, result.sentence) == (passed, words)


def test_revisions_are_choices_the_one_before_first() -> None:
    older = Revision(1, "api:0", "", WALL - 99_000, 0, "api-first")
    result = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=(*API.revisions, older))))
    assert [value for value, _ in result.choices] == ["2", "1"] and "(runs now)" in result.rows[0][0]
    assert look("rollout.history", kubernetes=namespace(workload=replace(API, paused=True))).value == "paused"
    assert (
        look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=API.revisions[:1]))).value
        == "none"
    )


@pytest.mark.parametrize(
    "ours",
    [
        {"cause": "memory limit of api set to 8Gi by ana@bastion"},
        {"cause": "new", "restart": "3f0c"},
    ],
)
def test_the_release_that_got_memory_or_a_restart_is_no_first_choice_to_go_back_to(ours: dict[str, str]) -> None:
    mended = replace(API.revisions[0], number=4, replica_set="api-4", **ours)  # type: ignore[arg-type]
    result = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=(mended, *API.revisions))))
    assert [value for value, _ in result.choices] == ["2", "3"] and "the one before is 2 (api:1)" in result.sentence
    # What carries the mark of an older change is a release of its own: it may have changed a variable.
    known = (replace(mended, number=5), mended, *API.revisions)
    result = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=known)))
    assert [value for value, _ in result.choices] == ["4", "3", "2"]


def test_after_a_roll_back_the_release_that_was_left_is_named_and_no_default() -> None:
    good = replace(API.revisions[1], number=4, returned=True)
    older = Revision(1, "api:0", "", WALL - 99_000, 0, "api-first")
    kept = (good, API.revisions[0], older)
    result = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=kept)))
    assert result.rows[1][0] == "revision 3 (gone back from)"
    assert [value for value, _ in result.choices] == ["1", "3"] and "the one before is 1 (api:0)" in result.sentence
    alone = look("rollout.history", kubernetes=namespace(workload=replace(API, revisions=kept[:2])))
    assert (alone.value, alone.choices) == ("none", ())
    assert alone.sentence == "api has no earlier revision to go back to but what somebody went back from (3)"


def test_a_fix_that_does_not_hold_is_seen() -> None:
    assert look("rollout.mending", kubernetes=namespace(*CRASHING)).value == "broken"
    never = replace(
        pod("api-3", "CreateContainerConfigError"),
        containers=(Container("api", "api:2", False, 0, waiting="CreateContainerConfigError"),),
    )
    assert look("rollout.mending", kubernetes=namespace(never)).value == "broken"
    starting = replace(pod("api-3", "Running"), ready=0)
    assert look("rollout.mending", kubernetes=namespace(starting, pod("api-1"))).value == "mending"
    late = replace(API, deadline_exceeded=True)
    assert look("rollout.mending", kubernetes=namespace(pod("api-1"), workload=late)).value == "broken"
