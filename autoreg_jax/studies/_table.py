"""One table for all studies: records for programs, cells of text for people."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.display import block, paragraph, table, text_table
from autoreg_jax.files import csv_text, write_text

Record = Mapping[str, Any]

# More lines are left out where a table shows itself.
_SHOWN = 100


class Column(NamedTuple):
    """How one field of the records is shown.

    Attributes:
        title: Column title.
        field: Key of the records.
        form: Format of numbers; "" for three significant digits, never with an
            exponent.
        factor: Multiplies numbers, to change their unit.
        sd: Key of the standard deviation, shown behind "±" where it is known.

    Examples:
        >>> dice = Column("Dice, %", "dice", "{:.1f}", 100, "dice_sd")
        >>> dice.text({"dice": 0.7, "dice_sd": 0.05}), dice.text({"dice": 0.7})
        ('70.0 ± 5.0', '70.0')
    """

    title: str
    field: str
    form: str = "{:.3f}"
    factor: float = 1.0
    sd: str = ""

    def text(self, record: Record) -> str:
        """The cell of one record; empty where the value is missing or NaN."""
        value = record.get(self.field, math.nan)
        if isinstance(value, str):
            return value.replace("|", "/")
        if not math.isfinite(value):
            return ""
        form = self.form or ("{:.0f}" if self.factor * value >= 1000 else "{:.3g}")
        numbers = value, record.get(self.sd, math.nan) if self.sd else math.nan
        texts = (form.format(self.factor * x) for x in numbers if math.isfinite(x))
        return " ± ".join(texts)


class Table(NamedTuple):
    """A table of a study.

    Attributes:
        records: Mappings with equal keys: lines of the CSV file and of the JSON.
        columns: How people see it.
        lines: Records that people see, where they differ from `records`.
    """

    records: Sequence[Record]
    columns: Sequence[Column]
    lines: Sequence[Record] | None = None

    def __repr__(self) -> str:
        text = text_table(self.header, self.cells[:_SHOWN])
        return f"{text}\n{self._rest}" if self._rest else text

    def _repr_html_(self) -> str:
        """The table as people see it, for notebooks."""
        shown = table(self.cells[:_SHOWN], self.header)
        return block("", shown, *([paragraph(self._rest)] if self._rest else []))

    @property
    def _rest(self) -> str:
        """How many lines are not shown; empty if none."""
        count = len(self.cells) - _SHOWN
        return f"... and {count} more lines" if count > 0 else ""

    @property
    def header(self) -> tuple[str, ...]:
        """Titles of the columns."""
        return tuple(column.title for column in self.columns)

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The text of each line."""
        lines = self.records if self.lines is None else self.lines
        return [tuple(column.text(line) for column in self.columns) for line in lines]

    def only(self, titles: Iterable[str]) -> "Table":
        """The same table with some of its columns, in their own order."""
        wanted = set(titles)
        return self._replace(columns=[c for c in self.columns if c.title in wanted])

    def write(self, folder: Path, name: str, notes: Sequence[str] = ()) -> None:
        """Write `NAME.csv` from the records and `NAME.md` from the cells.

        Args:
            folder: Created if missing.
            name: File name without its ending.
            notes: Sentences below the Markdown table.
        """
        file = io.StringIO()
        writer = csv.DictWriter(file, list(self.records[0]), lineterminator="\n")
        writer.writeheader()
        for record in self.records:
            texts = {k: csv_text(v) for k, v in record.items() if isinstance(v, str)}
            writer.writerow({**record, **texts})
        write_text(folder / f"{name}.csv", file.getvalue())
        rows = [self.header, ("---",) * len(self.columns), *self.cells]
        text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        text += "".join(f"\n- {note}" for note in notes) + ("\n" if notes else "")
        write_text(folder / f"{name}.md", text)


def plain_table(records: Sequence[Record]) -> Table:
    """A table that shows every field under its own name."""
    return Table(records, [Column(name, name, "{:.3g}") for name in records[0]])


def mean_sd(values: Iterable[float]) -> tuple[float, float]:
    """Mean and sample standard deviation of what is not NaN; NaN where undefined."""
    known = np.asarray([value for value in values if math.isfinite(value)])
    return (
        float(known.mean()) if known.size else math.nan,
        float(known.std(ddof=1)) if known.size > 1 else math.nan,
    )


def summarised(name: str, values: Iterable[float]) -> dict[str, float]:
    """Mean and standard deviation as the fields `NAME` and `NAME_sd` of a record."""
    mean, sd = mean_sd(values)
    return {name: mean, f"{name}_sd": sd}


def save_figures(
    folder: Path, figures: Iterable[tuple[str, Any]], *, dpi: int = 120
) -> list[Path]:
    """Write Matplotlib figures, given by name, as PNG files."""
    paths = []
    for name, figure in figures:
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=dpi)
    return paths
