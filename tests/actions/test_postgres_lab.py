"""The lab's connection storm, mended with the lab's own profile; psql is the independent witness."""

from __future__ import annotations

import pytest

from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.load import load_profile
from alphapulse_tui.model.plan import Outcome, Verdict
from tests.lab_handle import LabHandle
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PROTECTED = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pgbouncer', 'dba-maintenance', 'pg_dump')"
)
LEAKED = "SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('report-exporter', 'api-leak')"

YOUNG = f"{LEAKED} AND state_change > now() - interval '12 s'"
"""Leaked sessions that the lab's profile (10 s) does not call idle for too long yet."""


@pytest.mark.long
async def test_a_storm_is_mended_and_the_protected_live_on(whole_lab: LabHandle) -> None:
    whole_lab.break_("connection-storm")
    profile = load_profile("lab", str(whole_lab.profile)).profile
    await until(lambda: whole_lab.psql(YOUNG) == "0", 40, "every leaked session to be old enough")
    protected, leaked = whole_lab.psql(PROTECTED), int(whole_lab.psql(LEAKED))
    for action_id in ("pg.terminate-idle-in-transaction", "pg.terminate-idle"):
        action = make_action(action_id, profile)

        async def ripe(action=action) -> bool:
            plan = await action.plan({})
            return bool(plan.victims) and "younger" not in plan.refusal

        await until(ripe, 30, f"{action_id}: sessions of the profile's age")
        plan = await action.plan({})
        assert plan.refusal == "" and any("pooler" in one or "superuser" in one for one in plan.warnings)
        assert (await action.execute(plan)).outcome is Outcome.DONE

        async def gone(action=action, plan=plan) -> bool:
            return (await action.verify(plan)).verdict is Verdict.VERIFIED

        await until(gone, 10, f"{action_id} verified")
        await action.close()
    assert int(whole_lab.psql(LEAKED)) < leaked / 2
    assert whole_lab.psql(PROTECTED) == protected
