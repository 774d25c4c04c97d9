"""The dataset of a run with the pairs that its settings list."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Dataset, read_dataset
from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows._artifacts import read_config


def read_listed(
    dataset: Path | str, run: Path, config: RunConfig, *, overwrite: bool = False
) -> Dataset:
    """Read a dataset and the list of `config.pairs.list`, which a run keeps.

    Args:
        dataset: File or folder.
        run: Folder of the run, which need not exist. Its own copy of the list stands
            for the file if that is not there any more.
        config: The run.
        overwrite: What the folder contains belongs to another run.

    Raises:
        DataError: If dataset or list cannot be used.
        ConfigError: If the list was edited since the run was started.
    """
    wanted, own = config.pairs.list, RunFolder(run).pairs
    if wanted is None:
        return read_dataset(dataset)
    is_known = not overwrite and own.is_file() and _list_of(run) == wanted
    if is_known and not Path(wanted).is_file():
        return read_dataset(dataset, pairs=own)
    table = read_dataset(dataset, pairs=wanted)
    if is_known and listed_text(table, run) != own.read_text(encoding="utf-8"):
        raise ConfigError(
            f"{wanted}: lists other pairs than when the run was started ({own}); "
            "restore it, or give the new list another name and set pairs.list to it "
            "in another run or evaluation."
        )
    return table


def listed_text(table: Dataset, run: Path) -> str | None:
    """The listed pairs by name, with their splits, as a list that can be read again.

    Files are relative to the folder of the run. None if any two subjects are a pair.
    """
    listed = table.pair_list
    if listed is None:
        return None
    split_of = {one.name: one.split for one in table.subjects}
    rows = []
    for moving, fixed in sorted(listed.pairs):
        row = {"fixed": fixed, "moving": moving, "split": split_of[fixed]}
        for side, name in (("fixed", fixed), ("moving", moving)):
            for kind, file in listed.files.get(name, {}).items():
                row[f"{side}_{kind}"] = Path(os.path.relpath(file, run)).as_posix()
        rows.append(row)
    columns = dict.fromkeys(column for row in rows for column in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def without_list(config: RunConfig, model: Path | str) -> RunConfig:
    """The settings of a run for use on other data: without the run's list of pairs."""
    if config.pairs.list is None or _list_of(Path(model)) != config.pairs.list:
        return config
    return replace(config, pairs=replace(config.pairs, list=None))


def _list_of(run: Path) -> str | None:
    """The list with which a run was started; None without a run."""
    folder = RunFolder(run)
    return read_config(folder).pairs.list if folder.config.is_file() else None
