"""The stages of Algorithm 1 and which part of the outer variables each one owns."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from autoreg_jax.losses import ObjectiveWeights
from autoreg_jax.search_space import ArchitectureLogits

STAGES = ("feature", "deformation", "lam")


class Stage(NamedTuple):
    """One stage: ω starts anew, one outer variable moves, the others rest.

    Attributes:
        name: One of `STAGES`: α_F, α_D, λ, in this order.
        steps: Iterations.
        warm_up: The first iterations, in which only ω moves.
        every: The outer variable moves in every n-th iteration after the warm-up.
    """

    name: str
    steps: int
    warm_up: int = 0
    every: int = 1

    def is_active(self, step: int) -> bool:
        """Whether the outer variable moves in iteration `step` (from 0)."""
        return step >= self.warm_up and (step - self.warm_up) % self.every == 0


def owned_by(name: str) -> Any:
    """Ones on what the stage may move, zeros elsewhere.

    Args:
        name: One of `STAGES`.

    Returns:
        A tree like `ArchitectureLogits` for the first two stages, else like
        `ObjectiveWeights`.

    Raises:
        ValueError: If there is no such stage.
    """
    if name == "lam":
        return jax.tree.map(jnp.ones_like, ObjectiveWeights.start())
    if name not in STAGES:
        raise ValueError(f"unknown stage {name!r}; stages are {STAGES}.")
    zeros = ArchitectureLogits.zeros()
    return zeros._replace(**{name: jnp.ones_like(getattr(zeros, name))})
