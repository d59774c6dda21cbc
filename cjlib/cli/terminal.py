"""Tables in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

MOST_ROWS = 200
"""Rows of a table that a terminal is shown."""


def console_as_wide_as_the_terminal() -> Console:
    """As wide as the terminal; where there is none, wide enough that no line of a table breaks without need."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def print_table(console: Console, title: str, table: Any) -> None:
    """A result's table below its title."""
    numbers = [name for name, kind in table.dtypes.items() if kind.kind in "iuf"]
    print_rows(
        console, title, list(table.columns), list(table.itertuples(index=False, name=None)), numbers
    )


def print_rows(
    console: Console,
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple],
    numbers: Sequence[str],
) -> None:
    """Rows below their title, at most 200."""
    from rich.table import Table

    from cjlib.show.tables import cell_text, column_kinds
    from cjlib.show.units import head_in_units

    console.print(f"\n[bold]{title}[/bold]")
    if not rows:
        console.print("  none")
        return
    shown_table = Table(box=None, padding=(0, 2, 0, 2))
    for name in names:
        shown_table.add_column(
            escape(head_in_units(str(name))),
            justify="right" if name in numbers else "left",
            overflow="fold",
        )
    kinds = column_kinds(names)
    for row in rows[:MOST_ROWS]:
        shown_table.add_row(
            *(escape(cell_text(value, kind)) for kind, value in zip(kinds, row, strict=True))
        )
    console.print(shown_table)
    if len(rows) > MOST_ROWS:
        console.print(f"  and {len(rows) - MOST_ROWS:,} more")
