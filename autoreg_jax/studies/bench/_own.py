"""The methods of this package in a process of their own, like all others."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import jax.numpy as jnp
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

from autoreg_jax.geometry import Volume, displacement_on, resample, working_grid
from autoreg_jax.inference import load_model, register_pair
from autoreg_jax.runtime import enable_compilation_cache


def open_method(settings: Mapping[str, Any]) -> Callable[..., np.ndarray]:
    """Make the function that registers a pair, `register(fixed, moving, spacing)`.

    For a network the settings are `model`, its folder; `network`, None or `module:name`
    of its constructor; `orientation`, that of the images, if it is not that of the
    training; `refine`, optimisation steps per pair, and their `learning_rate`. For
    registration without a model: `steps` at each of three resolutions and `similarity`.
    """
    enable_compilation_cache()
    make = _network if "model" in settings else _without_model
    predict = make(settings)

    def register(
        fixed: np.ndarray, moving: np.ndarray, spacing: Sequence[float]
    ) -> np.ndarray:
        pair = [jnp.asarray(image)[None, ..., None] for image in (moving, fixed)]
        return np.asarray(predict(*pair, spacing)[0])

    return register


def _network(settings: Mapping[str, Any]) -> Callable[..., Any]:
    module, _, name = (settings["network"] or "").partition(":")
    network = getattr(import_module(module), name)() if module else None
    model = load_model(settings["model"], network=network)
    steps, rate = settings["refine"], settings["learning_rate"]

    def predict(moving: Any, fixed: Any, spacing: Sequence[float]) -> Any:
        del spacing
        if steps:
            refined = model.refine(moving, fixed, steps=steps, learning_rate=rate)
            return refined.displacement
        return model(moving, fixed).displacements.full

    own = model.description.orientation
    resized = resampled(predict, model.description.spacing)
    return turned(resized, settings["orientation"] or own, own)


def resampled(predict: Callable[..., Any], own: tuple[float, ...]) -> Callable:
    """A function of images with voxels of size `own`, for images with others.

    They are resampled as `inference.register` does.

    Args:
        predict: As for `turned`.
        own: Sizes of the voxels that the function needs.
    """

    def predict_resampled(moving: Any, fixed: Any, spacing: Sequence[float]) -> Any:
        # In the world of these axes, which begin at the first voxel.
        affine = np.diag([*spacing, *(1.0,) * (4 - len(spacing))])
        volumes = [Volume(np.asarray(x)[0, ..., 0], affine) for x in (moving, fixed)]
        grid, given = working_grid(volumes[1], "RAS", own), volumes[1].grid
        if grid.matches(given):
            return predict(moving, fixed, spacing)
        pair = [jnp.asarray(resample(x, grid))[None, ..., None] for x in volumes]
        field = displacement_on(np.asarray(predict(*pair, own)[0]), grid, given)
        return (field[..., : len(own)] / np.asarray(spacing)).astype(np.float32)[None]

    return predict_resampled


def turned(predict: Callable[..., Any], given: str, own: str) -> Callable[..., Any]:
    """A function of images with the axes `own`, for images with the axes `given`.

    Args:
        predict: `(moving, fixed, spacing) -> displacement`, arrays `(1, *space, c)`.
        given: Letters of the axes of the images, as "LIA".
        own: Letters of the axes that the function needs.
    """
    if given == own:
        return predict
    codes = [axcodes2ornt(tuple(letters)) for letters in (given, own)]
    there, back = ornt_transform(*codes), ornt_transform(*codes[::-1])

    def moved(array: Any, turn: np.ndarray) -> np.ndarray:
        ndim = np.ndim(array) - 2
        return apply_orientation(np.asarray(array)[0], turn[:ndim])[None]

    def predict_turned(moving: Any, fixed: Any, spacing: Sequence[float]) -> Any:
        pair = [jnp.asarray(moved(image, there)) for image in (moving, fixed)]
        sizes = dict(zip(there[:, 0], spacing, strict=False))
        ordered = [sizes[axis] for axis in sorted(sizes)]
        field = moved(predict(*pair, ordered), back)
        axes, signs = there[: field.shape[-1]].T
        return field[..., axes.astype(int)] * signs.astype(field.dtype)

    return predict_turned


def _without_model(settings: Mapping[str, Any]) -> Callable[..., Any]:
    def predict(moving: Any, fixed: Any, spacing: Sequence[float]) -> Any:
        return register_pair(
            moving,
            fixed,
            jnp.asarray(spacing),
            num_iterations=settings["steps"],
            similarity=settings["similarity"],
        ).displacement

    return predict
