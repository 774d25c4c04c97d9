"""Results on standard output: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

_COLUMNS = ("before", "network", "refined")
_ENDINGS = ("_before", "", "_refined")


def show_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(content, indent=2, default=str))


def show_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    justify: Literal["left", "right"] = "right",
) -> None:
    """Print a table; the first column stands left, the others where `justify` says.

    So that numbers stay whole in a narrow terminal, first the standard deviations are
    left out, then the space beside the columns.
    """
    console = Console(highlight=False)
    padding = 1
    if justify == "right":
        if _width(header, rows, padding) > console.width:
            rows = [[cell.split(" ± ")[0] for cell in row] for row in rows]
        if _width(header, rows, padding) > console.width:
            padding = 0
    table = Table(
        title=title, title_justify="left", title_style="bold", padding=(0, padding)
    )
    fits = justify == "right" and _width(header, rows, padding) <= console.width
    for place, (name, width) in enumerate(
        zip(header, _widths(header, rows), strict=True)
    ):
        table.add_column(
            name,
            justify=justify if place else "left",
            overflow="fold",
            no_wrap=not place,
            min_width=width if fits else None,
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters of each column: of its longest cell, or word of the title."""
    return [
        max(map(len, (*name.split(), *(row[place] for row in rows))), default=0)
        for place, name in enumerate(header)
    ]


def _width(header: Sequence[str], rows: Sequence[Sequence[str]], padding: int) -> int:
    """Characters of a table in whose titles alone words may go to the next line."""
    widths = _widths(header, rows)
    return sum(widths) + (2 * padding + 1) * len(widths) + 1


def show_line(name: str, path: Path | str) -> None:
    """Print where something is, on one line however long the path is."""
    print(f"{name}: {path}")


def show_evaluation(evaluation: Mapping[str, Any], title: str) -> None:
    """Print what `evaluation.json` holds: mean ± standard deviation over the pairs.

    Args:
        evaluation: Its content; what is absent is left out.
        title: Above the table.
    """
    wanted = (
        ("Dice", "dice", 1, "{:.3f}"),
        ("HD95, mm", "hd95", 1, "{:.2f}"),
        ("TRE, mm", "tre", 1, "{:.2f}"),
        ("displacement error, mm", "displacement_error", 1, "{:.2f}"),
        ("folding, % of voxels", "folding_fraction", 100, "{:.3f}"),
        ("seconds a pair", "seconds_per_pair", 1, "{:.2f}"),
    )
    rows = []
    for label, key, factor, form in wanted:
        values = [evaluation.get(key + ending) for ending in _ENDINGS]
        if any(value is not None for value in values):
            cells = [_mean_sd(value, factor, form) for value in values]
            rows.append([label, *cells])
    pairs = evaluation.get("pairs")
    title = f"{title}, pairs: {pairs}" if pairs else title
    show_table(title, ["", *_COLUMNS], rows)


def _mean_sd(value: Any, factor: float, form: str) -> str:
    """`0.712 ± 0.050`, or as much of it as there is."""
    parts = value if isinstance(value, Mapping) else {"mean": value}
    numbers = [parts.get("mean"), parts.get("sd")]
    texts = [form.format(factor * n) for n in numbers if n is not None]
    return " ± ".join(texts) or "-"
