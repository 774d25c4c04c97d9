"""Registers two images of any grid, orientation and spacing."""

import time
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.data import Volume, normalize_intensity, read_image
from autoreg_jax.errors import ConfigError, GeometryError, NonFiniteError
from autoreg_jax.inference._field_of_view import check_field_of_view
from autoreg_jax.inference._model import RegistrationModel, load_model
from autoreg_jax.inference._refine import refine as refine_velocity
from autoreg_jax.inference._registered import Registered
from autoreg_jax.inference._resample import (
    displacement_on,
    resample,
    sample_world,
    working_grid,
    world_coordinates,
)
from autoreg_jax.losses import ObjectiveWeights, local_ncc, make_weights
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.networks import Wiring
from autoreg_jax.spatial import half_shape, warp

# Without a model: the published windows and squarings.
_WINDOWS, _NUM_STEPS = (9, 7, 5), 7


def register(
    fixed: Volume | Path | str,
    moving: Volume | Path | str,
    *,
    model: RegistrationModel | Path | str | None = None,
    affine: Literal["auto", "none"] = "auto",
    refine: int = 0,
    learning_rate: float = 0.1,
    similarity: Literal["ncc", "mind"] | None = None,
) -> Registered:
    """Find the displacement that brings a moving image onto a fixed one.

    The pair is resampled, in world space, to the orientation and spacing of the model;
    what comes back is on the grid of the fixed image. The moving image is interpolated
    once.

    Args:
        fixed: The image that stays, 2-D or 3-D, with any intensities.
        moving: The image to be moved, on any grid of the same world.
        model: A model, its folder or a run folder. Without one the displacement comes
            from the optimisation alone. A folder is read and compiled at every call: to
            register many pairs, give `load_model(...)`.
        affine: "auto" and "none" both trust the positions in the headers.
        refine: Steps of optimisation on this very pair after the network.
        learning_rate: Of the optimisation, voxels of half resolution a step.
        similarity: What the optimisation compares: "ncc" for images of one contrast,
            "mind" for two. The model's by default, without one "ncc".

    Returns:
        The result, with `apply` for other images, labels and points, and `save`.

    Raises:
        ArtifactError: If there is no usable model in the folder.
        ConfigError: If there is neither a model nor refinement, or an option has an
            unknown value.
        DataError: If an image file cannot be used.
        GeometryError: If the images are of different dimensions, or of another than the
            model, or do not overlap in the world.
        NonFiniteError: If the displacement is not finite.
    """
    _check_options(model, affine, refine, similarity)
    if not isinstance(fixed, Volume):
        fixed = read_image(fixed)
    if not isinstance(moving, Volume):
        moving = read_image(moving)
    check_field_of_view(fixed, moving)
    if isinstance(model, Path | str):
        model = load_model(model)
    begin = time.perf_counter()
    shape, grid = _grid(fixed, model)
    seen_fixed, seen_moving = (
        jnp.asarray(resample(_normalized(image), shape, grid))[None, ..., None]
        for image in (fixed, moving)
    )
    displacement = _optimise(
        seen_fixed,
        seen_moving,
        model,
        num_iterations=refine,
        rate=learning_rate,
        similarity=similarity,
    )
    window = (_WINDOWS if model is None else model.description.windows)[0]
    before, after = _similarities(seen_fixed, seen_moving, displacement, window=window)
    displacement_mm = displacement_on(fixed, np.asarray(displacement[0]), grid)
    if not np.isfinite(displacement_mm).all():
        raise NonFiniteError(
            f"{fixed.path or 'fixed'} and {moving.path or 'moving'}: the displacement "
            "is not finite; use a smaller learning rate, or train the model again."
        )
    points = world_coordinates(fixed.shape, fixed.affine) + displacement_mm
    return Registered(
        fixed=fixed,
        moving=moving,
        moved=Volume(sample_world(moving, points), fixed.affine),
        displacement_mm=displacement_mm,
        folding_fraction=_folding(displacement_mm, fixed),
        similarity_before=float(before),
        similarity=float(after),
        seconds=time.perf_counter() - begin,
        refined_steps=refine,
        model=None if model is None else model.path,
    )


def _check_options(model, affine, refine, similarity) -> None:
    """Refuse what cannot be meant, before any file is read."""
    if affine not in ("auto", "none"):
        raise ConfigError(f'affine: must be "auto" or "none", got {affine!r}.')
    if similarity not in (None, "ncc", "mind"):
        raise ConfigError(f'similarity: must be "ncc" or "mind", got {similarity!r}.')
    if refine < 0:
        raise ConfigError(
            f"refine: must be a number of steps, 0 or more, got {refine}."
        )
    if model is None and refine == 0:
        raise ConfigError(
            "without a model there is nothing to predict and with refine 0 nothing to "
            "optimise; give a model, or some refine steps (100, say), or both."
        )


def _grid(
    fixed: Volume, model: RegistrationModel | None
) -> tuple[tuple[int, ...], Float[np.ndarray, "4 4"]]:
    """Where the pair is compared: on the model's kind of grid, or the fixed one."""
    if model is None:
        return fixed.shape, fixed.affine
    about = model.description
    if len(about.spacing) != fixed.ndim:
        raise GeometryError(
            f"{fixed.path or 'the fixed image'} has {fixed.ndim} axes, but the model "
            f"{model.path or ''} was trained on images of {len(about.spacing)}; use a "
            "model of that dimension."
        )
    return working_grid(fixed, about.orientation, about.spacing)


def _normalized(image: Volume) -> Volume:
    return Volume(normalize_intensity(image.array), image.affine, image.path)


def _optimise(
    fixed: Array,
    moving: Array,
    model: RegistrationModel | None,
    *,
    num_iterations: int,
    rate: float,
    similarity: str | None,
) -> Array:
    """The displacement in voxels: predicted, optimised, or both."""
    if model is None:
        space = fixed.shape[1:-1]
        velocity = jnp.zeros((1, *half_shape(space), len(space)), fixed.dtype)
        lam, windows, num_steps = ObjectiveWeights.start(), _WINDOWS, _NUM_STEPS
        wiring, is_dimmed = Wiring(), False
    else:
        about = model.description
        predicted = model(moving, fixed)
        if num_iterations == 0:
            return predicted.displacements.full
        velocity = predicted.velocity
        lam = make_weights(about.lam)
        windows, num_steps = about.windows, about.num_steps
        wiring, is_dimmed = about.wiring, about.is_dimmed
        similarity = similarity or about.similarity
    return refine_velocity(
        moving,
        fixed,
        velocity,
        lam,
        num_iterations=num_iterations,
        learning_rate=rate,
        similarity=similarity or "ncc",
        windows=windows,
        num_steps=num_steps,
        wiring=wiring,
        is_dimmed=is_dimmed,
    ).displacement


@partial(jax.jit, static_argnames="window")
def _similarities(
    fixed: Array, moving: Array, displacement: Array, *, window: int
) -> tuple[Array, Array]:
    """Mean local correlation before and after, on the working grid."""
    moved = warp(moving, displacement)
    return (
        jnp.mean(local_ncc(fixed, moving, window)),
        jnp.mean(local_ncc(fixed, moved, window)),
    )


_folding_fraction = jax.jit(folding_fraction)


def _folding(displacement_mm: Float[np.ndarray, "*space 3"], fixed: Volume) -> float:
    """Folding of the field as it is returned, on the fixed grid."""
    to_voxels = np.linalg.inv(fixed.affine)[: fixed.ndim, :3].astype(np.float32)
    return float(_folding_fraction(jnp.asarray(displacement_mm @ to_voxels.T)[None]))
