"""Plans a run: looks at the data and decides grid, intensities, metric, alignment."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.config import GridConfig, PlanConfig, RunConfig, dump_plan
from autoreg_jax.data import (
    MOST_IMAGES,
    Dataset,
    Fingerprint,
    fingerprint,
    read_dataset,
)
from autoreg_jax.errors import ArtifactError
from autoreg_jax.files import write_text
from autoreg_jax.runtime import RunFolder, device_memory, progress
from autoreg_jax.workflows.planning._choices import (
    choose_affine,
    choose_intensity,
    choose_metric,
    describe_labels,
)
from autoreg_jax.workflows.planning._grid import choose_grid
from autoreg_jax.workflows.planning._memory import Need, memory_need

# Of the memory of the device; the rest is for what the estimate does not know.
_PART = 0.7
_GIB = 2**30


class Plan(NamedTuple):
    """A plan that was made.

    Attributes:
        config: The choices.
        reasons: Why, by the name of the field.
        found: What the data are like.
        need: Memory of the run.
        text: The file plan.yaml.
    """

    config: PlanConfig
    reasons: dict[str, str]
    found: Fingerprint
    need: Need
    text: str


def plan(
    dataset: Path | str,
    run: Path | str | None = None,
    config: RunConfig | None = None,
    *,
    overwrite: bool = False,
) -> Plan:
    """Plan a run and write the plan into its folder.

    Args:
        dataset: Anything that `read_dataset` reads.
        run: Folder of the run to be; None writes nothing.
        config: The run; the defaults unless given.
        overwrite: Move a run or a plan that the folder holds aside.

    Returns:
        The plan.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the folder cannot be made.
        ArtifactError: If it holds a run or a plan, and `overwrite` is not given.
    """
    folder = None if run is None else RunFolder(run)
    if folder is not None and folder.plan.is_file() and not overwrite:
        raise ArtifactError(
            f"{folder.plan}: is there already; edit it, use --overwrite to move "
            "it aside, or name another folder."
        )
    config = RunConfig() if config is None else config
    made = make_plan(read_dataset(dataset), Path(run or ""), config)
    if folder is not None:
        write_text(folder.claim(overwrite=overwrite).plan, made.text)
    return made


def make_plan(dataset: Dataset, run: Path, config: RunConfig) -> Plan:
    """Look at a dataset and decide how a run treats it. Nothing is written.

    Args:
        dataset: From `read_dataset`.
        run: Folder of the run, in which the plan will lie.
        config: The run. A metric, batch or precision other than the default is kept.

    Returns:
        The plan.

    Raises:
        DataError: If a file cannot be used, or an image shows nothing.
        GeometryError: If an affine is singular, a label map is on another grid than its
            image, or there are both planes and volumes.
    """
    with progress("plan", min(len(dataset.subjects), MOST_IMAGES)) as advance:
        found = fingerprint(dataset, advance)
    device, memory = device_memory()
    metric, affine = choose_metric(found, config), choose_affine(found)
    intensity = choose_intensity(found)
    num_images, kind = len(dataset.subjects), str(affine.value)
    config = replace(
        config, objective=replace(config.objective, similarity=metric.value)
    )
    if device != "cpu" and memory is not None:
        whole = choose_grid(found, kind, math.inf).value.shape
        if memory_need(whole, num_images, config).peak > _PART * memory:
            network = replace(config.network, precision="bfloat16")
            config = replace(config, network=network)
    unit = memory_need((16,) * found.ndim, num_images, config)
    most = math.inf if memory is None else _PART * memory / unit.peak
    grid = choose_grid(found, kind, most * 16**found.ndim)
    plan = PlanConfig(
        dataset=Path(os.path.relpath(dataset.path, run)).as_posix(),
        reference=found.reference.subject.name,
        grid=grid.value,
        intensity=intensity.value,  # type: ignore[arg-type]
        masks=True,
        metric=metric.value,  # type: ignore[arg-type]
        affine=affine.value,  # type: ignore[arg-type]
        batch=config.train.batch_size,
        precision=config.network.precision,
    )
    need = memory_need(plan.grid.shape, num_images, with_plan(config, plan))
    reasons = {
        "reference": "Its axes and position are those of the grid: the training image "
        "whose place and size are closest to the median.",
        "grid": grid.reason,
        "intensity": intensity.reason,
        "masks": "What lies outside of the mask of an image, where it has one, becomes "
        "background; false leaves it.",
        "metric": metric.reason,
        "affine": affine.reason,
        "batch": "Pairs in a training step, as the configuration has it; more take as "
        "many times the memory and time.",
        "precision": _about_precision(device, need, memory),
    }
    text = dump_plan(plan, reasons, _head(found, plan))
    return Plan(plan, reasons, found, need, text)


def with_plan(config: RunConfig, plan: PlanConfig) -> RunConfig:
    """The configuration with what the plan decides."""
    return replace(
        config,
        objective=replace(config.objective, similarity=plan.metric),
        train=replace(config.train, batch_size=plan.batch),
        network=replace(config.network, precision=plan.precision),
    )


def _about_precision(device: str, need: Need, memory: int | None) -> str:
    has = "" if memory is None else f" of {memory / _GIB:.1f} GiB"
    words = (
        f"About {need.peak / _GIB:.1f} GiB{has} of memory on this device ({device}): "
        f"{need.search / _GIB:.2f} for the search of the architecture, "
        f"{need.train / _GIB:.2f} for the training, {need.images / _GIB:.2f} for the "
        "images. "
    )
    if device == "cpu":
        return words + "A CPU has no quick convolution of bfloat16."
    return words + (
        "bfloat16 halves what the networks need and is chosen where float32 does not "
        "fit."
    )


def _head(found: Fingerprint, plan: PlanConfig) -> str:
    dataset = found.dataset
    splits = ", ".join(
        f"{sum(s.split == name for s in dataset.subjects)} {name}"
        for name in dict.fromkeys(s.split for s in dataset.subjects)
    )
    kinds = ", ".join(f"{n} {name}" for name, n in found.modalities.items())
    notes = " ".join(dataset.notes)
    return (
        f"Plan of {dataset.path.name}: {len(dataset.subjects)} images in "
        f"{found.ndim}-D ({splits}), {describe_labels(found)}; modalities of the "
        f"{len(found.scans)} looked at: {kinds}. {notes}\n\n"
        "Edit what you know better; search, train and evaluate obey this file. It "
        "stands above config.yaml in metric, batch and precision."
    )


def summary(plan: Plan) -> dict[str, Any]:
    """A plan and the fingerprint behind it as JSON holds them."""
    found = plan.found
    distances, sizes = found.distances_mm(), found.size_differences()
    grid: GridConfig = plan.config.grid
    return {
        "images": len(found.dataset.subjects),
        "looked_at": len(found.scans),
        "dimensions": found.ndim,
        "has_one_grid": found.has_one_grid,
        "shapes": found.shapes,
        "orientations": dict(found.orientations),
        "modalities": dict(found.modalities),
        "correlation": {
            "-".join(names): relation.median
            for names, relation in found.relations.items()
        },
        "centre_distance_mm": {
            "median": float(sorted(distances)[len(distances) // 2]),
            "max": float(distances.max()),
        },
        "size_difference": float(sizes.max()),
        "field_of_view_overlap": found.overlap[0],
        "labels": found.labels,
        "memory_bytes": plan.need.peak,
        "grid": {
            "shape": grid.shape,
            "spacing": grid.spacing,
            "orientation": grid.orientation,
            "centre": grid.centre,
        },
        "metric": plan.config.metric,
        "affine": plan.config.affine,
        "intensity": vars(plan.config.intensity),
        "batch": plan.config.batch,
        "precision": plan.config.precision,
        "reasons": plan.reasons,
        "notes": found.dataset.notes,
    }
