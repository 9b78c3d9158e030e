"""Whether we may become another role: from PostgreSQL 16 on a membership can come without SET ROLE, and before it ``SET`` is no word."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from alphapulse_tui.sources.sql import query

FILES = {
    f"{package}/{file.name}": file.read_text()
    for package in ("sources", "actions")
    for file in resources.files(f"alphapulse_tui.{package}.sql").iterdir()
    if file.name.endswith(".sql") and not re.fullmatch(r"rights(_post_1[57]0000)?\.sql", file.name)
}
GUARDED = r"CASE WHEN current_setting\('server_version_num'\)::int >= 160000 THEN .*'SET'.*\s+ELSE .*'MEMBER'.* END"


@pytest.mark.parametrize("name", [name for name, text in FILES.items() if "'MEMBER'" in text.upper()])
def test_membership_is_asked_by_the_servers_version(name: str) -> None:
    text, guarded = re.subn(GUARDED, "", FILES[name])
    assert guarded and "'MEMBER'" not in text.upper() and "'SET'" not in text


def test_the_rights_are_asked_by_the_servers_version() -> None:
    assert "'SET'" not in query("rights", 140000)
    assert re.search(GUARDED, query("rights", 150000)) and "'member'" not in query("rights", 150000)
    assert "'SET'" in query("rights", 170000) and "member'" not in query("rights", 170000)
