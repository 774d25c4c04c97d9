"""Subjects, settings, folder and time limit of an experiment."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, Dataset, read_dataset
from autoreg_jax.errors import DataError
from autoreg_jax.programs import NetworkFamily, Programs
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows import Prepared, prepare, prepare_again
from autoreg_jax.workflows._auto import check_dimensions, simulated


class OutOfTimeError(Exception):
    """The time of this call is over; the next call continues."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Settings of an experiment.

    Attributes:
        config: Settings of every run; its seed is the first one.
        dataset: dataset.csv with labels; None: simulated T1-like brains.
        other_dataset: dataset.csv for the model that is trained elsewhere; None:
            simulated T2-like brains.
        dimensions: Of simulated brains, 2 or 3.
        seeds: Repetitions, each with other initial weights and pairs (>= 1).
        draws: Random genotypes per seed (>= 0).
        minutes: No new run starts after this time (> 0); None: no limit.
        scenario: Experiment of the paper whose numbers are shown for comparison. None:
            T1 to T1 (with an atlas: ADNI) for simulated brains, otherwise no one.
        network: A network family of your own, as for `workflows.search`.
    """

    config: RunConfig
    dataset: Path | None = None
    other_dataset: Path | None = None
    dimensions: int = 2
    seeds: int = 3
    draws: int = 3
    minutes: float | None = None
    scenario: str | None = None
    network: NetworkFamily | None = None

    def __post_init__(self) -> None:
        check_dimensions(self.dimensions)
        if self.seeds < 1 or self.draws < 0:
            raise ValueError(
                "seeds must be at least 1 and draws at least 0, got "
                f"{self.seeds} and {self.draws}."
            )
        if self.minutes is not None and self.minutes <= 0:
            raise ValueError(f"minutes must be above 0, got {self.minutes}.")


@dataclass(frozen=True, eq=False)
class Experiment:
    """A protocol with its subjects in memory, and the programs that all runs share.

    `folder` holds the tables, and the runs in one folder for each seed; no new run
    starts after `stop_at` of the monotonic clock, s.
    """

    folder: Path
    protocol: Protocol
    dataset: Path
    train: Cohort
    validation: Cohort
    test: Cohort
    stop_at: float
    programs: Programs

    def seeds(self) -> Iterator[int]:
        """The seeds in their order."""
        first = self.protocol.config.seed
        return iter(range(first, first + self.protocol.seeds))

    def config(self, seed: int) -> RunConfig:
        """The settings of the runs of one seed."""
        return replace(self.protocol.config, seed=seed)

    def run(self, seed: int, name: str) -> RunFolder:
        """Folder of a run."""
        return RunFolder(self.folder / f"seed{seed}" / name)

    def check_time(self) -> None:
        """Raise `OutOfTimeError` before a run if the time of this call is over."""
        if time.monotonic() > self.stop_at:
            raise OutOfTimeError


def open_experiment(
    folder: Path, protocol: Protocol, *, has_atlas: bool = False
) -> Experiment:
    """Load the subjects, or simulate them if the protocol names no dataset.

    Subjects of a dataset are resampled to the grid of FOLDER/plan.yaml, which is
    created if missing and also decides on similarity, batch size and precision. With
    `has_atlas` one subject is fixed in all pairs: `pairs.fixed`, or else the first one
    with labels.
    """
    minutes = protocol.minutes
    stop_at = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    table = read_dataset(
        protocol.dataset or _simulated(folder, protocol, "t1", 0),
        pairs=protocol.config.pairs.list,
    )
    if has_atlas and protocol.config.pairs.fixed is None:
        pairs = replace(protocol.config.pairs, fixed=_atlas(table))
        protocol = replace(protocol, config=replace(protocol.config, pairs=pairs))
    splits = ("train", "validation", protocol.config.evaluate.split)
    loaded = _load(table, folder, protocol, protocol.dataset, *splits)
    protocol = replace(protocol, config=loaded.config)
    train, validation, test = loaded.cohorts
    if test.labels is None:
        raise DataError(
            f"{table.path}: the subjects of the split {splits[-1]!r} have no label "
            "maps; this experiment compares by Dice, so name them in the column "
            "'labels'."
        )
    programs = Programs(
        protocol.config, train.images.ndim - 2, network=protocol.network
    )
    return Experiment(
        folder, protocol, table.path, train, validation, test, stop_at, programs
    )


def _load(
    table: Dataset, folder: Path, protocol: Protocol, given: Path | None, *splits: str
) -> Prepared:
    """Splits on the grid of the plan in a folder; simulated subjects need no plan."""
    if given is None:
        return prepare_again(table.path, table.folder, protocol.config, *splits)
    prepared = prepare(table.path, folder, protocol.config, *splits)
    folder.mkdir(parents=True, exist_ok=True)
    prepared.write_plan(folder)
    return prepared


def _atlas(table: Dataset) -> str:
    """The default atlas: the first subject with labels."""
    named = [subject.name for subject in table.subjects if subject.labels is not None]
    if not named:
        raise DataError(f"{table.path}: no subject has a label map to be an atlas.")
    return named[0]


def images_elsewhere(experiment: Experiment) -> tuple[Path, Cohort]:
    """Training images of another dataset, and its CSV file."""
    protocol, images = experiment.protocol, experiment.test.images
    pairs = replace(protocol.config.pairs, list=None)  # those of the other dataset
    protocol = replace(protocol, config=replace(protocol.config, pairs=pairs))
    flat = replace(protocol, dimensions=images.ndim - 2)
    given = protocol.other_dataset
    table = read_dataset(given or _simulated(experiment.folder, flat, "t2", 1))
    folder = experiment.folder / "elsewhere"
    (cohort,) = _load(table, folder, protocol, given, "train").cohorts
    if cohort.images.ndim != images.ndim:
        raise DataError(
            f"{table.path}: its images have {cohort.images.ndim - 2} axes, those of "
            f"{experiment.dataset} have {images.ndim - 2}; choose another dataset to "
            "train on elsewhere."
        )
    return table.path, cohort


def _simulated(folder: Path, protocol: Protocol, contrast: str, shift: int) -> Path:
    """The CSV file of a simulated population, which is written once."""
    seed, dimensions = protocol.config.seed + shift, protocol.dimensions
    place = folder / f"{contrast}_{dimensions}d_{seed}"
    return simulated(place, dimensions, seed, contrast=contrast)
