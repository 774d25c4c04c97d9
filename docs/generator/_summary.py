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
        known = {row[0]: text for row in rows if (text := plain(row[column]))}
        before = known.pop("none")
        ranked = sorted(known, key=lambda name: float(known[name]))
        if "Dice" in task:
            ranked.reverse()
        best = ranked[0]
        other = next(n for n in ranked if is_ours(n) != is_ours(best))
        cells = [task, before, best, known[best], other, known[other]]
        lines.append("| " + " | ".join(cells) + " |")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["method", *head[1:]])
    writer.writerows([[row[0], *(plain(cell) for cell in row[1:])] for row in rows])
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


def plain(cell: str) -> str:
    """The number of a cell, without its mark and the folds behind it.

    Examples:
        >>> plain("**0.890**"), plain("0.665 (0.24 %)"), plain("")
        ('0.890', '0.665', '')
    """
    found = re.match(r"\**([\d.]+)", cell)
    return found[1] if found else ""


def is_ours(name: str) -> bool:
    """Whether a method is of this project."""
    return name.startswith("AutoReg")
