"""From the settings of an augmentation to pairs that are changed at random."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax import augmentation
from autoreg_jax.bilevel import PairBatch
from autoreg_jax.config import AugmentConfig, Chance
from autoreg_jax.errors import ConfigError
from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import apply_affine, identity_grid, warp

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
    "slices",
)
"""Each change has a key of its own, so that none changes the draws of another."""
_AXES = "xyz"
# Of the correction of an inverse deformation at a landmark.
_ROUNDS = 4


def augmented(batch: PairBatch, settings: AugmentConfig) -> tuple[PairBatch, PairBatch]:
    """Change the pairs of a batch at random; a function of `batch.key`.

    Args:
        batch: Images in [0, 1], labels and landmarks or not, and the key.
        settings: What is changed, how often and how much.

    Returns:
        The pairs that a network is to see, and those that the loss is to compare, with
        their labels and landmarks. Both are at the same positions.

    Raises:
        ConfigError: If an axis is to be mirrored that the images do not have.
    """

    def change(key: Any, pair: PairBatch) -> tuple[PairBatch, PairBatch]:
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(_STREAMS)}
        if settings.shapes:
            pair = _with_shapes(keys["shapes"], pair, settings.shapes)
        moving_side, fixed_side = _placed(keys, pair, settings)
        moving, moving_painted, moving_labels, moving_landmarks = moving_side
        fixed, fixed_painted, fixed_labels, fixed_landmarks = fixed_side
        placed = PairBatch(moving, fixed, moving_labels, fixed_labels)
        placed = placed._replace(
            moving_landmarks=moving_landmarks, fixed_landmarks=fixed_landmarks
        )
        painted = [moving_painted, fixed_painted]
        moving, fixed = _recoloured(keys, painted, settings)
        seen = placed._replace(moving=moving, fixed=fixed)
        return seen, seen if settings.loss_on == "augmented" else placed

    keys = jax.random.split(batch.key, batch.moving.shape[0])
    pairs = batch._replace(lam=None, key=None, condition=None)
    return jax.vmap(change)(keys, pairs)


def _placed(keys: dict[str, Any], pair: PairBatch, settings: AugmentConfig) -> Any:
    """The sides `(moving, fixed)` as they are, painted, labels, landmarks: moved."""
    shape = pair.moving.shape[:-1]
    is_shared = jax.random.bernoulli(keys["shared"], settings.shared)
    sides = [(pair.moving, pair.moving_labels), (pair.fixed, pair.fixed_labels)]
    points = [pair.moving_landmarks, pair.fixed_landmarks]
    places = []
    for side, (image, labels) in enumerate(sides):
        painted = image
        if settings.paint.probability:
            # Before the maps, which are linear in the image: one channel is moved
            # instead of all labels, which no image needs then.
            drawn = jnp.where(is_shared, 0, side)
            key = jax.random.fold_in(keys["paint"], drawn)
            paint = partial(_painted, labels)
            painted = _sometimes(key, image, paint, settings.paint)
        places.append((image, painted, labels))
    if settings.flip:
        known = _AXES[: len(shape)]
        if not {*settings.flip} <= {*known}:
            raise ConfigError(
                f"train.augment.flip: must name axes of images of {len(shape)} axes, "
                f"got {', '.join(settings.flip)}."
            )
        axes = [known.index(name) for name in settings.flip]
        marks = augmentation.flips(keys["flip"], axes, len(shape))
        places = jax.tree.map(partial(augmentation.mirrored, axes=marks), places)
        points = jax.tree.map(partial(_points_mirrored, shape, marks), points)
    if settings.affine.probability or settings.deform.probability:
        for side, arrays in enumerate(places):
            matrix, field = _map(keys, side, shape, settings)
            places[side] = _moved(matrix, field, arrays)
            if points[side] is not None:
                _, back = _map(keys, side, shape, settings, sign=-1)
                points[side] = _points_moved(matrix, field, back, points[side])
    return [(*arrays, p) for arrays, p in zip(places, points, strict=True)]


def _map(
    keys: dict[str, Any],
    side: int,
    shape: tuple[int, ...],
    settings: AugmentConfig,
    sign: int = 1,
) -> tuple[Array | None, Array | None]:
    """A random affine map A and a random deformation u of x to A(x + u(x)).

    With the sign -1 u is that of the inverse deformation; A is the same.
    """
    matrix = field = None
    if settings.deform.probability:
        key, whether = jax.random.split(jax.random.fold_in(keys["deform"], side))
        strength = sign * settings.deform.strength  # the exponential of ± v
        field = augmentation.random_deformation(key, shape, strength)
        field = jnp.where(_is_drawn(whether, settings.deform), field, 0)
    if settings.affine.probability:
        key, whether = jax.random.split(jax.random.fold_in(keys["affine"], side))
        strength, spacing = settings.affine.strength, settings.spacing
        matrix = augmentation.random_affine(key, shape, strength, spacing)
        is_drawn = _is_drawn(whether, settings.affine)
        matrix = jnp.where(is_drawn, matrix, jnp.eye(len(matrix)))
    return matrix, field


def _moved(matrix: Array | None, field: Array | None, arrays: Any) -> Any:
    """Arrays `(*space, c)` of one image, read where the map sends each voxel."""

    def move(array: Array) -> Array:
        points = grid = identity_grid(array.shape[:-1])
        if field is not None:
            points = grid + field
        if matrix is not None:
            points = apply_affine(matrix, points)
        return warp(array[None], (points - grid)[None], boundary="edge")[0]

    return jax.tree.map(move, arrays)


def _points_mirrored(shape: tuple[int, ...], marks: Array, points: Array) -> Array:
    """Where points `(k, d)` are once the marked axes of their image are mirrored."""
    ends = jnp.asarray(shape, points.dtype)[None] - 1
    return jnp.where(marks[None], ends - points, points)


def _points_moved(
    matrix: Array | None, field: Array | None, back: Array | None, points: Array
) -> Array:
    """Where points `(k, d)` are after `_moved`; `back` is nearly its inverse."""

    def at(field: Array, x: Array) -> Array:
        return x + sample_linear(field[None], x[None], boundary="edge")[0]

    if matrix is not None:
        points = apply_affine(jnp.linalg.inv(matrix), points)
    if field is None or back is None:
        return points
    # What the inverse on the grid lacks of one between its voxels.
    found = wanted = at(back, points)
    for _ in range(_ROUNDS):
        found += wanted - at(back, at(field, found))
    return found


def _with_shapes(key: Any, pair: PairBatch, probability: float) -> PairBatch:
    """The pair, or twice one image of random shapes with their labels."""
    key, whether = jax.random.split(key)
    shape_key, paint_key = jax.random.split(key)
    labels = augmentation.random_shapes(shape_key, *_shape_of(pair.moving_labels))
    image = _paint(paint_key, labels, pair.moving.shape[-1])
    is_drawn = jax.random.bernoulli(whether, probability)
    # Random shapes have no landmarks.
    none = jax.tree.map(
        lambda points: jnp.full_like(points, jnp.nan), pair.moving_landmarks
    )
    shapes = PairBatch(image, image, labels, labels)
    shapes = shapes._replace(moving_landmarks=none, fixed_landmarks=none)
    return jax.tree.map(partial(jnp.where, is_drawn), shapes, pair)


def _shape_of(labels: Array) -> tuple[tuple[int, ...], int]:
    return labels.shape[:-1], labels.shape[-1]


def _recoloured(
    keys: dict[str, Any], images: list[Array], settings: AugmentConfig
) -> list[Array]:
    """Both images of a pair with other intensities."""
    is_shared = jax.random.bernoulli(keys["shared"], settings.shared)
    maps = {
        "monotone": (augmentation.monotonically_mapped, settings.monotone),
        "remap": (augmentation.remapped, settings.remap),
        "gamma": (augmentation.gamma_changed, settings.gamma),
    }
    artefacts = {
        "bias": (augmentation.bias_multiplied, settings.bias),
        "blur": (augmentation.blurred, settings.blur),
        "slices": (augmentation.thick_sliced, settings.slices),
        "noise": (augmentation.noisy, settings.noise),
        "dropout": (augmentation.with_hole, settings.dropout),
    }
    changed = []
    for side, image in enumerate(images):
        for name, (function, chance) in (maps | artefacts).items():
            if chance.probability:
                is_own = name in artefacts
                drawn = side if is_own else jnp.where(is_shared, 0, side)
                key = jax.random.fold_in(keys[name], drawn)
                image = _sometimes(key, image, function, chance)
        changed.append(image)
    return changed


def _painted(labels: Array, key: Any, image: Array, strength: float) -> Array:
    """A blend of an image and of one that is made from its labels."""
    made = _paint(key, labels, image.shape[-1])
    return (1 - strength) * image + strength * made


def _paint(key: Any, labels: Array, channels: int) -> Array:
    """An image made from labels, each channel with intensities of its own."""
    keys = [key] if channels == 1 else jax.random.split(key, channels)
    return jnp.concatenate([augmentation.painted(k, labels) for k in keys], -1)


def _sometimes(key: Any, image: Array, function: Any, chance: Chance) -> Array:
    key, whether = jax.random.split(key)
    changed = function(key, image, chance.strength)
    return jnp.where(_is_drawn(whether, chance), changed, image)


def _is_drawn(key: Any, chance: Chance) -> Array:
    return jax.random.bernoulli(key, chance.probability)
