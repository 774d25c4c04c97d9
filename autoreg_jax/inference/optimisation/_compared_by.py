"""What an optimisation compares two images by, and why."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.data.images import Content, Contrast, content_of, shared_contrast
from autoreg_jax.geometry import Volume, resample
from autoreg_jax.losses import Objective, Similarity, channel_similarity

__all__ = ["AUTO", "ComparedBy", "channels_compared_by", "compared_by"]

AUTO = "auto"


class ComparedBy(NamedTuple):
    """The similarity of an optimisation.

    Attributes:
        similarity: Its name in `losses.SIMILARITIES`, or one of your own.
        reason: Why it is this one, a sentence; for several channels one for each.
        names: Of the similarities of several channels; empty for one.
    """

    similarity: str | Similarity
    reason: str
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the similarity; "own" for one of your own, "ncc + mind" for channels."""
        if self.names:
            return " + ".join(self.names)
        return self.similarity if isinstance(self.similarity, str) else "own"

    def summary(self) -> dict[str, str]:
        """For `summary.json`."""
        return {"compared_by": self.name, "compared_by_reason": self.reason}


def compared_by(
    asked: str | Similarity | None,
    of_model: str | None,
    fixed: Volume,
    moving: Volume,
    *,
    masks: tuple[Volume | None, Volume | None] = (None, None),
    place: Callable[[Volume, Volume], Volume] | None = None,
) -> ComparedBy:
    """The similarity that was asked for, that of the model, or that of the contrasts.

    Args:
        asked: As `similarity` of `register`.
        of_model: The similarity of the model, if there is one.
        fixed: The fixed image.
        moving: The moving one.
        masks: Where the fixed and the moving image are compared, 0 and 1 on any grid.
        place: `(moving, fixed) -> placed` at the start; None where the headers say.

    Returns:
        "ncc" for images of one contrast, "mind" for two, if the images decide.
    """
    if asked is not None and asked != AUTO:
        return ComparedBy(asked, "As asked for.")
    if asked is None and of_model is not None:
        return ComparedBy(of_model, "That of the model.")
    contrast = _contrast((fixed, moving), masks, place)
    if contrast is None:
        usual = Objective.similarity
        return ComparedBy(
            usual, "Too few voxels can be compared to tell the contrasts."
        )
    found = (
        "The grey values of one image explain "
        f"{100 * contrast.explained:.0f} % of the variance of the other, of which a "
        f"rising line explains {max(0, 100 * contrast.straight):.0f} %: "
    )
    if contrast.is_one:
        return ComparedBy("ncc", f"{found}the images have one contrast.")
    return ComparedBy("mind", f"{found}the images differ in contrast.")


def channels_compared_by(
    asked: str | Similarity | None,
    of_model: str | None,
    channels: Sequence[tuple[Volume, Volume]],
    weights: Sequence[float] | None = None,
    **options: Any,
) -> ComparedBy:
    """The similarity of several channels: the weighted mean of that of each.

    Args:
        asked: As for `compared_by`, for all channels.
        of_model: As for `compared_by`.
        channels: Fixed and moving image of each.
        weights: Of the channels; default: all equal.
        **options: Of `compared_by`.
    """
    found = [compared_by(asked, of_model, *pair, **options) for pair in channels]
    if len(found) == 1:
        return found[0]
    joined = channel_similarity([one.similarity for one in found], weights)
    reasons = dict.fromkeys(one.reason for one in found)
    if len(reasons) > 1:
        reasons = [f"Channel {n}: {one.reason}" for n, one in enumerate(found, 1)]
    return ComparedBy(joined, " ".join(reasons), tuple(one.name for one in found))


def _contrast(
    images: tuple[Volume, Volume],
    masks: tuple[Volume | None, Volume | None],
    place: Callable[[Volume, Volume], Volume] | None,
) -> Contrast | None:
    one, other = map(_content, images, masks)
    if one is None or other is None:
        return None
    if place is not None and one.small.ndim == other.small.ndim:
        # Few voxels are placed: a field would be computed on the whole grid.
        small, placed = other.small, place(other.small, one.small)
        is_moved = not np.array_equal(placed.affine, small.affine)
        if is_moved or placed.array is not small.array:
            other = _content(placed, None)
    return None if other is None else shared_contrast(one, other)


def _content(image: Volume, mask: Volume | None) -> Content | None:
    """What an image shows inside of a mask; None if it shows nothing there."""
    if mask is not None:
        inside = (resample(mask, image.grid) >= 0.5).astype(np.float32)
        mask = Volume(inside, image.affine, mask.path)
    values = image.array if mask is None else image.array[mask.array > 0]
    if values.size == 0 or values.min() == values.max():
        return None
    return content_of(image, mask)
