"""The stages of Algorithm 1 and which part of the outer variables each one owns."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from autoreg_jax.losses import PAPER_WEIGHTS, Weights
from autoreg_jax.search_space import ArchitectureLogits

STAGES = ("feature", "deformation", "lam")


class Stage(NamedTuple):
    """One stage: ω starts anew, one outer variable moves, the others rest.

    Attributes:
        name: One of `STAGES`: α_F, α_D, λ, in this order; or "joint", α_F and α_D.
        steps: Iterations.
        warm_up: The first iterations, in which only ω moves.
        every: The outer variable moves in every n-th iteration after the warm-up.
    """

    name: str
    steps: int
    warm_up: int = 0
    every: int = 1

    def is_active(self, step: int, *, is_warm: bool = False) -> bool:
        """Whether the outer variable moves in iteration `step` (from 0).

        Args:
            step: The iteration.
            is_warm: The warm-up is over, whatever its steps say.
        """
        is_warm = is_warm or step >= self.warm_up
        return is_warm and (step - self.warm_up) % self.every == 0

    def moves(self, step: int) -> int:
        """Number of the move in an active iteration, from 0 (less in a warm-up)."""
        return (step - self.warm_up) // self.every


def owned_by(name: str, lam: Weights | None = None) -> Any:
    """Ones on what the stage may move, zeros elsewhere.

    Args:
        name: One of `STAGES`, or "joint".
        lam: Weights like those that the stage of λ moves, where they are not the four
            of Eq. (4).

    Returns:
        A tree like `ArchitectureLogits` for the stages of α, else like λ.

    Raises:
        ValueError: If there is no such stage.
    """
    if name == "lam":
        like = dict(PAPER_WEIGHTS if lam is None else lam)
        return jax.tree.map(jnp.ones_like, like)
    zeros = ArchitectureLogits.zeros()
    if name == "joint":
        return jax.tree.map(jnp.ones_like, zeros)
    if name not in STAGES:
        raise ValueError(f"unknown stage {name!r}; stages are {STAGES} and joint.")
    return zeros._replace(**{name: jnp.ones_like(getattr(zeros, name))})
