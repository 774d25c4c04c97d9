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

from autoreg_jax.alignment import prealign
from autoreg_jax.config import Intensity
from autoreg_jax.data import (
    check_contrast,
    normalize_intensity,
    read_image,
    read_labels,
)
from autoreg_jax.errors import ConfigError, GeometryError, NonFiniteError
from autoreg_jax.geometry import (
    Grid,
    Volume,
    displacement_on,
    resample,
    working_grid,
)
from autoreg_jax.inference._classical import register_pair
from autoreg_jax.inference._model import RegistrationModel, load_model
from autoreg_jax.inference._registered import Registered
from autoreg_jax.losses import SIMILARITIES, local_ncc
from autoreg_jax.metrics import folding_fraction
from autoreg_jax.spatial import warp

# Of the local correlation that is reported where no model says another.
_WINDOW = 9
# Of the optimisation without a model, at each resolution.
_STEPS = 100


def register(  # noqa: PLR0913
    fixed: Volume | Path | str,
    moving: Volume | Path | str,
    *,
    model: RegistrationModel | Path | str | None = None,
    affine: Literal["auto", "rigid", "affine", "none"] = "auto",
    refine: int | None = None,
    learning_rate: float = 0.1,
    similarity: str | None = None,
    fixed_mask: Volume | Path | str | None = None,
    moving_mask: Volume | Path | str | None = None,
) -> Registered:
    """Find the displacement that brings a moving image onto a fixed one.

    The pair is resampled, in world space, to the orientation and spacing of the model;
    what comes back is on the grid of the fixed image. The moving image is interpolated
    once.

    Args:
        fixed: The image that stays, 2-D or 3-D, with any intensities.
        moving: The image to be moved, on any grid of the same world.
        model: A model, its folder or a run folder. Without one the displacement comes
            from alignment and optimisation alone. A folder is read and compiled at
            every call: to register many pairs, give `load_model(...)`.
        affine: Whether the images are aligned first: "rigid" and "affine" always do it,
            see `align`; "none" trusts the positions in the headers; "auto" aligns
            affinely where the images agree measurably better for it and the result is
            trusted.
        refine: Steps of optimisation on this pair at each resolution: two after a
            network, three (at most so many steps) without. None: 0 with a model,
            without one 100, or 0 if `affine` asks for a rigid or affine alignment. With
            0 and no model the result is the alignment alone, and "auto" means "affine".
        learning_rate: Of the optimisation, voxels of half resolution a step.
        similarity: What the optimisation compares: "ncc" for images of one contrast,
            "mind" for two. The model's by default, without one "ncc".
        fixed_mask: Where it is not 0 the fixed image is compared, everywhere by
            default; without a model only.
        moving_mask: The same of the moving image.

    Returns:
        The result, with `apply` for other images, labels and points, and `save`.

    Raises:
        ArtifactError: If there is no usable model in the folder.
        ConfigError: If there is nothing to do (no model, `refine` 0 and `affine`
            "none"), or an option has an unknown value.
        DataError: If an image file cannot be used, or shows nothing.
        GeometryError: If the images are of different dimensions, or of another than the
            model, or do not overlap in the world.
        NonFiniteError: If the displacement is not finite.
    """
    if refine is None:
        refine = _STEPS if model is None and affine in ("auto", "none") else 0
    elif model is None and refine == 0 and affine == "auto":
        affine = "affine"
    _check_options(model, affine, refine, similarity)
    if model is not None and not (fixed_mask is None and moving_mask is None):
        raise ConfigError(
            "masks are supported only without a model; leave out one of the two."
        )
    if not isinstance(fixed, Volume):
        fixed = read_image(fixed)
    if not isinstance(moving, Volume):
        moving = read_image(moving)
    check_contrast(fixed)
    check_contrast(moving)
    if isinstance(model, Path | str):
        model = load_model(model)
    begin = time.perf_counter()
    masks = [_mask(mask, fixed.ndim) for mask in (fixed_mask, moving_mask)]
    prealignment = prealign(fixed, moving, affine, (masks[0], masks[1]))
    placed = prealignment.place(moving)
    grid = _grid(fixed, model)
    how = Intensity() if model is None else model.description.intensity
    seen_fixed, seen_moving = (
        _seen(_normalized(image, how), grid) for image in (fixed, placed)
    )
    displacement = _optimise(
        seen_fixed,
        seen_moving,
        model,
        spacing=grid.spacing,
        num_iterations=refine,
        rate=learning_rate,
        similarity=similarity,
        masks={
            "fixed": masks[0] and _seen(masks[0], grid),
            "moving": masks[1] and _seen(prealignment.place(masks[1]), grid),
        },
    )
    window = _WINDOW if model is None else model.description.windows[0]
    before, after = _similarities(seen_fixed, seen_moving, displacement, window=window)
    if prealignment.is_used:
        unaligned = _seen(_normalized(moving, how), grid)
        still = jnp.zeros_like(displacement)
        before, _ = _similarities(seen_fixed, unaligned, still, window=window)
    displacement_mm = displacement_on(np.asarray(displacement[0]), grid, fixed.grid)
    if not np.isfinite(displacement_mm).all():
        raise NonFiniteError(
            f"{fixed.path or 'fixed'} and {moving.path or 'moving'}: the displacement "
            "is not finite; use a smaller learning rate, or train the model again."
        )
    if prealignment.is_used:
        # One displacement for both maps: the network's first, then the linear one.
        points = fixed.grid.points()
        total = prealignment.to_moving(points + displacement_mm) - points
        displacement_mm = total.astype(displacement_mm.dtype)
    return Registered(
        fixed=fixed,
        moving=moving,
        displacement_mm=displacement_mm,
        folding_fraction=_folding(displacement_mm, fixed),
        similarity_before=float(before),
        similarity=float(after),
        seconds=time.perf_counter() - begin,
        refined_steps=refine,
        model=None if model is None else model.path,
        alignment=prealignment.alignment,
        is_aligned=prealignment.is_used,
        warnings=prealignment.warnings,
    )


