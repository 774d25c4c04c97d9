"""Table VI: time of a network on a pair of the paper's size, and its parameters."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax.baselines import NETWORKS
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.studies._table import Column, Table
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._whole import Whole

_COLUMNS = (
    Column("", "method"),
    Column("voxels", "shape"),
    Column("first, s", "seconds_first", ""),
    Column("later, s", "seconds", ""),
    Column("parameters, M", "parameters"),
    Column("device", "device"),
    Column("paper, s", "paper_seconds"),
    Column("paper, M", "paper_parameters"),
)
_CALLS = 3
_SMALL = 32  # size of the image for drawing weights, which do not depend on it


def speed_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Table VI: the network of the first seed beside the networks of the rivals.

    The rivals have initial weights, on which no time depends. `seconds` is the median
    of the calls after the first; `parameters` are millions.
    """
    del scenario  # the paper has one such table
    ours = wholes[0].trained.model
    shape = _paper.SHAPE[: len(ours.description.spacing)]
    records = [_record("autoreg", ours, shape)]
    for name in list(_paper.SPEED)[1:]:
        about = replace(ours.description, genotype=name)
        image = jnp.zeros((1, *(_SMALL for _ in shape), 1))
        network = NETWORKS[name](about.num_steps)
        params = jax.jit(network.init)(jax.random.key(0), image, image)["params"]
        records.append(_record(name, RegistrationModel(about, params), shape))
    return Table(records, _COLUMNS)


def _record(
    name: str, model: RegistrationModel, shape: tuple[int, ...]
) -> dict[str, Any]:
    moving, fixed = jax.random.uniform(jax.random.key(1), (2, 1, *shape, 1))
    seconds = []
    for _ in range(1 + _CALLS):
        begin = time.perf_counter()
        jax.block_until_ready(model(moving, fixed).displacements.full)
        seconds.append(time.perf_counter() - begin)
    device = jax.devices()[0].device_kind
    if jax.default_backend() == "cpu":
        device = f"CPU, {os.cpu_count()} processors"
    paper_seconds, paper_parameters = _paper.SPEED[name]
    return {
        "method": name,
        "shape": "×".join(map(str, shape)),
        "seconds_first": seconds[0],
        "seconds": median(seconds[1:]),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(model.params)) / 1e6,
        "device": device,
        "paper_seconds": paper_seconds,
        "paper_parameters": paper_parameters,
    }
