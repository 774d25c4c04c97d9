"""Plans a run: measures the data and decides grid, intensities, metric, alignment."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.config import PlanConfig, RunConfig, dump_plan
from autoreg_jax.data import (
    MOST_IMAGES,
    Dataset,
    Fingerprint,
    fingerprint,
    read_dataset,
)
from autoreg_jax.errors import ArtifactError, ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.losses import SIMILARITIES
from autoreg_jax.runtime import (
    RunFolder,
    device_memory,
    memory_for_images,
    owns,
    progress,
)
from autoreg_jax.workflows.planning._choices import (
    choose_affine,
    choose_intensity,
    choose_metric,
    describe,
)
from autoreg_jax.workflows.planning._grid import choose_grid
from autoreg_jax.workflows.planning._memory import (
    MemoryEstimate,
    estimate_memory,
    explain_precision,
)

# Fraction of the device's memory to use; the rest covers what the estimate misses.
_USABLE = 0.7


class Plan(NamedTuple):
    """The plan of a run.

    Attributes:
        config: The choices.
        reasons: Their reasons, by the name of the field.
        fingerprint: The measurements behind them.
        memory: Estimated memory of the run.
    """

    config: PlanConfig
    reasons: dict[str, str]
    fingerprint: Fingerprint
    memory: MemoryEstimate

    @property
    def text(self) -> str:
        """The content of plan.yaml."""
        return dump_plan(self.config, self.reasons, describe(self.fingerprint))


@owns()
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
        run: Run folder to create; None writes nothing.
        config: The run; default: the default configuration.
        overwrite: Move an existing run or plan to previous-N.

    Returns:
        The plan.

    Raises:
        DataError, GeometryError: If the dataset cannot be used.
        ConfigError: If the folder cannot be created.
        ArtifactError: If it contains a run or a plan, and `overwrite` is not given.
    """
    folder = None if run is None else RunFolder(run)
    if folder is not None and folder.plan.is_file() and not overwrite:
        raise ArtifactError(
            f"{folder.plan}: already exists; edit it, use --overwrite to move it to "
            "previous-N, or name another folder."
        )
    if folder is not None:
        folder.check(overwrite=overwrite)
    config = RunConfig() if config is None else config
    table = read_dataset(dataset, pairs=config.pairs.list)
    made = make_plan(table, Path(run or "."), config)
    if folder is not None:
        folder.claim(overwrite=overwrite)
        write_text(folder.plan, made.text)
    return made


def make_plan(
    dataset: Dataset, run: Path, config: RunConfig, *, with_labels: bool = True
) -> Plan:
    """Measure a dataset and decide how a run treats it. Nothing is written.

    A metric, batch or precision other than the default is kept.
    """
    with progress("plan", min(len(dataset.subjects), MOST_IMAGES)) as advance:
        found = fingerprint(dataset, advance, with_labels=with_labels)
    device, memory = device_memory()
    for_images = memory_for_images(config.data.device_memory, (device, memory))
    metric, affine = choose_metric(found, config), choose_affine(found)
    intensity = choose_intensity(found)
    num_images = len(dataset.subjects) * dataset.channels
    config = replace(
        config, objective=replace(config.objective, similarity=metric.value)
    )
    if device != "cpu" and memory is not None:
        finest = choose_grid(found, affine.value, math.inf).value.shape
        need = estimate_memory(finest, num_images, config, for_images)
        if need.peak > _USABLE * memory:
            network = replace(config.network, precision="bfloat16")
            config = replace(config, network=network)
    unit = estimate_memory((16,) * found.ndim, num_images, config)
    most = math.inf
    if memory is not None:
        usable = _USABLE * memory
        # All images lie on the device, or as many as may, and the others do not count.
        streamed = (usable - for_images) / (unit.peak - unit.images)
        most = max(usable / unit.peak, streamed)
    grid = choose_grid(found, affine.value, most * 16**found.ndim)
    plan = PlanConfig(
        dataset=Path(os.path.relpath(dataset.path, run)).as_posix(),
        reference=found.reference.subject.name,
        grid=grid.value,
        intensity=intensity.value,
        masks=True,
        metric=metric.value,
        affine=affine.value,
        batch=config.train.batch_size,
        precision=config.network.precision,
    )
    planned = apply_plan(config, plan)
    need = estimate_memory(plan.grid.shape, num_images, planned, for_images)
    reasons = {
        "reference": "The grid has its axes and position: the training image whose "
        "position and size are closest to the median.",
        "grid": grid.reason,
        "intensity": intensity.reason,
        "masks": "Outside of its mask, if it has one, an image becomes background; "
        "false keeps it.",
        "metric": metric.reason,
        "affine": affine.reason,
        "batch": "Pairs in a training step, from the configuration; memory and time "
        "grow in proportion.",
        "precision": explain_precision(device, need, memory),
    }
    return Plan(plan, reasons, found, need)


def apply_plan(config: RunConfig, plan: PlanConfig) -> RunConfig:
    """The configuration with the metric, batch and precision of a plan.

    Raises:
        ConfigError: If the metric is unknown.
    """
    if plan.metric not in SIMILARITIES:
        raise ConfigError(
            f"metric: must be one of {', '.join(SIMILARITIES)}, got {plan.metric!r}."
        )
    return replace(
        config,
        objective=replace(config.objective, similarity=plan.metric),
        train=replace(config.train, batch_size=plan.batch),
        network=replace(config.network, precision=plan.precision),
    )


def summary(plan: Plan) -> dict[str, Any]:
    """A plan and the measurements behind it, for JSON."""
    found, config = plan.fingerprint, plan.config
    distances, listed = found.distances_mm(), found.dataset.pair_list
    return {
        "images": len(found.dataset.subjects),
        "splits": [source._asdict() for source in found.dataset.sources],
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
        "size_difference": float(found.size_differences().max()),
        "field_of_view_overlap": found.overlap[0],
        "labels": found.label_values,
        "memory_bytes": plan.memory.peak,
        "grid": vars(config.grid),
        "metric": config.metric,
        "affine": config.affine,
        "intensity": vars(config.intensity),
        "batch": config.batch,
        "precision": config.precision,
        "reasons": plan.reasons,
        "notes": found.dataset.notes,
        "listed_pairs": None if listed is None else [list(p) for p in listed.pairs],
    }
