"""Loads the data of a run by its plan, an existing one or a new one."""

import logging
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from autoreg_jax import alignment
from autoreg_jax.config import PlanConfig, RunConfig, load_plan
from autoreg_jax.data import (
    Cohort,
    Dataset,
    ImageCache,
    Preprocessing,
    StoredArray,
    content_digest,
    default_cache,
    load_cohorts,
    read_image,
)
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.files import write_text
from autoreg_jax.geometry import Volume, grid_along
from autoreg_jax.programs import make_objective
from autoreg_jax.runtime import RunFolder, progress
from autoreg_jax.workflows.planning._listed import listed_text, read_listed
from autoreg_jax.workflows.planning._plan import apply_plan, make_plan

_GIB = 2**30

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """Data and settings of a stage of a run.

    Attributes:
        cohorts: The requested splits.
        config: The configuration after the plan was applied.
        text: The content of plan.yaml; None without a plan.
        pairs: The content of listed_pairs.csv; None if no pairs are listed.
    """

    cohorts: list[Cohort]
    config: RunConfig
    text: str | None
    pairs: str | None = None

    def write_plan(self, run: Path) -> None:
        """Write plan.yaml, unless it exists, and the listed pairs."""
        folder = RunFolder(run)
        if self.text is not None and not folder.plan.is_file():
            write_text(folder.plan, self.text)
        known = folder.pairs.read_text("utf-8") if folder.pairs.is_file() else None
        if self.pairs not in (None, known):
            write_text(folder.pairs, self.pairs)


def prepare(
    dataset: Path | str,
    run: Path,
    config: RunConfig,
    *splits: str,
    overwrite: bool = False,
) -> Prepared:
    """Load splits for a new run, by the plan in its folder or else by a new one.

    Nothing is written.

    Args:
        dataset: File or folder.
        run: Folder of the run, which need not exist.
        config: The run.
        *splits: Splits to load.
        overwrite: The folder is about to be claimed again: ignore a plan of another
            dataset in it.

    Returns:
        Cohorts, configuration and plan.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan in the folder is invalid, or of another dataset, or if
            the similarity is unknown.
    """
    make_objective(config)  # an unknown similarity, before anything is read
    table = read_listed(dataset, run, config, overwrite=overwrite)
    path, pairs = RunFolder(run).plan, listed_text(table, run)
    plan = load_plan(path) if path.is_file() else None
    if plan is not None and (run / plan.dataset).resolve() != table.path.resolve():
        if not overwrite:
            raise ConfigError(
                f"{path}: is the plan of {plan.dataset}, not of {table.path}; name "
                "another folder, correct its line 'dataset', or use --overwrite."
            )
        plan = None
    if plan is not None:
        cohorts = load_planned(table, plan, config, *splits)
        text = path.read_text(encoding="utf-8")
        return Prepared(cohorts, apply_plan(config, plan), text, pairs)
    for note in table.notes:
        logger.info("%s", note)
    made = make_plan(table, run, config, with_labels=False)
    cohorts = load_planned(table, made.config, config, *splits)
    values = max((cohort.label_values for cohort in cohorts), key=len, default=())
    measured = replace(made.fingerprint, label_values=values)
    text = made._replace(fingerprint=measured).text
    return Prepared(cohorts, apply_plan(config, made.config), text, pairs)


def prepare_again(
    dataset: Path | str, run: Path, config: RunConfig, *splits: str
) -> Prepared:
    """Load splits for an existing run, by the plan in its folder.

    Without a plan all images must share one grid, which is used.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan is invalid.
    """
    table, path = read_listed(dataset, run, config), RunFolder(run).plan
    plan = load_plan(path) if path.is_file() else None
    cohorts = load_planned(table, plan, config, *splits)
    config = config if plan is None else apply_plan(config, plan)
    return Prepared(cohorts, config, None, listed_text(table, run))


def load_planned(
    table: Dataset, plan: PlanConfig | None, config: RunConfig, *splits: str
) -> list[Cohort]:
    """Load splits on the working grid of a plan, or on the grid that they share.

    What does not fit into `config.data.host_memory` is preprocessed into the cache.

    Args:
        table: The dataset.
        plan: Its plan, if any.
        config: The run; its `data` and the atlas of its `pairs`.
        *splits: Splits to load.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the plan does not fit it.
        ArtifactError: If the cache cannot be written or read.
    """
    preprocessing = None if plan is None else _preprocessing(table, plan)
    cache = cache_of(config)
    with progress("prepare", len(table.subjects)) as advance:
        cohorts = load_cohorts(
            table,
            splits,
            preprocessing=preprocessing,
            atlas=config.pairs.fixed,
            cache=cache,
            advance=advance,
        )
    if any(isinstance(cohort.images, StoredArray) for cohort in cohorts):
        entries, size = cache.size()
        logger.info(
            "The images are read from %s, where %d subjects take %.1f GiB.",
            cache.folder,
            entries,
            size / _GIB,
        )
    return cohorts


def cache_of(config: RunConfig) -> ImageCache:
    """The cache of preprocessed images that a run uses."""
    settings = config.data
    chosen, memory = settings.cache, settings.host_memory
    return ImageCache(
        # An unknown user of `~user` stays as it is written, as in a shell.
        default_cache() if chosen is None else Path(os.path.expanduser(chosen)),  # noqa: PTH111
        settings.storage,
        math.inf if memory is None else memory * _GIB,
        (jax.process_index(), jax.process_count()),
    )


def _preprocessing(table: Dataset, plan: PlanConfig) -> Preprocessing:
    """The preprocessing that a plan describes."""
    named = [s for s in table.subjects if s.name == plan.reference]
    if not named:
        raise ConfigError(
            f"plan.yaml: reference: {plan.reference!r} is not a subject of "
            f"{table.path}; name one, for example {table.subjects[0].name!r}. If these "
            "are other subjects, evaluate a model on them into a folder of their own: "
            "autoreg evaluate RUN --dataset OTHER -o FOLDER."
        )
    reference = read_image(named[0].image)
    if len(plan.grid.shape) != reference.ndim:
        raise ConfigError(
            f"plan.yaml: grid.shape has {len(plan.grid.shape)} axes, the images of "
            f"{table.path} have {reference.ndim}; correct shape and spacing."
        )
    try:
        grid = grid_along(reference.grid, **vars(plan.grid))
    except GeometryError as error:
        raise ConfigError(f"plan.yaml: grid.{error}") from None
    align = make_align(plan.affine, reference)
    key = "" if align is None else f"{plan.affine} {content_digest(named[0].image)}"
    return Preprocessing(
        grid,
        align=align,
        intensity=plan.intensity,
        has_masks=plan.masks,
        align_key=key,
    )


def make_align(
    kind: Literal["none", "rigid", "affine"], reference: Volume
) -> Callable[[Volume], Float[np.ndarray, "4 4"]] | None:
    """The alignment of the images of a run with its reference; None trusts the headers.

    It maps an image to the matrix from the world of the grid to that of the image, mm.
    An implausible alignment is used and logged.
    """
    if kind == "none":
        return None

    def align(image: Volume) -> Float[np.ndarray, "4 4"]:
        if image.path is not None and image.path == reference.path:
            return np.eye(4)
        found = alignment.align(reference, image, kind=kind)
        if not found.is_trusted:
            name = image.path or "an image"
            logger.warning("%s: its alignment is not trusted: %s.", name, found.reason)
        return found.matrix

    return align
