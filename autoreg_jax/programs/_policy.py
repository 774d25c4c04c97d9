"""What `divergence.policy` makes of optimizers and steps; nothing, if it is `stop`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from autoreg_jax.config import DivergenceConfig
from autoreg_jax.programs._steps import Step
from autoreg_jax.search_space import ArchitectureLogits
from autoreg_jax.training import Guarded, checked_step, scalable, watched

ROUGHEST = 100.0
"""Mean squared difference of neighbouring displacements: ten voxels a voxel."""

LARGEST = {"alpha": 1e3, "lam": 1e6}
"""A logit of 50 is a certain choice; weights of the loss are ratios around 1."""


def with_policy(
    optimizer: optax.GradientTransformation, settings: DivergenceConfig
) -> optax.GradientTransformation:
    """An optimizer whose state knows what the policy asks it: lengths, or a rate."""
    if settings.policy == "skip":
        return watched(optimizer)
    return scalable(optimizer) if settings.policy == "rollback" else optimizer


def with_guard(
    step: Step,
    settings: DivergenceConfig,
    *,
    is_compiled: bool,
    keeps_best: bool = False,
) -> Step:
    """A step that the policy `skip` does not take if its numbers are useless.

    Its info then is `training.Guarded`.

    Args:
        step: Of a training or of a search.
        settings: The policy.
        is_compiled: The step becomes a part of a program. Otherwise the decision is a
            program of its own.
        keeps_best: A training whose weights may become rough: others are kept.
    """
    if settings.policy != "skip":
        return step
    decide = partial(
        checked_step,
        most_times=settings.gradient,
        is_sane=partial(_is_sane, keeps_best=keeps_best),
    )
    decide = decide if is_compiled else jax.jit(decide)

    def guarded(state: Any, row: Any, data: Any) -> tuple[Any, Guarded]:
        after, info = step(state, row, data)
        state, info = decide(state, after, info)
        if hasattr(info.info, "outer"):  # α or λ that are kept
            info = info._replace(info=info.info._replace(outer=state.outer))
        return state, info

    return guarded


def _is_sane(state: Any, info: Any, *, keeps_best: bool) -> Any:
    """Whether fields and outer variable are such as mean something."""
    inner = getattr(info, "inner", info)
    is_sane = inner.is_finite
    if hasattr(info, "moved"):
        is_sane &= info.moved.is_finite
    if not keeps_best:
        is_sane &= inner.terms.get("smooth", 0.0) <= ROUGHEST
    outer = getattr(state, "outer", None)
    for leaf in jax.tree.leaves(outer):
        is_sane &= jnp.max(jnp.abs(leaf)) <= LARGEST[outer_kind(outer)]
    return is_sane


def outer_kind(outer: Any) -> str:
    """`alpha` or `lam`, its name in records."""
    return "alpha" if isinstance(outer, ArchitectureLogits) else "lam"
