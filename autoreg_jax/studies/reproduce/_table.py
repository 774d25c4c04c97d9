"""A table in two forms: rows of numbers for programs, cells of text for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.files import write_text
from autoreg_jax.studies.compare._table import write_rows


class Table(NamedTuple):
    """One table of an experiment.

    Attributes:
        rows: Named tuples of one kind.
        header: Titles of the columns for people.
        cells: The rows for people, in the same order.
    """

    rows: Sequence[Any]
    header: tuple[str, ...]
    cells: list[tuple[str, ...]]


def write_table(
    folder: Path, name: str, table: Table, notes: Sequence[str] = ()
) -> None:
    """Write `name.csv` from the rows and `name.md` from the cells, notes below."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder, name, table.rows)
    lines = [table.header, ("---",) * len(table.header), *table.cells]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    text += "".join(f"\n- {note}" for note in notes) + ("\n" if notes else "")
    write_text(folder / f"{name}.md", text)


def mean_sd(mean: float, sd: float, form: str = "{:.3f}") -> str:
    """`0.712 ± 0.050`, or as much of it as is known.

    Examples:
        >>> mean_sd(0.712, 0.05), mean_sd(0.5, float("nan")), mean_sd(float("nan"), 1.0)
        ('0.712 ± 0.050', '0.500', '')
    """
    if mean != mean:
        return ""
    return form.format(mean) + (f" ± {form.format(sd)}" if sd == sd else "")
