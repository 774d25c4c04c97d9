"""The plan by which other data are seen as a trained model was taught to see."""

import math
import os
from pathlib import Path

import numpy as np

from autoreg_jax.config import GridConfig, PlanConfig, RunConfig, dump_plan
from autoreg_jax.data import MOST_IMAGES, Dataset, fingerprint
from autoreg_jax.geometry import Volume, grid_along, working_grid
from autoreg_jax.inference import ModelDescription
from autoreg_jax.runtime import progress
from autoreg_jax.workflows.planning._choices import choose_affine, describe
from autoreg_jax.workflows.planning._grid import choose_grid

# As many as a plan of a run has at least; a network of several scales needs them.
_FEWEST = 8
_ADVICE = (
    "By this the images were brought to the model; grid and intensity are those of its "
    "training. Nothing reads this file again."
)


def plan_for_model(
    dataset: Dataset, folder: Path, config: RunConfig, about: ModelDescription
) -> tuple[PlanConfig, str]:
    """How the images of any dataset come to a model, as `register` brings a pair to it.

    Orientation, voxel size and intensity rule are those of the training. The field of
    view is that of the images if they share a grid, otherwise it covers what they show;
    whether they are aligned first is decided as in any plan.

    Args:
        dataset: The subjects.
        folder: Where plan.yaml is going to be, from which it names the dataset.
        config: Its batch and precision are noted.
        about: The model, of images with as many axes.

    Returns:
        The plan, and the content of plan.yaml with the reasons.

    Raises:
        DataError, GeometryError: If the dataset cannot be used, or shows slices of
            another plane than those of the training.
    """
    with progress("plan", min(len(dataset.subjects), MOST_IMAGES)) as advance:
        found = fingerprint(dataset, advance)
    affine = choose_affine(found)
    covering = choose_grid(found, affine.value, math.inf)
    reference = found.reference
    wanted = grid_along(reference.grid, **vars(covering.value))
    seen = Volume(
        np.broadcast_to(np.float32(0), wanted.shape),
        wanted.affine,
        reference.subject.image,
    )
    grid = working_grid(seen, about.orientation, about.spacing)
    plan = PlanConfig(
        dataset=Path(os.path.relpath(dataset.path, folder)).as_posix(),
        reference=reference.subject.name,
        grid=GridConfig(
            shape=tuple(max(_FEWEST, int(size)) for size in grid.shape),
            spacing=grid.spacing,
            orientation=about.orientation,
            centre=(*grid.centre.tolist(),),
        ),
        intensity=about.intensity,
        masks=True,
        metric=about.similarity,
        affine=affine.value,
        batch=config.train.batch_size,
        precision=config.network.precision,
    )
    extent = f"the field covers what the {len(found.scans)} sampled images show"
    if found.has_one_grid:
        extent = "the field of view is that of the images, which share one grid"
    reasons = {
        "reference": "The grid has its axes.",
        "grid": f"Orientation and voxel size are those of the model; {extent}.",
        "intensity": "The rule of the model.",
        "masks": "Outside of its mask, if it has one, an image becomes background.",
        "metric": "The similarity of the model.",
        "affine": affine.reason,
    }
    return plan, dump_plan(plan, reasons, describe(found, _ADVICE))
