"""Table V of the paper: methods by tasks, from a bench of each task."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from autoreg_jax.errors import ArtifactError
from autoreg_jax.studies.bench._methods import method_names
from autoreg_jax.studies.reproduce._table import Table, mean_sd

_DICE, _ERROR = "dice", "displacement_error"


class TaskRow(NamedTuple):
    """One method on one task; NaN where unknown.

    Attributes:
        task: Its name.
        method: Name of the method.
        pairs: How many it has registered.
        dice, dice_sd: Mean and standard deviation over the pairs.
        displacement_error, displacement_error_sd: The same, mm.
        folding_fraction: Of all voxels.
    """

    task: str
    method: str
    pairs: int
    dice: float
    dice_sd: float
    displacement_error: float
    displacement_error_sd: float
    folding_fraction: float


def task_rows(folders: Mapping[str, Path]) -> list[TaskRow]:
    """What the benches of some folders have found.

    Args:
        folders: Of benches, by task.

    Returns:
        Task after task, the methods in the order of each bench.

    Raises:
        ArtifactError: If a folder holds no complete bench.csv.
    """
    return [row for task, folder in folders.items() for row in _read(task, folder)]


def task_table(rows: list[TaskRow]) -> Table:
    """A line for each method, a column for each task: Dice, or the error in mm."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    of = {(row.method, row.task): row for row in rows}
    by_error = [task for task in tasks if _is_judged_by_error(rows, task)]
    cells = [
        (method, *(_cell(of.get((method, task)), task in by_error) for task in tasks))
        for method in method_names()
        if any((method, task) in of for task in tasks)
    ]
    titles = (f"{task}, {'mm' if task in by_error else 'Dice'}" for task in tasks)
    return Table(rows, ("", *titles), cells)


def _is_judged_by_error(rows: list[TaskRow], task: str) -> bool:
    return all(math.isnan(row.dice) for row in rows if row.task == task)


def _cell(row: TaskRow | None, is_error: bool) -> str:
    if row is None:
        return ""
    if is_error:
        error, sd = row.displacement_error, row.displacement_error_sd
        return mean_sd(error, sd, "{:.2f}")
    return mean_sd(row.dice, row.dice_sd)


def _read(task: str, folder: Path) -> list[TaskRow]:
    path = folder / "bench.csv"
    numbers = (_DICE, f"{_DICE}_sd", _ERROR, f"{_ERROR}_sd", "folding_fraction")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                TaskRow(
                    task,
                    row["method"],
                    int(row["pairs"]),
                    *(float(row[name]) for name in numbers),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: no result of `autoreg bench` ({error!r}); name the folder of a "
            "bench."
        ) from error
