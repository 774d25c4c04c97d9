"""One stage of Algorithm 1 as a task: its state, its pairs and its records."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import PairSampler
from autoreg_jax.search import STAGES, OuterInfo, owned_by
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._build import (
    DeviceCohort,
    make_network,
    make_stage,
)
from autoreg_jax.workflows._initial import initial_vector
from autoreg_jax.workflows._loop import Task, check_finite
from autoreg_jax.workflows._programs import gather_pair, search_algorithm


def sampler_seed(seed: int, stage: int, role: int) -> int:
    """A seed of its own for the pairs of each stage and of each of its roles."""
    return int(np.random.SeedSequence((seed, stage, role)).generate_state(1)[0])


def search_task(
    name: str,
    config: RunConfig,
    train: DeviceCohort,
    valid: DeviceCohort,
    outer: Any,
    *,
    genotype: Genotype | None = None,
    num_structures: int = 0,
) -> Task:
    """Search one outer variable while fresh weights ω learn under it.

    Args:
        name: One of `STAGES`.
        config: The run.
        train: Training images, without labels.
        valid: Validation images, with labels for the stage of λ alone.
        outer: Host values of α, or of λ, before the stage.
        genotype: The network of the stage of λ; None for the mixed network.
        num_structures: Foreground classes of the labels.

    Returns:
        The task; the field `outer` of its last state is the result.
    """
    index = STAGES.index(name)
    stage = make_stage(config, name)
    shape = train.images.shape[1:]
    algorithm = search_algorithm(config, genotype, len(shape) - 1, name)
    owned = owned_by(name)
    train_pairs, valid_pairs = (
        PairSampler(len(cohort.images), seed=sampler_seed(config.seed, index, role))
        for role, cohort in enumerate((train, valid))
    )
    key = "lam" if name == "lam" else "alpha"

    def start() -> Any:
        network = make_network(config, genotype)
        omega = initial_vector(
            network,
            len(shape) - 1,
            (config.seed, index),
            is_torch=config.quirks.torch_start,
        )
        return algorithm.init(omega, jax.tree.map(jnp.array, outer))

    def advance(state: Any, step: int) -> tuple[Any, Any]:
        train_batch, outer = gather_pair(train, train_pairs[step]), OuterInfo.at_rest()
        if stage.is_active(step):
            valid_batch = gather_pair(
                valid,
                valid_pairs[step],
                num_structures,
                has_background=config.quirks.background_dice,
            )
            state, outer = algorithm.outer_step(state, train_batch, valid_batch, owned)
        state, inner = algorithm.inner_step(state, train_batch)
        return state, (inner, outer)

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        (inner, outer), moved = jax.device_get((infos[-1], state.outer))
        terms = {part: float(v) for part, v in inner.terms._asdict().items()}
        values = {"train_loss": float(inner.train_loss)}
        values |= {part: float(v) for part, v in outer._asdict().items()}
        is_finite = bool(inner.is_finite and values.pop("is_finite"))
        check_finite(name, step, is_finite, terms | values)
        if not stage.is_active(step - 1):
            values = {"train_loss": values["train_loss"]}
        return values | {"terms": terms, key: as_lists(moved)}

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        shown = {"loss": fields["train_loss"], "validation": fields.get("valid_loss")}
        return shown | (fields["lam"] if key == "lam" else {})

    return Task(name, stage.steps, start, advance, describe, show)


def as_lists(outer: Any) -> dict[str, Any]:
    """α or λ as JSON holds it; every float32 comes back as it was."""
    return {part: np.asarray(v).tolist() for part, v in outer._asdict().items()}


def from_lists(like: Any, values: dict[str, Any]) -> Any:
    """α or λ from `as_lists`, float32 NumPy arrays in a tuple of the type of `like`."""
    parts = (np.asarray(values[part], np.float32) for part in like._fields)
    return type(like)(*parts)
