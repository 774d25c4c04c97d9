"""The displacement of a pair on one grid: predicted, optimised, or both."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Grid, Volume, working_grid
from autoreg_jax.inference._model import RegistrationModel
from autoreg_jax.inference.optimisation import SMOOTHNESS, register_pair
from autoreg_jax.losses import Objective, Similarity
from autoreg_jax.networks import Registration


class Estimate(NamedTuple):
    """Displacements of one pair, each `(1, *space, d)` in voxels.

    Attributes:
        displacement: The result.
        back: The result with the images swapped; None if that was not asked for and
            is no network's, whose results are cheap.
        network: What a network predicted; None without one.
        network_back: What it predicted with the images swapped.
    """

    displacement: Array
    back: Array | None = None
    network: Array | None = None
    network_back: Array | None = None


def estimate(  # noqa: PLR0913
    fixed: Array,
    moving: Array,
    model: RegistrationModel | None,
    *,
    spacing: tuple[float, ...],
    steps: int,
    learning_rate: float | None,
    similarity: str | Similarity | None,
    smoothness: float | None,
    both_ways: bool,
    **pair: Any,
) -> Estimate:
    """The displacement in voxels: predicted, optimised, or both.

    Args:
        fixed: `(1, *space, 1)`, intensities in [0, 1].
        moving: The same shape.
        model: None optimises from no motion.
        spacing: Of the grid, mm.
        steps: Of the optimisation at each resolution; 0 for none.
        learning_rate: Of the optimisation; None for the usual one.
        similarity: To optimise; None for that of the model, or the usual one.
        smoothness: Factor on the weight of the smoothness; None for the usual weight.
        both_ways: Whether the optimisation is done with the images swapped as well; a
            network, which is cheap, always does both.
        **pair: Masks and guidance, see `register_pair`; only with steps.

    Raises:
        ConfigError: If an alignment alone is asked for both ways.
    """
    if model is None and steps == 0:
        if both_ways:
            raise ConfigError(
                "uncertainty: an alignment alone has none; give a model or refine."
            )
        still = jnp.zeros((*fixed.shape[:-1], len(spacing)), fixed.dtype)
        return Estimate(still)
    if steps and learning_rate is not None:
        pair["learning_rate"] = learning_rate
    if model is None:

        def optimised(fixed: Array, moving: Array, **pair: Any) -> Array:
            return register_pair(
                moving,
                fixed,
                jnp.asarray(spacing, fixed.dtype),
                num_iterations=steps,
                smoothness=SMOOTHNESS * (1.0 if smoothness is None else smoothness),
                similarity=similarity or Objective.similarity,
                **pair,
            ).displacement

        back = optimised(moving, fixed, **_swapped(pair)) if both_ways else None
        return Estimate(optimised(fixed, moving, **pair), back)
    there, back = model(moving, fixed), model(fixed, moving)
    networks = there.displacements.full, back.displacements.full
    if steps == 0:
        return Estimate(*networks, *networks)

    def refined(fixed: Array, moving: Array, found: Registration, **pair: Any) -> Array:
        return model.refine(
            moving,
            fixed,
            model.start(found),
            steps=steps,
            similarity=similarity,
            smoothness=smoothness,
            **pair,
        ).displacement

    result = refined(fixed, moving, there, **pair)
    if not both_ways:
        return Estimate(result, None, *networks)
    swapped = refined(moving, fixed, back, **_swapped(pair))
    return Estimate(result, swapped, *networks)


def _swapped(pair: dict[str, Any]) -> dict[str, Any]:
    """Masks and guidance of a pair whose images are swapped."""
    masks = {
        "fixed_mask": pair.get("moving_mask"),
        "moving_mask": pair.get("fixed_mask"),
    }
    guidance = pair.get("guidance")
    return {**pair, **masks, "guidance": guidance and guidance.swapped}


def comparison_grid(fixed: Volume, model: RegistrationModel | None) -> Grid:
    """The grid of the model over the fixed image, or the fixed grid without a model."""
    if model is None:
        return fixed.grid
    about = model.description
    if len(about.spacing) != fixed.ndim:
        raise GeometryError(
            f"{fixed.path or 'the fixed image'} has {fixed.ndim} axes, but the model "
            f"{model.path or ''} was trained on images of {len(about.spacing)}; use a "
            "model of that dimension."
        )
    return working_grid(fixed, about.orientation, about.spacing)
