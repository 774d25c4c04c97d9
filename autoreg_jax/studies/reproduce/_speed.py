"""Table VI: how long a network takes at the size of the paper, and how large it is."""

import os
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from autoreg_jax.baselines import make_baseline
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._table import Table, mean_sd

if TYPE_CHECKING:
    from autoreg_jax.studies.reproduce._whole import Whole

_CALLS = 3
# Of the image on which weights are drawn; they do not depend on it.
_SMALL = 32


class SpeedRow(NamedTuple):
    """One network on one pair.

    Attributes:
        method: Its name.
        shape: Of the pair, voxels.
        seconds_first: Of the first call, compilation included.
        seconds: Median of the later calls.
        parameters: In millions.
        device: What it ran on.
        paper_seconds, paper_parameters: Of the paper, on its own device.
    """

    method: str
    shape: str
    seconds_first: float
    seconds: float
    parameters: float
    device: str
    paper_seconds: float
    paper_parameters: float


def speed_table(one: "Whole") -> Table:
    """Time the network that was found and the networks of the rivals.

    The rivals have the weights that they begin with: no time depends on them.

    Args:
        one: What was searched and trained.

    Returns:
        A row for each network.

    Raises:
        ArtifactError: If the model of the run is damaged.
    """
    ours = load_model(one.train_run)
    shape = _paper.SHAPE[: len(ours.description.spacing)]
    rows = [_row("autoreg", ours, shape)]
    for name in list(_paper.SPEED)[1:]:
        about = replace(ours.description, genotype=name)
        image = jnp.zeros((1, *(_SMALL for _ in shape), 1))
        network = make_baseline(name, about.num_steps)
        params = network.init(jax.random.key(0), image, image)["params"]
        rows.append(_row(name, RegistrationModel(about, params), shape))
    header = ("", "voxels", "first, s", "later, s", "parameters, M", "device")
    header = (*header, "paper, s", "paper, M")
    cells = [
        (
            row.method,
            row.shape,
            *(mean_sd(value, float("nan"), "{:.3g}") for value in row[2:4]),
            f"{row.parameters:.3f}",
            row.device,
            *(f"{value:.3f}" for value in row[6:]),
        )
        for row in rows
    ]
    return Table(rows, header, cells)


def _row(name: str, model: RegistrationModel, shape: tuple[int, ...]) -> SpeedRow:
    moving, fixed = jax.random.uniform(jax.random.key(1), (2, 1, *shape, 1))
    seconds = []
    for _ in range(1 + _CALLS):
        begin = time.perf_counter()
        jax.block_until_ready(model(moving, fixed).displacements.full)
        seconds.append(time.perf_counter() - begin)
    size = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    device = jax.devices()[0].device_kind
    if jax.default_backend() == "cpu":
        device = f"CPU, {os.cpu_count()} processors"
    return SpeedRow(
        name,
        "×".join(map(str, shape)),
        seconds[0],
        median(seconds[1:]),
        size / 1e6,
        device,
        *_paper.SPEED[name],
    )
