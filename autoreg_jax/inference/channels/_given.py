"""The channels of a pair: as many fixed as moving images, each side of one subject."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from autoreg_jax.data import Image, channels_of, check_contrast, read_image
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Volume, shared_part
from autoreg_jax.inference._comparable import compared_part
from autoreg_jax.inference._model import RegistrationModel

__all__ = [
    "Channel",
    "check_count",
    "check_weights",
    "compared_channels",
    "read_channels",
]

# Fractions of the field of view of the first image that another one has to cover, and
# below which a warning is given.
_LEAST, _MOST = 0.5, 0.95


class Channel(NamedTuple):
    """Two images that are compared with each other.

    Attributes:
        fixed: Of the fixed subject.
        moving: Of the moving subject.
    """

    fixed: Volume
    moving: Volume


def read_channels(
    fixed: Image | Sequence[Image], moving: Image | Sequence[Image]
) -> tuple[tuple[Channel, ...], list[str]]:
    """Read the images of a pair.

    Args:
        fixed: One image, or a list of several of one subject, on any grids.
        moving: As many.

    Returns:
        The channels, and sentences on what may be meant otherwise.

    Raises:
        ConfigError: If there are more images of one subject than of the other.
        DataError: If an image cannot be used, or has no contrast.
        GeometryError: If an image shows less than half of what the first one of the
            same subject does, or has another number of axes.
    """
    sides = [[*map(read_image, channels_of(side))] for side in (fixed, moving)]
    doubts: list[str] = []
    for side in sides:
        for image in side:
            check_contrast(image)
        doubts += _doubts(side)
    fixed_count, moving_count = map(len, sides)
    if fixed_count != moving_count or not fixed_count:
        raise ConfigError(
            f"{fixed_count} fixed and {moving_count} moving images; give as many of "
            "one subject as of the other, in the same order."
        )
    return tuple(Channel(*pair) for pair in zip(*sides, strict=True)), doubts


def _doubts(side: Sequence[Volume]) -> Iterator[str]:
    """Refuse images that do not lie on the first one; a sentence if a part does not."""
    for number, image in enumerate(side[1:], 2):
        name, first = image.path or f"channel {number}", side[0].path or "channel 1"
        if image.ndim != side[0].ndim:
            raise GeometryError(
                f"{name} has {image.ndim} axes, {first} of the same subject has "
                f"{side[0].ndim}; give slices alone or volumes alone."
            )
        covered = shared_part(side[0].grid, image.grid).fixed
        if covered < _LEAST:
            raise GeometryError(
                f"{name} covers {100 * covered:.2g} % of the field of view of {first}; "
                "images of one subject are compared where both are, by their headers. "
                "Align them first (autoreg register --affine rigid), correct the "
                "headers, or leave one out."
            )
        if covered < _MOST:
            yield (
                f"{name} covers {100 * covered:.2g} % of the field of view of {first}; "
                "elsewhere it counts as black. A mask (fixed_mask, moving_mask) leaves "
                "such places out."
            )


def compared_channels(
    channels: Iterable[Channel],
    masks: tuple[Image | None, Image | None],
    lesions: tuple[Image | None, Image | None],
) -> tuple[list[Channel], tuple[Volume | None, Volume | None], list[str]]:
    """What of the channels is compared, see `compared_part`; masks are for all.

    Args:
        channels: As they were read.
        masks: Where the fixed and the moving subject are compared.
        lesions: Where they are not.

    Returns:
        The channels without lesions; the parts of both subjects that are compared, on
        the grids of the first images; and sentences.
    """
    first, *others = channels
    found = [*map(compared_part, first, masks, lesions)]
    whole = [Channel(*(image for image, *_ in found))]
    for channel in others:
        parts = map(compared_part, channel, (None, None), lesions)
        whole.append(Channel(*(image for image, *_ in parts)))
    (_, fixed_part, doubts), (_, moving_part, more) = found
    return whole, (fixed_part, moving_part), [*doubts, *more]


def check_count(model: RegistrationModel | None, count: int) -> None:
    """Refuse channels for which a model was not trained.

    Args:
        model: The model, if there is one.
        count: Of the images of each subject.

    Raises:
        ConfigError: If the model was trained on more or fewer.
    """
    if model is not None:
        model.check_channels(count)


def check_weights(weights: Sequence[float] | None, count: int, refine: int) -> None:
    """Refuse weights that are not those of the channels, or that nothing uses.

    Args:
        weights: As given; None for equal ones.
        count: Of the channels.
        refine: Steps of the optimisation.

    Raises:
        ConfigError: If they cannot be used.
    """
    if weights is None:
        return
    if refine == 0:
        raise ConfigError(
            "channel_weights: they weigh what is optimised; refine (e.g. 100 steps), "
            "or leave them out."
        )
    if len(weights) != count or not all(0 < weight < math.inf for weight in weights):
        given = ", ".join(f"{weight:g}" for weight in weights)
        raise ConfigError(
            f"channel_weights: must be numbers above 0, one for each of the {count} "
            f"images of a subject, got {given}."
        )