def _check_options(model, affine, refine, similarity) -> None:
    """Refuse what cannot be meant, before any file is read."""
    if affine not in ("auto", "rigid", "affine", "none"):
        raise ConfigError(
            f'affine: must be "auto", "rigid", "affine" or "none", got {affine!r}.'
        )
    if similarity is not None and similarity not in SIMILARITIES:
        raise ConfigError(
            f"similarity: must be one of {', '.join(SIMILARITIES)}, got {similarity!r}."
        )
    if refine < 0:
        raise ConfigError(
            f"refine: must be a number of steps, 0 or more, got {refine}."
        )
    if model is None and refine == 0 and affine == "none":
        raise ConfigError(
            'nothing to do: no model, refine 0 and affine "none"; give a model or '
            "refine steps (e.g. 100), or ask for an alignment."
        )


def _grid(fixed: Volume, model: RegistrationModel | None) -> Grid:
    """Where the pair is compared: on the model's kind of grid, or the fixed one."""
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


def _normalized(image: Volume, how: Intensity) -> Volume:
    return Volume(normalize_intensity(image.array, how), image.affine, image.path)


def _mask(mask: Volume | Path | str | None, ndim: int) -> Volume | None:
    """A mask as an image between 0 and 1."""
    if mask is None:
        return None
    if not isinstance(mask, Volume):
        mask = read_labels(mask)
    if mask.ndim != ndim:
        raise GeometryError(
            f"{mask.path or 'the mask'} has {mask.ndim} axes, the images have {ndim}."
        )
    return Volume((mask.array != 0).astype(np.float32), mask.affine, mask.path)


def _seen(volume: Volume, grid: Grid) -> Array:
    """An image on the working grid, as a batch of one."""
    return jnp.asarray(resample(volume, grid))[None, ..., None]


def _optimise(
    fixed: Array,
    moving: Array,
    model: RegistrationModel | None,
    *,
    spacing: tuple[float, ...],
    num_iterations: int,
    rate: float,
    similarity: str | None,
    masks: dict[str, Array | None],
) -> Array:
    """The displacement in voxels: predicted, optimised, or both."""
    if model is None:
        if num_iterations == 0:
            space = fixed.shape[1:-1]
            return jnp.zeros((1, *space, len(space)), fixed.dtype)
        return register_pair(
            moving,
            fixed,
            jnp.asarray(spacing, fixed.dtype),
            num_iterations=num_iterations,
            learning_rate=rate,
            similarity=similarity or "ncc",
            fixed_mask=masks["fixed"],
            moving_mask=masks["moving"],
        ).displacement
    if num_iterations == 0:
        return model(moving, fixed).displacements.full
    return model.refine(
        moving,
        fixed,
        steps=num_iterations,
        learning_rate=rate,
        similarity=similarity,
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
