"""From the settings of an augmentation to pairs that are changed at random."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax import augmentation
from autoreg_jax.config import AugmentConfig, Chance
from autoreg_jax.errors import ConfigError
from autoreg_jax.search import PairBatch
from autoreg_jax.spatial import warp

_STREAMS = (
    "flip",
    "affine",
    "shared",
    "monotone",
    "remap",
    "gamma",
    "bias",
    "blur",
    "noise",
    "dropout",
    "shapes",
    "deform",
    "paint",
)
"""Each change has a key of its own, so that none changes the draws of another."""
_AXES = "xyz"


def augmented(batch: PairBatch, settings: AugmentConfig) -> tuple[PairBatch, PairBatch]:
    """Change the pairs of a batch at random; a function of `batch.key`.

    Args:
        batch: Images in [0, 1], labels or not, and the key.
        settings: What is changed, how often and how much.

    Returns:
        The pairs that a network is to see, and those that the loss is to compare, with
        their labels. Both are at the same positions.

    Raises:
        ConfigError: If an axis is to be mirrored that the images do not have.
    """

    def change(key: Any, pair: PairBatch) -> tuple[PairBatch, PairBatch]:
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(_STREAMS)}
        if settings.shapes:
            pair = _with_shapes(keys["shapes"], pair, settings.shapes)
        placed = _placed(keys, pair, settings)
        seen = _recoloured(keys, placed, settings)
        return seen, seen if settings.loss_on == "augmented" else placed

    keys = jax.random.split(batch.key, batch.moving.shape[0])
    pairs = PairBatch(*batch[:4])
    return jax.vmap(change)(keys, pairs)


def _placed(keys: dict[str, Any], pair: PairBatch, settings: AugmentConfig) -> Any:
    """Both images and their labels, mirrored alike and moved one by one."""
    shape = pair.moving.shape[:-1]
    places = [(pair.moving, pair.moving_labels), (pair.fixed, pair.fixed_labels)]
    if settings.flip:
        axes = [_AXES.index(name) for name in settings.flip]
        if max(axes) >= len(shape):
            raise ConfigError(
                f"train.augment.flip: must name axes of images of {len(shape)} axes, "
                f"got {', '.join(settings.flip)}."
            )
        marks = augmentation.flips(keys["flip"], axes, len(shape))
        places = jax.tree.map(partial(augmentation.mirrored, axes=marks), places)
    fields = {
        "affine": (augmentation.affine_displacement, settings.affine),
        "deform": (augmentation.random_deformation, settings.deform),
    }
    for name, (function, chance) in fields.items():
        if chance.probability:
            places = [
                _moved(jax.random.fold_in(keys[name], side), arrays, function, chance)
                for side, arrays in enumerate(places)
            ]
    (moving, moving_labels), (fixed, fixed_labels) = places
    return PairBatch(moving, fixed, moving_labels, fixed_labels)


def _with_shapes(key: Any, pair: PairBatch, probability: float) -> PairBatch:
    """The pair, or twice one image of random shapes with their labels."""
    key, whether = jax.random.split(key)
    shape_key, paint_key = jax.random.split(key)
    labels = augmentation.random_shapes(shape_key, *_shape_of(pair.moving_labels))
    image = augmentation.painted(paint_key, labels)
    is_drawn = jax.random.bernoulli(whether, probability)
    shapes = PairBatch(image, image, labels, labels)
    return jax.tree.map(partial(jnp.where, is_drawn), shapes, pair)


def _shape_of(labels: Array) -> tuple[tuple[int, ...], int]:
    return labels.shape[:-1], labels.shape[-1]


def _moved(key: Any, arrays: Any, function: Any, chance: Chance) -> Any:
    """Arrays `(*space, c)` of one image behind one random map."""
    shape = arrays[0].shape[:-1]
    key, whether = jax.random.split(key)
    field = function(key, shape, chance.strength)
    field = jnp.where(_is_drawn(whether, chance), field, jnp.zeros_like(field))[None]
    return jax.tree.map(
        lambda array: warp(array[None], field, boundary="edge")[0], arrays
    )


def _recoloured(
    keys: dict[str, Any], pair: PairBatch, settings: AugmentConfig
) -> PairBatch:
    """The pair with other intensities; its labels stay."""
    is_shared = jax.random.bernoulli(keys["shared"], settings.shared)
    maps = {
        "monotone": (augmentation.monotonically_mapped, settings.monotone),
        "remap": (augmentation.remapped, settings.remap),
        "gamma": (augmentation.gamma_changed, settings.gamma),
    }
    artefacts = {
        "bias": (augmentation.bias_multiplied, settings.bias),
        "blur": (augmentation.blurred, settings.blur),
        "noise": (augmentation.noisy, settings.noise),
        "dropout": (augmentation.with_hole, settings.dropout),
    }
    images = []
    sides = (pair.moving, pair.moving_labels), (pair.fixed, pair.fixed_labels)
    for side, (image, labels) in enumerate(sides):
        paint = {"paint": (partial(_painted, labels), settings.paint)}
        for name, (function, chance) in (paint | maps | artefacts).items():
            if chance.probability:
                is_own = name in artefacts
                drawn = side if is_own else jnp.where(is_shared, 0, side)
                key = jax.random.fold_in(keys[name], drawn)
                image = _sometimes(key, image, function, chance)
        images.append(image)
    return pair._replace(moving=images[0], fixed=images[1])


def _painted(labels: Array, key: Any, image: Array, strength: float) -> Array:
    """A blend of an image and of one that is made from its labels."""
    return (1 - strength) * image + strength * augmentation.painted(key, labels)


def _sometimes(key: Any, image: Array, function: Any, chance: Chance) -> Array:
    key, whether = jax.random.split(key)
    changed = function(key, image, chance.strength)
    return jnp.where(_is_drawn(whether, chance), changed, image)


def _is_drawn(key: Any, chance: Chance) -> Array:
    return jax.random.bernoulli(key, chance.probability)
