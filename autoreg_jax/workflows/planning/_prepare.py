"""The data of a run as its plan wants them: the plan that lies there, or a new one."""

import logging
from pathlib import Path
from typing import NamedTuple

from autoreg_jax.config import PlanConfig, RunConfig, load_plan
from autoreg_jax.data import (
    Cohort,
    Dataset,
    Intensity,
    Working,
    grid_along,
    label_values,
    load_cohort,
    read_dataset,
    read_image,
)
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.files import write_text
from autoreg_jax.runtime import RunFolder
from autoreg_jax.workflows.planning._align import make_align
from autoreg_jax.workflows.planning._plan import make_plan, with_plan

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """What a stage of a run works with.

    Attributes:
        cohorts: The splits that were asked for.
        config: The configuration with what the plan decides.
        text: The plan as a file; None where there is none.
    """

    cohorts: list[Cohort]
    config: RunConfig
    text: str | None

    def write_plan(self, run: Path) -> None:
        """Write plan.yaml, if it is not there as it is."""
        path = RunFolder(run).plan
        if self.text is not None and not path.is_file():
            write_text(path, self.text)


def prepare(
    dataset: Path | str,
    run: Path,
    config: RunConfig,
    *splits: str,
    overwrite: bool = False,
) -> Prepared:
    """Load splits for a run that begins; by its plan, which is made if need be.

    Nothing is written.

    Args:
        dataset: File or folder.
        run: Folder of the run, which need not exist.
        config: The run.
        *splits: What to load.
        overwrite: The folder is about to be claimed anew: a plan of another dataset
            in it does not count.

    Returns:
        Cohorts, configuration and plan.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan in the folder is wrong, or of another dataset.
    """
    table, path = read_dataset(dataset), RunFolder(run).plan
    plan = text = None
    if path.is_file():
        plan, text = load_plan(path), path.read_text(encoding="utf-8")
        if not _is_of(plan, run, table):
            if not overwrite:
                raise ConfigError(
                    f"{path}: is the plan of {plan.dataset}, not of {table.path}; name "
                    "another folder, correct its line 'dataset', or use --overwrite."
                )
            plan = None
    if plan is None:
        for note in table.notes:
            logger.info("%s", note)
        made = make_plan(table, run, config)
        plan, text = made.config, made.text
    cohorts = load_planned(table, plan, *splits, atlas=config.pairs.fixed)
    return Prepared(cohorts, with_plan(config, plan), text)


def prepare_again(
    dataset: Path | str, run: Path, config: RunConfig, *splits: str
) -> Prepared:
    """Load splits for a run that exists, by the plan in its folder.

    A run without a plan takes the grid that all images share.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan is wrong.
    """
    table, path = read_dataset(dataset), RunFolder(run).plan
    if not path.is_file():
        cohorts = load_planned(table, None, *splits, atlas=config.pairs.fixed)
        return Prepared(cohorts, config, None)
    plan = load_plan(path)
    cohorts = load_planned(table, plan, *splits, atlas=config.pairs.fixed)
    return Prepared(cohorts, with_plan(config, plan), None)


def load_planned(
    table: Dataset, plan: PlanConfig | None, *splits: str, atlas: str | None = None
) -> list[Cohort]:
    """Splits on the working grid of a plan; all have the classes of the whole dataset.

    An atlas is loaded with each of them.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan does not fit it.
    """
    values = label_values(table)
    working = None if plan is None else _working(table, plan)
    return [
        load_cohort(table, split, label_values=values, working=working, atlas=atlas)
        for split in splits
    ]


def _is_of(plan: PlanConfig, run: Path, table: Dataset) -> bool:
    return (run / plan.dataset).resolve() == table.path.resolve()


def _working(table: Dataset, plan: PlanConfig) -> Working:
    """The way to the grid of a plan."""
    named = [s for s in table.subjects if s.name == plan.reference]
    if not named:
        raise ConfigError(
            f"plan.yaml: reference: {plan.reference!r} is no subject of "
            f"{table.path}; name one, {table.subjects[0].name!r} for example."
        )
    reference = read_image(named[0].image)
    if len(plan.grid.shape) != reference.ndim:
        raise ConfigError(
            f"plan.yaml: grid.shape has {len(plan.grid.shape)} axes, and the images "
            f"of {table.path} have {reference.ndim}; correct shape and spacing."
        )
    try:
        grid = grid_along(
            reference.grid,
            shape=plan.grid.shape,
            spacing=plan.grid.spacing,
            orientation=plan.grid.orientation,
            centre=plan.grid.centre,
        )
    except GeometryError as error:
        raise ConfigError(f"plan.yaml: grid.{error}") from None
    how = plan.intensity
    return Working(
        grid,
        align=make_align(plan.affine, reference),
        intensity=Intensity(how.rule, how.low, how.high),
        has_masks=plan.masks,
    )
