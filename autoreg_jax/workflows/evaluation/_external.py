"""Evaluates a model on data of any origin, into a folder of their own."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort, Dataset, read_dataset, read_grid
from autoreg_jax.errors import ArtifactError, DataError
from autoreg_jax.files import contents, together, write_text
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.runtime import RunFolder, owns
from autoreg_jax.workflows._artifacts import model_origin, write_config
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows._stored import config_beside
from autoreg_jax.workflows.evaluation._evaluate import evaluate
from autoreg_jax.workflows.evaluation._evaluation import Evaluation
from autoreg_jax.workflows.evaluation._front import smoothness_front
from autoreg_jax.workflows.planning import load_planned, plan_for_model, without_list
from autoreg_jax.workflows.training import check_axes

logger = logging.getLogger(__name__)

# The split that the subjects of an evaluation are put into.
_SPLIT = "test"


@owns("folder")
def evaluate_dataset(
    model: Path | str,
    dataset: Path | str,
    folder: Path | str,
    config: RunConfig | None = None,
) -> Evaluation:
    """Evaluate a model on subjects of another origin (external validation).

    The images may have any grid and orientation. They come to the model as `register`
    brings a pair to it: in the orientation, at the voxel size and by the intensity rule
    of its training. Nothing is written into the folder of the model.

    Args:
        model: A model, its run, or the name of an included one, as for `load_model`.
        dataset: Anything that `read_dataset` reads. Its split `evaluate.split` is used;
            all subjects are if nothing is in that split.
        folder: A new or empty one, for the files of `evaluate`, plan.yaml, config.yaml
            and provenance.json; `autoreg report` describes it.
        config: Settings; default: those of the run, if the model is named by one.

    Returns:
        The evaluation.

    Raises:
        ArtifactError: If the folder is not empty, or there is no model.
        DataError: If the dataset cannot be used, has no pair that the settings ask for,
            or has label maps of which no pair shares a value.
        GeometryError: If its images have another number of axes than those of the
            training, or show another plane.
        ConfigError: If the folder cannot be created.
    """
    other = _open(model, dataset, RunFolder(folder), config)
    with together():
        more = {"split": other.split, "warnings": other.doubts}
        found = evaluate(*other.task, run=other.folder.path, more=more)
        other.write()
    return found


@owns("folder")
def smoothness_dataset(
    model: Path | str,
    factors: Sequence[float],
    dataset: Path | str,
    folder: Path | str,
    config: RunConfig | None = None,
) -> list[dict[str, Any]]:
    """Evaluate a model under several smoothnesses on subjects of another origin.

    Args:
        model: As for `evaluate_dataset`.
        factors: On the weight of the training, see `smoothness_front`.
        dataset: As for `evaluate_dataset`.
        folder: As for `evaluate_dataset`, for smoothness.json and smoothness.csv.
        config: As for `evaluate_dataset`.

    Returns:
        The rows of `smoothness_front`.

    Raises:
        ArtifactError, DataError, GeometryError: As `evaluate_dataset`.
        ConfigError: As `evaluate_dataset` and `smoothness_front`.
    """
    other = _open(model, dataset, RunFolder(folder), config, factors)
    with together():
        rows = smoothness_front(*other.task, factors, run=other.folder.path)
        other.write()
    return rows


class _Other(NamedTuple):
    """A model and other data, ready to be evaluated."""

    task: tuple[Cohort, RegistrationModel, RunConfig]
    folder: RunFolder
    split: str
    doubts: list[str]
    plan: str
    dataset: Path
    origin: dict[str, str]

    def write(self) -> None:
        """Write by what the results came about."""
        config = self.task[2]
        write_text(self.folder.plan, self.plan)
        write_config(self.folder, config)
        self.folder.write_provenance(config.seed, self.dataset, model=self.origin)


def _open(
    path: Path | str,
    dataset: Path | str,
    folder: RunFolder,
    config: RunConfig | None,
    factors: Sequence[float] = (),
) -> _Other:
    """Check everything, then read the images; nothing is written."""
    if there := contents(folder.path):
        raise ArtifactError(
            f"{folder}: exists and is not empty ({there[0].name}); name a new folder "
            "for the results."
        )
    model = load_model(path)
    for factor in factors:
        model.with_smoothness(factor)
    # The pairs that the run lists are those of its own data.
    config = without_list(config_beside(path) if config is None else config, path)
    table = read_dataset(dataset, held_out=True, pairs=config.pairs.list)
    model.check_channels(table.channels)
    table, split = _evaluated(table, config)
    check_axes(model, read_grid(table.subjects[0].image).ndim, path)
    about = model.description
    plan, text = plan_for_model(table, folder.path, config, about)
    (cohort,) = load_planned(table, plan, config, _SPLIT)
    pairs = scored_pairs(cohort, config, config.evaluate.pairs)
    _check_labels(cohort, pairs, table.path)
    doubts = list(_doubts(model, cohort, pairs, table))
    if doubts:
        more = f" And {len(doubts) - 1} more, see evaluation.json." * (len(doubts) > 1)
        logger.warning("%s%s", doubts[0], more)
    origin = model_origin(path, model, folder)
    task = (cohort, model, config)
    return _Other(task, folder, split, doubts, text, Path(dataset), origin)


def _evaluated(table: Dataset, config: RunConfig) -> tuple[Dataset, str]:
    """The subjects to evaluate as a dataset of one split, and which they are."""
    wanted, atlas = config.evaluate.split, config.pairs.fixed
    chosen = [s for s in table.subjects if s.split == wanted]
    split = wanted if chosen else "all"
    if not chosen:
        logger.info(
            "%s: no subject is in the split %r; all %d are used.",
            table.path,
            wanted,
            len(table.subjects),
        )
    kept = [s for s in table.subjects if not chosen or s in chosen or s.name == atlas]
    subjects = tuple(replace(subject, split=_SPLIT) for subject in kept)
    return replace(table, subjects=subjects), split


def _check_labels(cohort: Cohort, pairs: Sequence[tuple[int, int]], path: Path) -> None:
    """Refuse label maps that cannot be compared; say it if some of them cannot."""
    if cohort.labels is None:
        return
    found = {
        place: {*np.unique(cohort.labels[place]).tolist()} - {0}
        for place in {place for pair in pairs for place in pair}
    }
    apart = [pair for pair in pairs if not found[pair[0]] & found[pair[1]]]
    if not apart:
        return
    named = [
        f"{cohort.names[place]} has {_values(cohort, found[place])}"
        for place in apart[0]
    ]
    text = (
        f"{path}: the label maps of {len(apart)} of {len(pairs)} pairs have no value "
        f"in common: {' and '.join(named)}. Give every structure the same value in all "
        "label maps, or leave the label maps out."
    )
    if len(apart) == len(pairs):
        raise DataError(text)
    logger.warning("%s", text)


def _values(cohort: Cohort, classes: set[int], most: int = 6) -> str:
    """The first few values of a label map."""
    values = [cohort.label_values[one - 1] for one in sorted(classes)]
    more = ", …" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more if values else "none"


def _doubts(
    model: RegistrationModel,
    cohort: Cohort,
    pairs: Sequence[tuple[int, int]],
    table: Dataset,
) -> Iterator[str]:
    """What makes the images unlike those of the training, as `register` says it."""
    subjects = {subject.name: subject for subject in table.subjects}
    for place in sorted({place for pair in pairs for place in pair}):
        image = read_grid(subjects[cohort.names[place]].image)
        array = cohort.images[place][..., 0]
        yield from model.description.doubts([image], [array], cohort.spacing)
