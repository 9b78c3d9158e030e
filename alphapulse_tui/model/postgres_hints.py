"""Which index is missing: a table that is read whole again and again, and the columns that the statements on it compare (facts 2.1.2).

The runbook's query lists the indexes that *exist*. Here the sequential scans between two readings say which table, and the text of the
statement that takes the most time on it says which columns. It is a hint: whoever builds the index sees table and columns first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from alphapulse_tui.model.postgres_surveys import Statement, StatementSurvey, TableFigures, TableSurvey

LARGE_ROWS = 10_000
"""Live rows from which reading a table whole is worth a word (facts 8.2)."""

SCANS_A_SECOND = 0.5
"""Sequential scans a second from which it is more than one report."""

MOST_COLUMNS = 3

_COMPARED = re.compile(r"\b(?:\w+\.)?\"?(\w+)\"?\s*=\s*(?:\$\d+|ANY\b|'|\d)", re.IGNORECASE)
"""A column that a statement holds equal to a value; pg_stat_statements writes values as ``$1``."""


DEFINITION = re.compile(r"^CREATE INDEX \S+ ON (?P<table>\S+) USING btree \((?P<columns>\w+(?:, \w+)*)\)$")
"""An index whose columns are plain, as ``pg_get_indexdef`` writes it: one that can be built anew by table and columns. Neither an order
(``executed_at DESC``) nor an operator class (``symbol text_pattern_ops``) is plain: the same columns without it are another index."""


@dataclass(frozen=True, slots=True)
class IndexHint:
    """One index to build: for a table that is read whole, or in the place of one that is INVALID."""

    table: str
    """``public.trades``."""
    columns: str
    """``tenant_id, symbol``; empty when no statement tells."""
    why: str
    replaces: str = ""
    """The name of the INVALID index in whose place it comes."""

    @property
    def name(self) -> str:
        """What the index would be called: as the one that it replaces, else in the runbook's manner, ``idx_trades_tenant_symbol``."""
        if self.replaces:
            return self.replaces
        parts = [column.strip().removesuffix("_id") for column in self.columns.split(",")]
        return index_name(self.table.partition(".")[2] or self.table, parts)


def index_name(table: str, columns: Iterable[str]) -> str:
    """What an index of the table would be called, in letters that need no quotes, whatever the table is called.

    >>> index_name("Odd Table", ["tenant", "symbol"])
    'idx_Odd_Table_tenant_symbol'
    """
    return re.sub(r"[^A-Za-z0-9_$]", "_", f"idx_{table}_{'_'.join(columns)}")[:63]


def missing_indexes(tables: TableSurvey, statements: StatementSurvey | None) -> tuple[IndexHint, ...]:
    """The tables that are read whole now, the most rows a second first."""
    found: list[tuple[float, IndexHint]] = []
    for table in tables.tables:
        rate = table.seq_scans_a_second or 0.0
        if table.rows < LARGE_ROWS or rate < SCANS_A_SECOND or table.rows_a_scan < table.rows / 2:
            continue
        statement = _statement_on(table, statements)
        columns = columns_of(statement.query, table) if statement is not None else ()
        if columns and ", ".join(columns) in table.indexes:
            continue  # There is one already, and the planner prefers to read the table: statistics, not an index.
        why = f"{rate:g} times a second, {table.rows_a_scan:,.0f} rows each time"
        found.append((rate * table.rows_a_scan, IndexHint(table.full_name, ", ".join(columns), why)))
    return tuple(hint for _, hint in sorted(found, key=lambda pair: -pair[0]))


def built_anew(tables: TableSurvey) -> tuple[IndexHint, ...]:
    """The INVALID indexes that can be built anew, those that somebody builds now apart."""
    found = ((index, DEFINITION.match(index.definition)) for index in tables.indexes if not index.valid)
    return tuple(
        IndexHint(plain["table"], plain["columns"], f"{index.name} is INVALID", index.name)
        for index, plain in found
        if plain is not None and not index.progress
    )


def columns_of(query: str, table: TableFigures) -> tuple[str, ...]:
    """The table's columns that ``query`` holds equal to a value, in the order of the text.

    >>> table = TableFigures("public", "trades", 9, 0, 0, 0, 0, 0, 0, 0, columns=("id", "tenant_id", "symbol"))
    >>> columns_of("SELECT count(*) FROM trades WHERE tenant_id = $1 AND t.symbol = $2 AND side = 'x'", table)
    ('tenant_id', 'symbol')
    """
    _, _, condition = query.partition(" WHERE ") if " WHERE " in query else query.partition(" where ")
    named = (match[1] for match in _COMPARED.finditer(condition))
    return tuple(dict.fromkeys(name for name in named if name in table.columns))[:MOST_COLUMNS]


def _statement_on(table: TableFigures, statements: StatementSurvey | None) -> Statement | None:
    """The statement on this table that took the most time and says what it looks for."""
    named = re.compile(rf"\b{re.escape(table.name)}\b")
    return next(
        (
            one
            for one in (statements.statements if statements is not None else ())
            if named.search(one.query) and columns_of(one.query, table)
        ),
        None,
    )
