"""Who is best on which task, from the table of rivals in the results."""

import csv
import io
import re
from pathlib import Path

from generator._documents import RESULTS

_TABLE = "## Rivals, task by task"


def summary(root: Path) -> dict[str, str]:
    """Files by path: the summary that the front page of the results includes, and CSV.

    Args:
        root: The folder of the repository.
    """
    head, rows = read_table((root / RESULTS).read_text(encoding="utf-8"))
    lines = ["| task | before | best | result | next, of another project | result |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for column, task in enumerate(head[1:], start=1):
        known = {row[0]: number(row[column]) for row in rows if number(row[column])}
        before = known.pop("none")
        up = "Dice" in task
        ranked = sorted(known, key=lambda name: known[name], reverse=up)
        best = ranked[0]
        other = next(n for n in ranked if is_ours(n) != is_ours(best))
        cells = [task, before, best, known[best], other, known[other]]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["method", *head[1:]])
    writer.writerows(
        [[row[0], *(number(cell) or "" for cell in row[1:])] for row in rows]
    )
    return {
        "results/_summary.md": "\n".join([*lines, ""]),
        "results/rivals.csv": table.getvalue(),
    }


def read_table(text: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the first table of the section."""
    section = text.partition(_TABLE)[2]
    table = re.findall(r"(?m)^\|(.*)\|$", section.partition("\n\n- ")[0])
    cells = [[cell.strip() for cell in line.split("|")] for line in table]
    return cells[0], cells[2:]


def number(cell: str) -> float | None:
    """The number of a cell, without its mark and the folds behind it.

    Examples:
        >>> number("**0.890**"), number("0.665 (0.24 %)"), number("")
        (0.89, 0.665, None)
    """
    found = re.match(r"\**([\d.]+)", cell)
    return float(found[1]) if found else None


def is_ours(name: str) -> bool:
    """Whether a method is of this project."""
    return name.startswith("AutoReg")
