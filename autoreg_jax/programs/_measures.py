"""What is measured of a network now and then: overlap, and curvature in α."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax import hypergrad
from autoreg_jax.bilevel import PairBatch, SearchProblem
from autoreg_jax.inference import warp_labels
from autoreg_jax.metrics import dice
from autoreg_jax.programs._compiled import quick_compilation
from autoreg_jax.programs._layout import Layout


def alpha_curvature(
    problem: SearchProblem, parts: tuple[str, ...]
) -> Callable[..., Any]:
    """Largest eigenvalue of ∇²_α L_val over parts of α, `(omega, alpha, batch)`."""
    outer_loss = problem.bilevel.outer_loss

    @partial(jax.jit, compiler_options=quick_compilation())
    def eigenvalue(omega: Any, alpha: Any, batch: PairBatch) -> Any:
        def loss(owned: dict[str, Any]) -> Any:
            return outer_loss(omega, alpha._replace(**owned), batch)

        return hypergrad.largest_eigenvalue(
            loss, {part: getattr(alpha, part) for part in parts}
        )

    return eigenvalue


def levels_of(network: Any, layout: Layout) -> Callable[..., Any]:
    """Displacements of all levels, `(omega, moving, fixed) -> {level: field}`."""

    def levels(omega: Any, moving: Any, fixed: Any) -> dict[str, Any]:
        out: Any = network.apply({"params": layout.to_tree(omega)}, moving, fixed)
        return out.levels

    return jax.jit(levels)


def pair_dice(network: Any, layout: Layout, num_structures: int) -> Callable[..., Any]:
    """Mean Dice of one pair, `(omega, images, labels, moving, fixed) -> scalar`."""

    def score(omega: Any, images: Any, labels: Any, moving: Any, fixed: Any) -> Any:
        params = {"params": layout.to_tree(omega)}
        out: Any = network.apply(params, images[moving], images[fixed])
        field = out.displacements.full
        moved = warp_labels(labels[moving], field, num_structures + 1)
        return jnp.nanmean(dice(labels[fixed], moved, num_structures + 1))

    return jax.jit(score)
