"""The memory of a pair: what its images, the model and the options say about it."""

import logging
import os
import warnings
from collections.abc import Sequence
from typing import Any

from autoreg_jax.errors import ImageWarning
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference._description import ModelDescription
from autoreg_jax.inference.memory._estimate import RegistrationTask
from autoreg_jax.inference.memory._fit import Fit, Limit, fit
from autoreg_jax.inference.memory._size import size_in_words
from autoreg_jax.losses import Objective, Similarity, find_similarity
from autoreg_jax.networks import activations

__all__ = ["fit_pair", "task_of"]

_LOGGER = logging.getLogger(__name__)
# Bytes of which a user is told before.
_MUCH = 2**30
# Threads that map points, at most, see `transforms`.
_THREADS = 8


def task_of(  # noqa: PLR0913
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    working: Grid,
    description: ModelDescription | None = None,
    *,
    affine: str = "auto",
    refine: int = 0,
    similarity: str | Similarity | None = None,
    masks: Sequence[object] = (),
    channels: int = 1,
    names: Sequence[str] = (),
    both_ways: bool = False,
) -> RegistrationTask:
    """What decides on the memory of a registration.

    Args:
        shapes: Of the fixed and of the moving image.
        working: Grid of the comparison.
        description: Of the model, if there is one.
        affine: As for `register`.
        refine: Steps of the optimisation.
        similarity: As for `register`.
        masks: Those that there are, None for none.
        channels: Images of each subject.
        names: Of the similarity of each, if there are several.
        both_ways: Whether the images are registered both ways.
    """
    name = ""
    if refine > 0:
        usual = Objective.similarity if description is None else description.similarity
        has_features = find_similarity(similarity or usual).features is not None
        name = "mind" if has_features else "ncc"
        name = "mixed" if len({*names}) > 1 else name
    return RegistrationTask(
        *shapes,
        working.shape,
        network=0.0 if description is None else _network(description),
        similarity=name,
        is_aligned=affine != "none",
        has_masks=any(mask is not None for mask in masks),
        is_repeated=both_ways,
        threads=min(_THREADS, os.cpu_count() or 1),
        channels=channels,
    )


def fit_pair(
    pair: tuple[Volume, Volume],
    working: Grid,
    description: ModelDescription | None,
    limit: Limit,
    **options: Any,
) -> Fit:
    """How a pair that was read fits into the memory, see `fit`; a large one is told of.

    Args:
        pair: Fixed and moving image; of several channels the first ones.
        working: Grid of the comparison.
        description: Of the model, if there is one.
        limit: What may be taken.
        **options: Of `task_of`.

    Warns:
        ImageWarning: If the optimisation has to do with a coarser grid.

    Raises:
        MemoryNeededError: If nothing fits.
    """
    fixed, moving = pair
    what = task_of((fixed.shape, moving.shape), working, description, **options)
    found = fit(
        what,
        limit,
        f"{moving.path or 'the moving image'} to {fixed.path or 'the fixed image'}",
        held=what.channels * (fixed.array.nbytes + moving.array.nbytes),
    )
    for note in found.notes:
        warnings.warn(note, ImageWarning, stacklevel=4)
    if not found.notes and found.memory.host > _MUCH:
        about = size_in_words(found.memory.host)
        _LOGGER.info("About %s of memory are needed; %s.", about, limit.words)
    return found


def _network(description: ModelDescription) -> float:
    """Numbers for each voxel; for a network of another kind those of a default one."""
    return activations(
        description.structure,
        len(description.spacing),
        width=description.width,
        matching=description.matching,
    )
